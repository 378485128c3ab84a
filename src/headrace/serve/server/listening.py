"""Where a server listens: takes an address, gives a listening socket that processes can share."""

from __future__ import annotations

import array
import ipaddress
import os
import socket
import struct
import sys
from dataclasses import dataclass

from headrace.base.errors import UsageError

_BACKLOG = 2048
_LARGEST_PORT = 65535
# Of Linux: a program that is asked about every packet for a socket. Ours loads the TCP flags, and
# lets everything pass but SYN, by which a connection begins.
_SO_ATTACH_FILTER = 26
_DROP_SYN = (
    (0x30, 0, 0, 13),
    (0x45, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen.

    Attributes:
        host: an address or a name.
        port: 0 is any free one.
        authenticated: whether anybody can prove who they are, see `auth.configured`.
        allow_unauthenticated: serve to other machines although nobody can.
        lame_duck_seconds: how long new connections are still taken after a SIGTERM.
        linger_seconds: how long those that were taken last have to send their request.
        grace_seconds: how long answers under way may still take then.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    authenticated: bool = False
    allow_unauthenticated: bool = False
    lame_duck_seconds: float = 2.0
    linger_seconds: float = 0.5
    grace_seconds: float = 10.0

    @property
    def end_seconds(self) -> float:
        """The longest that a server takes from a SIGTERM to its end."""
        return self.lame_duck_seconds + self.linger_seconds + self.grace_seconds


def listen(listening: Listening) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the address is taken, unknown, or open to others, and nobody there could prove
            who they are.
    """
    if not (listening.authenticated or listening.allow_unauthenticated):
        _require_loopback(listening.host)
    if not 0 <= listening.port <= _LARGEST_PORT:
        raise _cannot_listen(listening, "there is no such port")
    address = (listening.host, listening.port)
    try:
        family = socket.getaddrinfo(*address)[0][0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except socket.gaierror as exc:
        raise _cannot_listen(listening, "there is no such host") from exc
    except OSError as exc:
        raise _cannot_listen(listening, os.strerror(exc.errno or 0).lower()) from exc


def let_nobody_connect(listener: socket.socket) -> None:
    """Take no new connection; those that wait in the queue can still be accepted.

    Closing alone would reset whatever is in the queue at that moment. Somebody who connects now is
    not answered, tries again after a second, and finds the successor or nobody. Linux only;
    elsewhere it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    program = array.array("B", b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN))
    address, _ = program.buffer_info()
    described = struct.pack("HP", len(_DROP_SYN), address)
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def url(host: str, listener: socket.socket) -> str:
    """The address that a listening socket answers on; its port is known only now if it was 0."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cannot_listen(listening: Listening, reason: str) -> UsageError:
    return UsageError(
        f"{listening.host}:{listening.port}: cannot listen there: {reason}; expected a free port "
        "of this machine; stop what listens there, or choose another with --port"
    )


def _require_loopback(host: str) -> None:
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"{host}: other machines could reach it, and nobody can prove who they are: there is no"
            " account with a password or a key, and no issuer; expected 127.0.0.1, ::1 or"
            " localhost; add an account with `headrace users add` and a key for it with `headrace"
            " keys create`, or an issuer under [auth.issuers], or let everybody there read what is"
            " public with `headrace serve --allow-unauthenticated`"
        )

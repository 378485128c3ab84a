"""Servers to measure: takes a command or a URL, gives the address of a server that is ready."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from threading import Thread
from typing import IO

import msgspec

from headrace.base.errors import HeadraceError, UsageError
from headrace.benching.client import Address

_READY = "/readyz"
_READY_SECONDS = 60.0
_END_SECONDS = 10.0
_TOLD_LINES = 5
_URL = re.compile(r"http://\S+")


class NotReady(HeadraceError):
    """There is no server to measure, or it has no snapshot to answer from."""


class Served(msgspec.Struct, frozen=True):
    """What a server says of itself: `snapshot` is the number of the one that it answers from."""

    environment: str = ""
    snapshot: int | None = None
    reason: str = ""


@contextmanager
def started(command: Sequence[str]) -> Iterator[Address]:
    """A server of its own, ready to answer, ended when the block ends.

    Args:
        command: a program that prints its URL on its first line and then serves.

    Raises:
        NotReady: it ended, or is not ready within a minute; the message says why.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        environment = {**os.environ, "NO_COLOR": "1"}
        with subprocess.Popen(  # noqa: S603  # a command of our own
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as server:
            assert server.stdout is not None
            # Whatever it prints after its first line must not fill the pipe: it would wait.
            reader = Thread(target=server.stdout.read, daemon=True)
            try:
                found = _URL.search(server.stdout.readline())
                reader.start()
                if found is None:
                    raise NotReady(f"the server did not start: {_last_words(log)}")
                address = Address.of(found[0])
                asked(address)
                yield address
            finally:
                _end(server)
                if reader.is_alive():
                    reader.join(_END_SECONDS)


def asked(address: Address) -> Served:
    """What a server says of itself. One that has just been started answers when it is ready.

    Raises:
        NotReady: nobody listens there, or it has nothing to answer from.
    """
    status, said = _said(address)
    if status == HTTPStatus.OK:
        return said
    reason = said.reason or f"{_READY} answers {status or 'nothing'}"
    raise NotReady(
        f"{address}: the server is not ready: {reason}; expected `headrace serve` there, with a "
        "snapshot that is published"
    )


def require_loopback(address: Address) -> None:
    """Make sure that a server is on this machine.

    Raises:
        UsageError: it is elsewhere, or nobody knows.
    """
    if not is_loopback(address):
        raise UsageError(
            f"{address}: it is not on this machine, and a load test takes all that it can get; "
            "expected a loopback address such as http://127.0.0.1:8000; "
            "add --allow-remote if it is yours and nobody needs it now"
        )


def is_loopback(address: Address) -> bool:
    """Whether a server is on this machine for sure."""
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"


def _said(address: Address) -> tuple[int, Served]:
    connection = HTTPConnection(address.host, address.port, timeout=_READY_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", address.prefix + _READY)
            answer = connection.getresponse()
            return answer.status, msgspec.json.decode(answer.read(), type=Served)
        except (OSError, HTTPException, msgspec.MsgspecError):
            return 0, Served()


def _last_words(log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return " | ".join(lines[-_TOLD_LINES:]) or "it said nothing"


def _end(server: subprocess.Popen[str]) -> None:
    # As Ctrl-C does: nobody is left who would have to be answered while it drains.
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

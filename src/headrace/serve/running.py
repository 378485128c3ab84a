"""Runs the application under uvicorn: takes an address, serves until it is told to stop.

A SIGTERM first makes the server a lame duck: not ready, every connection closed after its answer,
new ones still taken; then it listens no more, answers what it has, and ends. So a successor or a
load balancer takes over without a failed request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
from dataclasses import dataclass
from types import FrameType

import uvicorn

from headrace.base.errors import UsageError
from headrace.serve.app import Service, create_app
from headrace.serve.protocol import protocol_of
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from headrace.store.store import Store

_BACKLOG = 2048
# How long a connection may ask for nothing.
KEEP_ALIVE_SECONDS = 5
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how to listen.

    Attributes:
        host: an address or a name.
        port: 0 is any free one.
        allow_unauthenticated: serve to other machines although anybody there may ask.
        lame_duck_seconds: how long new connections are still taken after a SIGTERM.
        linger_seconds: how long those that were taken last have to send their request.
        grace_seconds: how long answers under way may still take then.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    allow_unauthenticated: bool = False
    lame_duck_seconds: float = 2.0
    linger_seconds: float = 0.5
    grace_seconds: float = 10.0


def serve(
    store: Store,
    environment: str,
    listening: Listening,
    settings: ServeSettings = DEFAULT_SETTINGS,
) -> None:
    """Serve an environment until SIGTERM or SIGINT.

    Raises:
        UsageError: the address cannot be listened on, or is open to others without leave.
    """
    with listen(listening) as listener:
        run(create_app(store, environment, settings), listener, listening)


def listen(listening: Listening) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: the address is taken, unknown, or open to others without leave.
    """
    if not listening.allow_unauthenticated:
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


def _cannot_listen(listening: Listening, reason: str) -> UsageError:
    return UsageError(
        f"{listening.host}:{listening.port}: cannot listen there: {reason}; expected a free port "
        "of this machine; stop what listens there, or choose another with --port"
    )


def run(service: Service, listener: socket.socket, listening: Listening) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT."""
    config = configured(service, listening)
    LameDuckServer(config, service, listening).run(sockets=[listener])


def configured(service: Service, listening: Listening) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        service,
        http="httptools" if service.settings.protocol == "asgi" else protocol_of(service),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        ws="none",
        # Forwarded headers are believed by nobody here.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(listening.grace_seconds)),
    )


class LameDuckServer(uvicorn.Server):
    """uvicorn's server, with a SIGTERM that fails no request; a second one ends it at once."""

    def __init__(self, config: uvicorn.Config, service: Service, listening: Listening) -> None:
        """Run nothing yet."""
        super().__init__(config)
        self._service = service
        self._listening = listening
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Remember the loop: signals come from outside of it."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain on the first SIGTERM; everything else is uvicorn's."""
        if sig != signal.SIGTERM or self._loop is None or self._draining is not None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._start_drain)

    def _start_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        self._service.drain()
        await asyncio.sleep(self._listening.lame_duck_seconds)
        for server in self.servers:
            server.close()
        await asyncio.sleep(self._listening.linger_seconds)
        self.should_exit = True


def _require_loopback(host: str) -> None:
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"{host}: other machines could reach it, and nothing asks who they are; "
            "expected 127.0.0.1, ::1 or localhost; "
            "add --allow-unauthenticated if everybody there may read everything"
        )

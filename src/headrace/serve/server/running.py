"""Runs the application under uvicorn: takes a listening socket, serves until it is told to stop.

A SIGTERM first makes the server a lame duck: not ready, every connection closed after its answer,
new ones still taken; then it listens no more, answers what it has, and ends. So a successor or a
load balancer takes over without a failed request.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import threading
import time
from dataclasses import dataclass
from types import FrameType
from typing import Self, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.serve.app import Service
from headrace.serve.server.listening import Listening
from headrace.serve.server.protocol import protocol_of
from headrace.serve.server.slow_clients import Patience, SlowClients
from headrace.serve.server.supervising import READY, STARTED

# How long a connection may ask for nothing.
KEEP_ALIVE_SECONDS = 5
_EXIT_ORPHANED = 1
_TICKS_A_SWEEP = 10
# Data files, the store's, standard streams, query processes: what is no connection.
_OTHER_FILES = 256


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a server process has from the one that started it: see `Supervisor`."""

    listener: socket.socket
    life_fd: int
    report_fd: int

    @classmethod
    def of(cls, text: str) -> Self:
        """What `--inherited` names; a process that is started from here does not get it again."""
        listener, life_fd, report_fd = (int(each) for each in text.split(","))
        for each in (listener, life_fd, report_fd):
            os.set_inheritable(each, False)
        return cls(socket.socket(fileno=listener), life_fd, report_fd)

    def report(self, word: bytes) -> None:
        """Tell the parent; it may be gone."""
        try:
            os.write(self.report_fd, word)
        except BrokenPipeError:
            return


def run(
    service: Service,
    listener: socket.socket,
    listening: Listening,
    inherited: Inherited | None = None,
) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT, or until the parent is gone."""
    config = configured(service, listening)
    LameDuckServer(config, service, listening, inherited).run(sockets=[listener])


def configured(service: Service, listening: Listening) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        service,
        http=protocol_of(service),
        # Logging belongs to whoever runs this: a command, or a process of the user's own.
        log_config=None,
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

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        listening: Listening,
        inherited: Inherited | None = None,
    ) -> None:
        """Run nothing yet."""
        super().__init__(config)
        self._service = service
        self._listening = listening
        self._inherited = inherited
        self._is_reported = inherited is None
        settings = service.settings
        self._slow_clients = SlowClients(
            Patience(
                settings.receive_seconds,
                settings.send_seconds,
                _room_for(settings.connections),
                settings.address_connections,
                settings.answer_seconds,
                settings.auth.trusted_proxies,
            )
        )
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Remember the loop: signals come from outside of it."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._inherited is not None:
            self._inherited.report(STARTED)
            threading.Thread(
                target=self._outlive_nobody, args=(self._inherited,), daemon=True
            ).start()

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: say once that the server is ready; each second, look for slow clients."""
        if not self._is_reported and self._service.is_ready and self._inherited is not None:
            self._is_reported = True
            self._inherited.report(READY)
        if counter % _TICKS_A_SWEEP == 0:
            # Only HTTP/1.1 by httptools is spoken here.
            connections = cast("set[HttpToolsProtocol]", self.server_state.connections)
            self._slow_clients.sweep(connections, time.monotonic())
        return await super().on_tick(counter)

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
        self._stop_listening()
        await asyncio.sleep(self._listening.linger_seconds)
        self.should_exit = True

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()

    def _outlive_nobody(self, inherited: Inherited) -> None:
        """End when the parent has: its port must be free at once for whoever starts next."""
        assert self._loop is not None
        os.read(inherited.life_fd, 1)
        self._loop.call_soon_threadsafe(self._stop_listening)
        self.should_exit = True
        # However the event loop is held up.
        threading.Event().wait(self._listening.grace_seconds + 1)
        os._exit(_EXIT_ORPHANED)


def _room_for(connections: int) -> int:
    """How many connections may be open: as many, or fewer where the system sets a limit."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in (soft, hard):
        wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return wanted - _OTHER_FILES

"""An HTTP client that costs little: takes an address and targets, gives statuses, sizes and times.

One connection has one request under way, and asks for the next thing when it has its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import httptools
from uvicorn.loops.auto import auto_loop_factory

from headrace.base.errors import UsageError
from headrace.base.secrets import Secret

Result = TypeVar("Result")

_CONNECT_SECONDS = 5.0


class Address(NamedTuple):
    """Where a server listens, and as whom it is asked.

    `prefix` is what every path there begins with, "" for nothing; `key` is sent with each request,
    None is nobody.
    """

    host: str
    port: int
    prefix: str = ""
    key: Secret | None = None

    @classmethod
    def of(cls, url: str) -> Address:
        """The address that a URL names.

        Raises:
            UsageError: it names none that can be asked without TLS.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                f"--url: found {url!r}; expected `http://HOST:PORT`, without TLS: "
                "ask the server itself, behind whatever ends TLS"
            )
        return cls(parts.hostname, port, parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.prefix}"


class Reply(NamedTuple):
    """One answer: its status, the bytes of its body, and the seconds from asking to its end."""

    status: int
    size_bytes: int
    seconds: float


class Connection(asyncio.Protocol):
    """A connection that is kept for one request after the other; make it by `connect`."""

    def __init__(self, address: Address) -> None:
        """Connect to nothing."""
        self._start = f"GET {address.prefix}".encode()
        host = str(address._replace(prefix="")).removeprefix("http://")
        shown = "" if address.key is None else f"Authorization: Bearer {address.key.reveal()}\r\n"
        self._end = (
            f" HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
            f"User-Agent: headrace-bench\r\n{shown}\r\n"
        ).encode()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._size_bytes = 0
        self._asked_at = 0.0
        self.is_open = False

    async def ask(self, target: str) -> Reply:
        """The answer to a GET of a path with its query.

        Raises:
            OSError: the connection ended before the answer did.
        """
        assert self._transport is not None
        if not self.is_open:
            raise ConnectionError("the connection is closed")
        self._size_bytes = 0
        self._waiter = asyncio.get_running_loop().create_future()
        self._asked_at = time.perf_counter()
        self._transport.write(self._start + target.encode() + self._end)
        return await self._waiter

    def abort(self) -> None:
        """End it at once; who waits gets an OSError."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        # uvloop's transports are none by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Read on; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.is_open = False
        if self._waiter is not None and not self._waiter.done():
            error = ConnectionError("the connection ended without an answer")
            error.__cause__ = exc
            self._waiter.set_exception(error)

    # What the parser calls

    def on_body(self, body: bytes) -> None:
        """Count a piece of the body."""
        self._size_bytes += len(body)

    def on_message_complete(self) -> None:
        """Give the answer to who waits for it."""
        seconds = time.perf_counter() - self._asked_at
        if not self._parser.should_keep_alive() and self._transport is not None:
            self.is_open = False
            self._transport.close()
        if self._waiter is not None and not self._waiter.done():
            reply = Reply(self._parser.get_status_code(), self._size_bytes, seconds)
            self._waiter.set_result(reply)


async def connect(address: Address) -> Connection:
    """A connection to a server.

    Raises:
        OSError: nobody listens there, or takes too long.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, connection = await loop.create_connection(
            lambda: Connection(address), address.host, address.port
        )
    return connection


def run(work: Coroutine[object, None, Result]) -> Result:
    """The result of some asking, on the fastest event loop that there is."""
    with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
        return runner.run(work)

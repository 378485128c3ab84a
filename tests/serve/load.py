"""Clients on real sockets: ask one URL again and again, and keep account of every answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_LONGEST_SECONDS = 30


@dataclass
class Ledger:
    """What came of the requests: answers by status, and what failed without one.

    A client that is refused a connection asks no more: nothing listens there.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def total(self) -> int:
        """Requests that have ended, however."""
        return self.statuses.total() + len(self.failures)


@dataclass
class Connection:
    """One connection to a server, opened when it is needed."""

    host: str
    port: int
    path: str
    is_kept: bool
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self) -> tuple[int, bytes]:
        """Status and body of one GET; nothing is ever tried again.

        Raises:
            OSError, EOFError, ValueError: there was no whole answer.
        """
        # The server may have closed what was idle for long; that is no failure of a request.
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self._streams
        asked = "keep-alive" if self.is_kept else "close"
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: x\r\nConnection: {asked}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await _body(reader, head)
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        """Open another one next time."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.split(b":")[1]))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)


async def ask_until(ledger: Ledger, connection: Connection, is_enough: Callable[[], bool]) -> None:
    """Send one request after another until it is enough."""
    while not is_enough():
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                status, _ = await connection.get()
            ledger.statuses[status] += 1
        except ConnectionRefusedError:
            ledger.refused += 1
            return
        except (OSError, EOFError, ValueError) as exc:
            ledger.failures.append(repr(exc))
            connection.close()
    connection.close()


async def ask(
    ledger: Ledger, url: str, path: str, clients: int, is_enough: Callable[[], bool]
) -> None:
    """Ask from several clients at once, every second of them on a connection that it keeps."""
    host, port = url.removeprefix("http://").split(":")
    connections = [Connection(host, int(port), path, number % 2 == 0) for number in range(clients)]
    await asyncio.gather(*(ask_until(ledger, each, is_enough) for each in connections))

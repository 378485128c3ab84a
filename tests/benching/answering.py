"""A server that answers with what a test says, and notes what it was asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from headrace.benching.client import Address


def answer(status: int, body: bytes = b"", headers: str = "") -> bytes:
    """One answer of HTTP 1.1."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass
class Asked:
    """Where it listens, and the targets that it was asked for, in order; how many connected."""

    address: Address
    targets: list[str] = field(default_factory=list)
    connections: int = 0


@contextmanager
def answering(say: Callable[[str], bytes | None]) -> Iterator[Asked]:
    """A server in a thread. `say` gives the answer to a target; None ends the connection."""
    loop = asyncio.new_event_loop()
    asked = Asked(Address("127.0.0.1", 0))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target = head.split()[1].decode()
                asked.targets.append(target)
                said = say(target)
                if said is None:
                    break
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(serve, "127.0.0.1", 0)

    server = loop.run_until_complete(listen())
    asked.address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asked
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

"""Requests to a service in this process, as a server hands them on: gives the whole answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from headrace.serve.app import Service

# Only the slow path reads it.
SLOW = ("content-length", "0")


@dataclass(frozen=True)
class Answered:
    """An answer; names of headers are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """A header; "" without it."""
        return dict(self.headers).get(name, "")


async def ask(
    service: Service,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answered:
    """The answer to one request; of a stream, all until its first event.

    Args:
        service: to ask.
        method: of the request.
        target: path and query as they are sent.
        headers: names in lower case.
        body: whole.
    """
    start: dict[str, Any] = {}
    pieces: list[bytes] = []
    left = asyncio.Event()
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if unread:
            return unread.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        pieces.append(message.get("body", b""))
        if pieces[-1].startswith(b"event: "):
            left.set()

    await service(_scope(method, target, headers), receive, send)
    shown = ((name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"])
    return Answered(start["status"], tuple(shown), b"".join(pieces))


def hot(
    service: Service, method: str, target: str, headers: Iterable[tuple[str, str]]
) -> Answered | None:
    """The answer that needs no waiting, if there is one."""
    path, _, query = target.partition("?")
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    found = service.hot(method, path.encode("latin-1"), query.encode("latin-1"), sent)
    if found is None:
        return None
    pairs = [*found.ready.head.pairs, *found.varying()]
    shown = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in pairs)
    return Answered(found.ready.status, shown, found.ready.body)


def _scope(method: str, target: str, headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "surrogateescape"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [
            (b"host", b"localhost:8000"),
            *((name.encode(), value.encode("latin-1")) for name, value in headers),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }

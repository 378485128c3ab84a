"""A bare ASGI application that answers `/LENGTH` with so many bytes: what HTTP costs by itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

_JSON = (b"content-type", b"application/json")
Message = MutableMapping[str, Any]


@cache
def _answer(path: str) -> tuple[Message, Message]:
    body = b"x" * int(path[1:])
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


async def app(
    scope: Message,
    _receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer one request."""
    start, body = _answer(scope["path"])
    await send(start)
    await send(body)

"""An HTTP answer as a noun, and the one function that sends it over ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.types import Message, Scope, Send

Headers: TypeAlias = "list[tuple[bytes, bytes]]"
Piece: TypeAlias = "tuple[bytes, bool]"
"""Some bytes of a body, and whether they are the last."""

_BODILESS = frozenset([204, 304])


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client: `body`, and after it what `more` gives until its last piece.

    `headers` are those that this answer adds; Content-Length is set when the body is whole.
    `close` is to be called when no more pieces will be asked for.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Callable[[], Awaitable[Piece]] | None = None
    close: Callable[[], None] | None = None


async def send_answer(answer: Answer, method: str, send: Send) -> None:
    """Send an answer; of one to HEAD, all but its body."""
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": _encoded(answer),
    }
    try:
        await send(start)
        if method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await _send_body(answer, send)
    finally:
        if answer.close is not None:
            answer.close()


async def _send_body(answer: Answer, send: Send) -> None:
    more = answer.more
    body = answer.body
    last = more is None
    await send({"type": "http.response.body", "body": body, "more_body": not last})
    while more is not None and not last:
        body, last = await more()
        await send({"type": "http.response.body", "body": body, "more_body": not last})


def _encoded(answer: Answer) -> Headers:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in answer.headers.items()
    ]
    if answer.more is None and answer.status not in _BODILESS:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return headers


def request_header(scope: Scope, name: bytes) -> str:
    """A request's header; several of one name are joined by commas; "" when there is none."""
    found: list[tuple[bytes, bytes]] = scope["headers"]
    return ", ".join(value.decode("latin-1") for each, value in found if each == name)

"""An HTTP answer as a noun, and the one function that sends it over ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from starlette.types import Message, Scope, Send

Headers: TypeAlias = "list[tuple[bytes, bytes]]"
Piece: TypeAlias = "tuple[bytes, bool]"
"""Some bytes of a body, and whether they are the last."""

# For a year: whoever has come by https does not come by anything else.
ONLY_HTTPS = ("Strict-Transport-Security", "max-age=31536000")
BODILESS = frozenset([204, 304])


def encoded(headers: Mapping[str, str]) -> Headers:
    """Headers as bytes; what Latin-1 has not becomes `?`."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in headers.items()
    ]


def names_file(headers: Headers) -> bool:
    """Whether the body of an answer with these headers is to be kept as a file."""
    return any(name == b"content-disposition" for name, _ in headers)


class Head:
    """Headers that many answers share, as ASGI wants them and as they go over the wire."""

    __slots__ = ("is_file", "lines", "pairs")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.pairs: Headers = encoded(headers)
        self.is_file = names_file(self.pairs)
        self.lines = b"".join(b"%s: %s\r\n" % pair for pair in self.pairs)

    def replacing(self, name: bytes, value: bytes) -> Head:
        """The same headers with another value of one of them; its name is in lower case."""
        pairs = [(each, value if each == name else was) for each, was in self.pairs]
        return Head({each.decode("latin-1"): was.decode("latin-1") for each, was in pairs})


NO_HEAD = Head({})


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client: `body`, and after it what `more` gives until its last piece.

    `headers` are those that this answer adds to `head`; Content-Length is set when the body is
    whole. `close` is to be called when no more pieces will be asked for.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Callable[[], Awaitable[Piece]] | None = None
    close: Callable[[], None] | None = None
    head: Head = NO_HEAD


class Ready(NamedTuple):
    """An answer that needs no waiting; `tag`, `age_seconds` and `link` become headers."""

    status: int
    head: Head
    tag: str
    age_seconds: int
    body: bytes
    link: str = ""

    def answer(self) -> Answer:
        """The same as any other answer."""
        headers = {"ETag": self.tag, "X-Data-Age": str(self.age_seconds)}
        if self.link:
            headers["Link"] = self.link
        return Answer(self.status, self.body, headers, head=self.head)


async def send_answer(answer: Answer, method: str, send: Send) -> None:
    """Send an answer; of one to HEAD, all but its body."""
    start: Message = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": headers_of(answer),
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


async def whole_answer(answer: Answer, look: Callable[[bytes], None] | None = None) -> Answer:
    """An answer with all of its body; `look` sees each piece, and may raise."""
    pieces = [answer.body]
    try:
        last = answer.more is None
        if look is not None:
            look(answer.body)
        while answer.more is not None and not last:
            piece, last = await answer.more()
            if look is not None:
                look(piece)
            pieces.append(piece)
    finally:
        if answer.close is not None:
            answer.close()
    return Answer(answer.status, b"".join(pieces), answer.headers, head=answer.head)


def headers_of(answer: Answer) -> Headers:
    """All headers of an answer, as ASGI wants them."""
    headers = answer.head.pairs + encoded(answer.headers)
    if answer.more is None and answer.status not in BODILESS:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    return headers


def request_header(scope: Scope, name: bytes) -> str:
    """A request's header; several of one name are joined by commas; "" when there is none."""
    found: Headers = scope["headers"]
    return ", ".join(value.decode("latin-1") for each, value in found if each == name)

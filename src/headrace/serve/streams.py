"""Event streams: takes a question to an endpoint, sends its answer, and each new one as soon as a
publish changes it (server-sent events).

An idle stream holds nothing but its connection: no edition, no query.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from starlette.types import Send

from headrace.serve.answering.answers import Answer, encoded
from headrace.serve.answering.problems import Refused, unavailable
from headrace.serve.settings import ServeSettings

Ask: TypeAlias = Callable[[str], Awaitable[Answer]]
"""Gives the whole answer as it is now, 304 when its tag is the one that is given."""

STREAM_ENDING = "/stream"
ENDLESS = "headrace.endless"
"""Key of the `state` of an ASGI scope whose answer may go on for ever."""

_HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # What nginx needs to hand on each event at once.
    "X-Accel-Buffering": "no",
}
# How long a browser waits before it connects again.
_RETRY = b"retry: 2000\n\n"
_KEEP_ALIVE = b": nothing new\n\n"
# A publish changes many streams at once; requests go on beside them.
_ASKING_AT_ONCE = 4
_AGAIN_SECONDS = 1.0
_UNAVAILABLE = 503


class Streams:
    """The streams of one service; from one event loop but for `drain`."""

    def __init__(self, number: Callable[[], int], settings: ServeSettings) -> None:
        """Without a stream yet.

        Args:
            number: of the snapshot that is served now.
            settings: how many streams there may be, and how often to look.
        """
        self._number = number
        self._settings = settings
        self._count = 0
        self._draining = False
        self._news = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._asking = asyncio.Semaphore(_ASKING_AT_ONCE)

    @property
    def count(self) -> int:
        """How many there are now."""
        return self._count

    def drain(self) -> None:
        """End every stream soon: clients connect again, to another process."""
        self._draining = True

    async def run(
        self, ask: Ask, last_tag: str, send: Send, gone: Callable[[], Awaitable[None]]
    ) -> None:
        """Send events until the client has left, the service drains, or there is no answer more.

        Args:
            ask: the question.
            last_tag: of the answer that the client has already; "" for none.
            send: of the request.
            gone: returns when the client has left.

        Raises:
            Refused: there is no first answer, or there are too many streams; nothing was sent.
        """
        if self._count >= self._settings.streams or self._draining:
            raise Refused(unavailable("No more streams can be opened.", "busy", retry_seconds=5))
        self._count += 1
        leaving = asyncio.ensure_future(gone())
        try:
            await self._run(ask, last_tag, send, leaving)
        finally:
            self._count -= 1
            leaving.cancel()

    async def _run(
        self, ask: Ask, last_tag: str, send: Send, leaving: asyncio.Future[None]
    ) -> None:
        seen = self._number()
        answer = await ask(last_tag)
        await send({"type": "http.response.start", "status": 200, "headers": encoded(_HEADERS)})
        await _send_piece(send, _RETRY)
        tag = await _send_event(send, answer, last_tag)
        while await self._changed(seen, leaving, send):
            seen = self._number()
            try:
                async with self._asking:
                    answer = await ask(tag)
            except Refused as refused:
                if refused.answer.status == _UNAVAILABLE:
                    # Too much at once: the same answer is asked for again in a moment.
                    await asyncio.wait([leaving], timeout=_AGAIN_SECONDS)
                    seen = 0
                    continue
                await _send_piece(send, _event(b"problem", "", refused.answer.body))
                break
            tag = await _send_event(send, answer, tag)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _changed(self, seen: int, leaving: asyncio.Future[None], send: Send) -> bool:
        """Wait for another snapshot than `seen`; False when the stream is to end."""
        while True:
            if leaving.done() or self._draining:
                return False
            if self._number() != seen:
                return True
            news = asyncio.ensure_future(self._next_news().wait())
            both: tuple[asyncio.Future[Literal[True]] | asyncio.Future[None], ...] = (news, leaving)
            try:
                done, _ = await asyncio.wait(
                    both,
                    timeout=self._settings.keep_alive_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                news.cancel()
            if not done:
                await _send_piece(send, _KEEP_ALIVE)

    def _next_news(self) -> asyncio.Event:
        """What is set when there may be news; one task looks for all streams."""
        if self._watching is None or self._watching.done():
            self._news = asyncio.Event()
            self._watching = asyncio.ensure_future(self._watch())
        return self._news

    async def _watch(self) -> None:
        seen = self._number()
        while self._count and self._number() == seen and not self._draining:
            await asyncio.sleep(self._settings.poll_seconds)
        self._news.set()


def stream_head(first: Answer) -> Answer:
    """What a stream with a first answer begins with; raises nothing: the answer is there."""
    return Answer(first.status, headers=_HEADERS)


async def _send_event(send: Send, answer: Answer, tag: str) -> str:
    """Send an answer, unless it is the one of `tag`; returns the tag of the newest."""
    if answer.status == 304:
        return tag
    new = answer.headers["ETag"]
    await _send_piece(send, _event(b"answer", new, answer.body))
    return new


async def _send_piece(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(kind: bytes, tag: str, body: bytes) -> bytes:
    name = b"id: %s\n" % tag.encode() if tag else b""
    data = body.rstrip(b"\n").replace(b"\n", b"\ndata: ")
    return b"event: %s\n%sdata: %s\n\n" % (kind, name, data)

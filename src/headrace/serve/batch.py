"""Batches: takes several calls in one request, gives all their answers, of one snapshot.

The body is `{"calls": [{"path": "/stores/7/revenue?since=2024-03-01"}]}`; the JSON of each answer
goes into that of the batch as the bytes that it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from headrace.serve.answering.answers import Answer, headers_of, whole_answer
from headrace.serve.answering.problems import Refused, problem, unfit
from headrace.serve.settings import ServeSettings

PATH = "/batch"
ALLOWED = "POST, OPTIONS"

Ask: TypeAlias = Callable[[bytes], Awaitable[Answer]]
"""Gives the answer to a GET of a path with its query."""

_AT_ONCE = 4
_JSON_TYPES = (b"application/json", b"application/problem+json")
_SHOWN = {
    b"etag": "ETag",
    b"x-data-age": "X-Data-Age",
    b"link": "Link",
    b"deprecation": "Deprecation",
    b"sunset": "Sunset",
    b"retry-after": "Retry-After",
}


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question: the path of a compiled endpoint, with its query."""

    path: str


class Calls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a batch."""

    calls: list[Call]


class _Answered(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: msgspec.Raw


_DECODER = msgspec.json.Decoder(Calls)
_EXPECTED = 'a body such as {"calls": [{"path": "/stores?limit=10"}]}'


def read_calls(body: bytes, settings: ServeSettings) -> list[bytes]:
    """The paths of a batch, each with its query.

    Raises:
        Refused: 422, the body is no batch, or has too many calls.
    """
    try:
        calls = _DECODER.decode(body).calls
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise unfit("body", str(exc), _EXPECTED) from exc
    if not 0 < len(calls) <= settings.batch_calls:
        raise unfit("calls", f"{len(calls)} calls", f"1 to {settings.batch_calls}")
    return [_path(number, call) for number, call in enumerate(calls)]


async def answer_batch(
    calls: list[bytes], ask: Ask, number: int, settings: ServeSettings
) -> Answer:
    """All answers, in the order of the calls; what is wrong with one is its answer.

    Args:
        calls: from `read_calls`.
        ask: raises Refused; whatever else it raises ends the batch.
        number: of the snapshot that all answers are of.
        settings: how large the answers may be together.
    """
    room = _Room(settings.batch_bytes)
    asking = asyncio.Semaphore(_AT_ONCE)

    async def one(call: bytes) -> _Answered:
        async with asking:
            try:
                return _embedded(await _whole(await ask(call), room))
            except Refused as refused:
                return _embedded(refused.answer)

    tasks = [asyncio.ensure_future(one(call)) for call in calls]
    try:
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    body = msgspec.json.encode({"snapshot": number, "answers": answers})
    return Answer(200, body, {"Content-Type": "application/json", "Cache-Control": "no-store"})


class _Room:
    """How many bytes the answers of a batch may still have."""

    def __init__(self, left_bytes: int) -> None:
        self._all_bytes = self._left_bytes = left_bytes

    def take(self, size_bytes: int) -> None:
        """Raises Refused when it is too much: then it takes nothing."""
        if size_bytes > self._left_bytes:
            detail = f"The answers of the batch are over {self._all_bytes} bytes; ask for less."
            raise Refused(problem(422, detail, kind="batch-size"))
        self._left_bytes -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """What an answer had taken that is refused in the end."""
        self._left_bytes += size_bytes


async def _whole(answer: Answer, room: _Room) -> Answer:
    """An answer with all of its body. Raises Refused when it is too large, or no JSON."""
    if _content_type(answer) not in _JSON_TYPES:
        if answer.close is not None:
            answer.close()
        raise Refused(problem(406, "In a batch, every answer is JSON."))
    taken: list[int] = []

    def take(piece: bytes) -> None:
        room.take(len(piece))
        taken.append(len(piece))

    try:
        return await whole_answer(answer, take)
    except Refused:
        room.give_back(sum(taken))
        raise


def _content_type(answer: Answer) -> bytes:
    found = dict(headers_of(answer)).get(b"content-type", b"")
    return found.partition(b";")[0]


def _embedded(answer: Answer) -> _Answered:
    headers = {
        _SHOWN[name]: value.decode("latin-1")
        for name, value in headers_of(answer)
        if name in _SHOWN
    }
    return _Answered(answer.status, headers, msgspec.Raw(answer.body.strip()))


def _path(number: int, call: Call) -> bytes:
    path = call.path.encode("utf-8", "surrogatepass")
    if not path.startswith(b"/") or b"#" in path or not path.isascii():
        found = f"calls[{number}].path"
        raise unfit(
            found, repr(call.path[:80]), "a path with its query, percent-encoded, from `/` on"
        )
    return path

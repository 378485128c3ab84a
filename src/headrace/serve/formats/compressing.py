"""Content codings: chooses one by Accept-Encoding, and compresses a body, whole or in pieces.

An answer's ETag is weak: it names the rows, and is the same in every coding (RFC 9110, 8.8.1).
Caches tell the codings apart by `Vary: Accept-Encoding`.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

import zstandard

from headrace.serve.answering.answers import Answer, Piece
from headrace.serve.formats.qualities import qualities

Coding: TypeAlias = Literal["identity", "gzip", "zstd"]

# The fastest levels: of JSON rows, higher ones made up to a tenth less in three times the time.
_ZSTD_LEVEL, _GZIP_LEVEL = 1, 1
_GZIP_WINDOW = zlib.MAX_WBITS | 16
# A smaller body fits into one packet as it is.
_LEAST_BYTES = 1024
# What a client likes equally is told apart by this order: zstd takes half the time.
_PREFERRED: tuple[Coding, ...] = ("zstd", "gzip", "identity")
_ALIASES = {"x-gzip": "gzip"}


@lru_cache(maxsize=1000)
def chosen_coding(accept_encoding: str) -> Coding:
    """The coding that an Accept-Encoding header likes best.

    A client that sends none, or takes none that there is, gets the body as it is.
    """
    if not accept_encoding:
        return "identity"
    given = qualities(accept_encoding, _ALIASES)
    rest = given.get("*", 0.0)
    # Without a word about it, the body as it is is fine, but everything that is named is better.
    liked = {each: given.get(each, rest) for each in _PREFERRED}
    liked["identity"] = given.get("identity", rest or _UNSAID)
    chosen = max(_PREFERRED, key=lambda each: liked[each])
    return chosen if liked[chosen] > 0 else "identity"


# Less than any quality that a header can have: it has three digits.
_UNSAID = 0.0001


def coded(answer: Answer, coding: Coding, *, is_compressed: bool) -> Answer:
    """An answer in a coding; itself when that would gain nothing.

    Args:
        answer: whole or in pieces.
        coding: what the client likes best.
        is_compressed: whether the format of the answer has seen to that already.
    """
    more = answer.more
    worth_it = is_worth_it(len(answer.body), is_compressed=is_compressed)
    if coding == "identity" or answer.status != 200 or not worth_it:
        return answer
    headers = {**answer.headers, "Content-Encoding": coding}
    if more is None:
        return replace(answer, body=compressed(answer.body, coding), headers=headers)
    stream = compressor(coding)

    async def next_piece() -> Piece:
        piece, last = await more()
        # Beside the event loop: a megabyte takes some milliseconds.
        return await asyncio.to_thread(stream.piece, piece, last=last), last

    return replace(answer, body=stream.piece(answer.body), more=next_piece, headers=headers)


def is_worth_it(size_bytes: int, *, is_compressed: bool) -> bool:
    """Whether a body gets smaller by a coding.

    Args:
        size_bytes: of the body, or of its first piece.
        is_compressed: whether its format has seen to that already.
    """
    return size_bytes >= _LEAST_BYTES and not is_compressed


def compressed(body: bytes, coding: Coding) -> bytes:
    """A whole body in a coding."""
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    if coding == "gzip":
        return zlib.compress(body, _GZIP_LEVEL, _GZIP_WINDOW)
    return body


class CodedBodies:
    """Whole bodies that were compressed not long ago; for one thread."""

    def __init__(self, most_bytes: int) -> None:
        """Remember so many bytes of them."""
        self._left_bytes = most_bytes
        self._bodies: dict[tuple[str, Coding], bytes] = {}

    def get(self, tag: str, coding: Coding, body: bytes) -> bytes:
        """`body` in a coding; `tag` names it and no other one."""
        known = self._bodies.pop((tag, coding), None)
        if known is None:
            known = compressed(body, coding)
            self._left_bytes -= len(known)
        # Last in is last out: what is asked for again and again stays.
        self._bodies[tag, coding] = known
        while self._left_bytes < 0:
            self._left_bytes += len(self._bodies.pop(next(iter(self._bodies))))
        return known


class Compressor(Protocol):
    """Compresses one body in pieces."""

    def piece(self, data: bytes, *, last: bool = False) -> bytes:
        """What goes to the client now that `data` is there; of it, nothing is held back."""
        ...


def compressor(coding: Coding) -> Compressor:
    """A compressor for one body."""
    if coding == "zstd":
        return _Zstd()
    return _Gzip() if coding == "gzip" else _Identity()


class _Identity:
    def piece(self, data: bytes, *, last: bool = False) -> bytes:  # noqa: ARG002 - the shelf's
        return data


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()

    def piece(self, data: bytes, *, last: bool = False) -> bytes:
        how = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return self._stream.compress(data) + self._stream.flush(how)


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)

    def piece(self, data: bytes, *, last: bool = False) -> bytes:
        how = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
        return self._stream.compress(data) + self._stream.flush(how)

"""A whole that is worth keeping is kept; what a client gets is the same in any case."""

from __future__ import annotations

import asyncio

import pytest

from headrace.serve.answering.answers import Piece
from headrace.serve.caching.collecting import Collected


def passed_on(pieces: list[bytes], most_bytes: int) -> tuple[list[Piece], list[bytes]]:
    """What a client gets after the first piece, and what is kept."""
    kept: list[bytes] = []
    left = [(piece, number == len(pieces) - 1) for number, piece in enumerate(pieces)][1:]

    async def more() -> Piece:
        return left.pop(0)

    following = Collected(pieces[0], most_bytes, kept.append).over(more)

    async def collect() -> list[Piece]:
        return [await following() for _ in pieces[1:]]

    return asyncio.run(collect()), kept


@pytest.mark.parametrize(("most_bytes", "kept"), [(6, [b"abcdef"]), (5, []), (3, []), (0, [])])
def test_only_a_whole_that_fits_is_kept(most_bytes: int, kept: list[bytes]) -> None:
    given = [(b"cd", False), (b"ef", True)]
    assert passed_on([b"ab", b"cd", b"ef"], most_bytes) == (given, kept)


def test_half_an_answer_is_not_kept() -> None:
    kept: list[bytes] = []

    async def more() -> Piece:
        return b"b", False

    async def half() -> Piece:
        return await Collected(b"a", 9, kept.append).over(more)()

    assert asyncio.run(half()) == (b"b", False)
    assert kept == []

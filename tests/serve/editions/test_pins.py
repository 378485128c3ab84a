"""Older snapshots: opened when they are asked for, once, a few at a time, and closed when idle."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from headrace.base.errors import NotFound
from headrace.serve.answering.problems import Refused
from headrace.serve.editions.pins import IDLE_SECONDS, Pins
from tests.serve.shop import run


class Opened:
    """An edition that knows whether it is closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.holds = 0
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class Opening:
    """Opens editions, and remembers them."""

    def __init__(self) -> None:
        self.made: list[Opened] = []
        self.go = threading.Event()
        self.go.set()
        self.failure: Exception | None = None

    def __call__(self, number: int) -> Any:
        assert self.go.wait(10)
        if self.failure is not None:
            raise self.failure
        self.made.append(Opened(number))
        return self.made[-1]


@pytest.fixture
def opening() -> Opening:
    return Opening()


def pins(opening: Opening, most: int = 2, deadline_seconds: float = 10, **rest: Any) -> Pins:
    return Pins(opening, most, deadline_seconds, lambda: 9, **rest)


async def use(pinned: Pins, number: int) -> None:
    async with pinned.edition(number) as edition:
        assert edition.holds >= 1


def test_who_asks_at_the_same_time_has_the_same_edition(opening: Opening) -> None:
    opening.go.clear()
    pinned = pins(opening)

    async def scenario() -> None:
        asking = [asyncio.ensure_future(use(pinned, 3)) for _ in range(5)]
        await asyncio.sleep(0)
        opening.go.set()
        await asyncio.gather(*asking)

    run(scenario())
    assert [each.number for each in opening.made] == [3]
    assert opening.made[0].holds == 0


def test_the_one_that_was_used_least_recently_goes_first(opening: Opening) -> None:
    pinned = pins(opening)

    async def scenario() -> None:
        for number in (1, 2, 1, 3, 1):
            await use(pinned, number)

    run(scenario())
    assert [(each.number, each.closed) for each in opening.made] == [
        (1, False),
        (2, True),
        (3, False),
    ]


def test_one_that_is_in_use_stays_and_one_more_is_refused(opening: Opening) -> None:
    pinned = pins(opening, most=1)

    async def scenario() -> None:
        async with pinned.edition(1):
            with pytest.raises(Refused) as refused:
                await use(pinned, 2)
            assert refused.value.answer.status == 503
        await use(pinned, 2)

    run(scenario())
    assert [(each.number, each.closed) for each in opening.made] == [(1, True), (2, False)]


def test_idle_ones_are_closed_and_the_others_are_not(opening: Opening) -> None:
    now = [0.0]
    pinned = pins(opening, monotonic=lambda: now[0])

    async def scenario() -> None:
        await use(pinned, 1)
        async with pinned.edition(2):
            now[0] = IDLE_SECONDS
            pinned.close_idle()
            assert [each.closed for each in opening.made] == [True, False]
        pinned.close_idle()
        assert [edition.holds for edition in pinned.editions()] == [0]

    run(scenario())
    pinned.close()
    assert [each.closed for each in opening.made] == [True, True]


@pytest.mark.parametrize(
    ("number", "failure", "status"),
    [(3, NotFound("gone"), 410), (10, NotFound("never"), 404), (3, RuntimeError("torn"), 503)],
)
def test_one_that_cannot_be_opened_is_refused_and_tried_again(
    opening: Opening, number: int, failure: Exception, status: int
) -> None:
    opening.failure = failure
    pinned = pins(opening)

    async def scenario() -> None:
        with pytest.raises(Refused) as refused:
            await use(pinned, number)
        assert refused.value.answer.status == status
        opening.failure = None
        await use(pinned, number)

    run(scenario())


def test_nobody_waits_longer_than_the_deadline(opening: Opening) -> None:
    opening.go.clear()
    pinned = pins(opening, deadline_seconds=0.01)

    async def scenario() -> None:
        with pytest.raises(Refused) as refused:
            await use(pinned, 3)
        assert refused.value.answer.status == 503
        opening.go.set()
        while not pinned.editions():
            await asyncio.sleep(0)
        await use(pinned, 3)

    run(scenario())
    assert [each.number for each in opening.made] == [3]

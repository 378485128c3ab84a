"""Blocking work has a deadline, a bounded queue, and ends with its client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from headrace.serve.columnar.workers import Busy, ClientGone, TooSlow, Workers
from tests.serve.shop import run


class Work:
    """Blocks until it is interrupted or released."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.released = threading.Event()
        self.interrupted = threading.Event()

    def call(self) -> str:
        self.begun.set()
        assert self.released.wait(10)
        return "done"

    def interrupt(self) -> None:
        self.interrupted.set()
        self.released.set()


class Stubborn(Work):
    """Does not end when it is interrupted."""

    def interrupt(self) -> None:
        self.interrupted.set()


async def stays() -> None:
    await asyncio.Event().wait()


async def leaves() -> None:
    return


def outcome(workers: Workers, work: Work, gone: Callable[[], Awaitable[None]] = stays) -> str:
    return run(workers.run(work.call, work, gone))


def test_the_result_comes_back() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=10)
    work = Work()
    work.released.set()
    assert outcome(workers, work) == "done"
    assert not work.interrupted.is_set()
    workers.close()


def test_what_is_too_slow_is_interrupted() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=0.01)
    work = Work()
    with pytest.raises(TooSlow):
        outcome(workers, work)
    assert work.interrupted.wait(10)
    workers.close()


def test_what_nobody_waits_for_is_interrupted() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=10)
    work = Work()
    with pytest.raises(ClientGone):
        outcome(workers, work, leaves)
    assert work.interrupted.wait(10)
    workers.close()


def test_one_more_than_the_queue_holds_is_refused() -> None:
    workers = Workers(threads=1, queue=1, deadline_seconds=10)
    first, second, third = Work(), Work(), Work()

    async def three() -> list[str | BaseException]:
        waiting = [
            asyncio.ensure_future(workers.run(work.call, work, stays)) for work in (first, second)
        ]
        await asyncio.to_thread(first.begun.wait, 10)
        with pytest.raises(Busy):
            await workers.run(third.call, third, stays)
        first.released.set()
        second.released.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert run(three()) == ["done", "done"]
    third.released.set()
    assert outcome(workers, third) == "done"
    workers.close()


def test_what_waits_past_the_deadline_never_begins() -> None:
    workers = Workers(threads=1, queue=2, deadline_seconds=0.2)
    first, second = Stubborn(), Work()

    async def both() -> list[str | BaseException]:
        calls = [workers.run(work.call, work, stays) for work in (first, second)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in run(both())] == [TooSlow, TooSlow]
    first.released.set()
    third = Work()
    third.released.set()
    assert outcome(workers, third) == "done"
    assert not second.begun.is_set()
    workers.close()


def test_a_failure_of_the_work_is_the_callers() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=10)

    def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(workers.run(fails, Work(), stays))
    workers.close()


def test_an_export_goes_on_while_every_thread_for_queries_is_busy() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=10, exports=1)
    query, piece = Work(), Work()
    piece.released.set()
    closed: list[str] = []

    async def both() -> tuple[bytes, bool]:
        running = asyncio.ensure_future(workers.run(query.call, query, stays))
        await asyncio.to_thread(query.begun.wait, 10)
        export = workers.export(lambda: closed.append("closed"))
        with pytest.raises(Busy):
            workers.export(lambda: None)
        got = await export.run(lambda: (piece.call().encode(), True), piece, stays)
        export.close()
        export.close()
        query.released.set()
        assert await running == "done"
        return got

    assert run(both()) == (b"done", True)
    assert closed == ["closed"]
    workers.export(lambda: None).close()
    workers.close()


def test_an_export_ends_with_its_client_between_two_pieces() -> None:
    workers = Workers(threads=1, queue=0, deadline_seconds=10)
    piece = Work()
    piece.released.set()

    async def pieces() -> None:
        export = workers.export(lambda: None)
        await export.run(lambda: (b"", False), piece, leaves)
        with pytest.raises(ClientGone):
            await export.run(lambda: (b"", False), piece, leaves)
        export.close()

    run(pieces())
    workers.close()

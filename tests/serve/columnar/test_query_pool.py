"""Who gets a process, and when one that has ended is replaced."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from headrace.serve.columnar.queries import QueryFailed
from headrace.serve.columnar.query_frames import Bind, Drop, Open, Start, decode_names
from headrace.serve.columnar.query_pool import Claim, QueryPool, Seat
from tests.serve.querying import refused

OPENING = Open(1, ("CREATE TABLE a AS SELECT 1 AS x",), "/nowhere")


@pytest.fixture
def pool() -> Iterator[QueryPool]:
    pool = QueryPool(Start("512MB", 2, 1, 0))
    yield pool
    pool.close()


def names(pool: QueryPool, snapshot: int = 1) -> list[str]:
    """The columns of a query over the table of `OPENING`."""
    with pool.taken(Claim(snapshot, 0, "")) as child:
        return decode_names(child.ask(Bind(snapshot, "SELECT * FROM a", ()))[1])


def test_a_snapshot_is_open_in_every_process(pool: QueryPool) -> None:
    pool.open(OPENING)
    first, second = Claim(1, 1, ""), Claim(1, 2, "")
    with pool.taken(first) as one, pool.taken(second) as other:
        assert one is not other
        assert [child.snapshots for child in (one, other)] == [{1}, {1}]


def test_a_query_goes_on_in_the_process_that_has_begun_it(pool: QueryPool) -> None:
    pool.open(OPENING)
    claim = Claim(1, 1, "")
    with pool.taken(claim) as begun:
        pass
    for number in range(2, 6):
        with pool.taken(Claim(1, number, "")), pool.taken(Claim(1, 100 + number, "")):
            pass
        with pool.taken(claim) as child:
            assert child is begun


def test_who_comes_first_is_first_to_get_a_process(pool: QueryPool) -> None:
    """Whether for any process, or for the one that has begun an answer."""
    pool.open(OPENING)
    begun = [Claim(1, number, "") for number in (1, 2)]
    with pool.taken(begun[0]), pool.taken(begun[1]):
        pass
    claims = [claim for number in range(3, 9) for claim in (begun[0], Claim(1, number, ""))]
    turns: list[int] = []

    def take(number: int) -> None:
        with pool.taken(claims[number]):
            turns.append(number)

    busy = pool.taken(begun[0]), pool.taken(begun[1])
    with ThreadPoolExecutor(len(claims)) as threads, busy[0], busy[1] as other:
        for number in range(len(claims)):
            threads.submit(take, number)
            while len(pool._line) <= number:
                threading.Event().wait(0.001)
        # Only one process takes turns, so that they are in one order.
        other.snapshots.clear()
    assert turns == list(range(len(claims)))


def take_and_give_back(pool: QueryPool, claim: Claim) -> None:
    with pool.taken(claim):
        pass


def test_nobody_waits_for_a_process_with_what_is_dropped(pool: QueryPool) -> None:
    pool.open(OPENING)
    busy = pool.taken(Claim(1, 1, "")), pool.taken(Claim(1, 2, ""))
    with ThreadPoolExecutor(1) as threads, busy[0], busy[1]:
        waiting = threads.submit(refused, partial(names, pool))
        pool.drop(1)
        pool.drop(1)
        assert str(waiting.result(10)) == "the snapshot is closed"
    assert str(refused(partial(names, pool))) == "the snapshot is closed"


def test_nobody_waits_who_is_stopped(pool: QueryPool) -> None:
    pool.open(OPENING)
    claim = Claim(1, 3, "")
    busy = pool.taken(Claim(1, 1, "")), pool.taken(Claim(1, 2, ""))
    with ThreadPoolExecutor(1) as threads, busy[0], busy[1]:
        waiting = threads.submit(refused, partial(take_and_give_back, pool, claim))
        pool.stop(claim)
        assert str(waiting.result(10)) == "stopped before it ran"


def test_errands_are_run_when_the_process_is_free(pool: QueryPool) -> None:
    pool.open(OPENING)
    with pool.taken(Claim(1, 1, "")) as child:
        pool.send(child, Drop(1))
        assert list(child.errands) == [Drop(1)]
    assert list(child.errands) == []


def test_a_process_without_memory_is_replaced_between_two_queries(
    pool: QueryPool, caplog: pytest.LogCaptureFixture
) -> None:
    pool.open(OPENING)
    with pool.taken(Claim(1, 1, "SELECT 1")) as child:
        child.is_worn = True
    assert child.process.wait(10) != 0
    both = pool.taken(Claim(1, 2, "")), pool.taken(Claim(1, 3, ""))
    with both[0] as one, both[1] as other:
        assert child not in (one, other)
    [record] = caplog.records
    assert record.getMessage() == (
        f"query process {child.number} ({child.process.pid}) was killed: it had no memory left "
        "after a query; another takes its place"
    )


def test_seats_are_filled_later_and_later_and_at_once_when_all_is_well() -> None:
    seat = Seat()
    waits: list[float] = []
    for _ in range(9):
        waits.append(seat.wait_seconds)
        seat.fail(100.0)
        assert seat.due_at == 100.0 + waits[-1]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    seat.clear(200.0)
    assert (seat.due_at, seat.wait_seconds) == (200.0, 0.1)


def test_a_process_that_cannot_be_started_is_said_so_and_tried_again(
    pool: QueryPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as context:
        context.setattr(sys, "executable", "/nowhere/python")
        with ThreadPoolExecutor(1) as threads:
            opening = threads.submit(pool.open, OPENING)
            while len(caplog.records) < 2:
                threading.Event().wait(0.005)
            context.undo()
            opening.result(30)
    assert names(pool) == ["x"]
    assert {record.getMessage() for record in caplog.records} == {
        "query process 1 cannot be started: [Errno 2] No such file or directory: '/nowhere/python'",
        "query process 2 cannot be started: [Errno 2] No such file or directory: '/nowhere/python'",
    }
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_a_snapshot_that_cannot_be_opened_is_opened_nowhere(pool: QueryPool) -> None:
    pool.open(OPENING)
    with pytest.raises(QueryFailed) as caught:
        pool.open(Open(2, ("CREATE TABLE b AS SELECT nothing",), "/nowhere"))
    assert caught.value.kind == "failed"
    assert names(pool) == ["x"]
    with pool.taken(Claim(1, 1, "")) as one, pool.taken(Claim(1, 2, "")) as other:
        assert [child.snapshots for child in (one, other)] == [{1}, {1}]

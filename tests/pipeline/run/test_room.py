"""What finds no memory beside others is done again alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import duckdb
import pytest

from headrace.pipeline.run.room import Room


def test_what_finds_no_memory_is_done_again_once_nobody_else_works() -> None:
    room, together, lock = Room(), Barrier(3), Lock()
    working: list[int] = [0]
    attempts: dict[int, list[int]] = {0: [], 1: [], 2: []}

    def act(number: int) -> int:
        with lock:
            working[0] += 1
            attempts[number].append(working[0])
            first = len(attempts[number]) == 1
        try:
            if first:
                together.wait(30)
                if number:
                    raise duckdb.OutOfMemoryException
            else:
                assert working[0] == 1
            return number
        finally:
            with lock:
                working[0] -= 1

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda number: room.work(lambda: act(number)), range(3))) == [0, 1, 2]
    assert [len(attempts[number]) for number in range(3)] == [1, 2, 2]
    assert [attempts[number][1] for number in (1, 2)] == [1, 1]


def test_what_finds_no_memory_alone_fails() -> None:
    room, calls = Room(), []

    def act() -> None:
        calls.append(1)
        raise duckdb.OutOfMemoryException("too large")

    with pytest.raises(duckdb.OutOfMemoryException, match="too large"):
        room.work(act)
    assert len(calls) == 2
    assert room.work(lambda: "room for others") == "room for others"

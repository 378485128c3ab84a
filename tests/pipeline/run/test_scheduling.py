"""Tasks run after what they need, side by side otherwise, and never more than the workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.pipeline.run.scheduling import Task, run_tasks

WAIT_SECONDS = 30  # reached only by a scheduler that is wrong


@dataclass
class Journal:
    """What happened, in order, and how many tasks were at work at once."""

    events: list[str] = field(default_factory=list)
    at_work: int = 0
    most_at_work: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, name: str) -> None:
        with self._lock:
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
            self.events.append(f"{name} starts")

    def leave(self, name: str) -> None:
        with self._lock:
            self.at_work -= 1
            self.events.append(f"{name} ends")

    def block(self, name: str) -> None:
        with self._lock:
            self.events.append(f"{name} blocked")

    def task(
        self,
        name: str,
        needs: str = "",
        *,
        during: Callable[[], object] = bool,
        fails: bool = False,
    ) -> Task:
        """A task that needs the tasks named in `needs` (by single letters)."""

        def work() -> bool:
            self.enter(name)
            try:
                during()
            finally:
                self.leave(name)
            return not fails

        return Task(name, frozenset(needs), work, lambda: self.block(name))

    def started(self) -> list[str]:
        return [event[0] for event in self.events if event.endswith("starts")]

    def blocked(self) -> list[str]:
        return [event[0] for event in self.events if event.endswith("blocked")]


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_nothing_to_run_is_done_at_once() -> None:
    run_tasks([], 1)


def test_one_worker_runs_tasks_in_the_order_given(journal: Journal) -> None:
    run_tasks([journal.task(name) for name in "dbca"], 1)
    assert journal.started() == list("dbca")


def test_a_task_waits_for_all_that_it_needs(journal: Journal) -> None:
    run_tasks([journal.task("a"), journal.task("b"), journal.task("c", "ab")], 3)
    assert journal.events.index("c starts") > journal.events.index("a ends")
    assert journal.events.index("c starts") > journal.events.index("b ends")


def test_needs_that_are_no_tasks_count_as_done(journal: Journal) -> None:
    run_tasks([journal.task("a", "xy")], 1)
    assert journal.started() == ["a"]


def test_of_two_that_are_ready_the_earlier_starts_first(journal: Journal) -> None:
    """c is ready before b is, but once both are, b is the earlier."""
    run_tasks([journal.task("a"), journal.task("b", "a"), journal.task("c")], 1)
    assert journal.started() == ["a", "b", "c"]


def test_tasks_that_do_not_need_each_other_run_side_by_side(journal: Journal) -> None:
    together = threading.Barrier(3)
    meet = lambda: together.wait(WAIT_SECONDS)  # noqa: E731 -- one line says it
    run_tasks([journal.task(name, during=meet) for name in "abc"], 3)
    assert journal.most_at_work == 3


def test_a_slow_task_does_not_hold_up_those_that_do_not_need_it(journal: Journal) -> None:
    """a ends only once d has: the chain b, c, d runs to its end beside it."""
    reached = threading.Event()
    tasks = [
        journal.task("a", during=lambda: reached.wait(WAIT_SECONDS)),
        journal.task("b"),
        journal.task("c", "b"),
        journal.task("d", "c", during=reached.set),
    ]
    run_tasks(tasks, 2)
    assert reached.is_set()
    assert journal.events[-1] == "a ends"


def test_more_tasks_than_workers_wait_their_turn(journal: Journal) -> None:
    pairs = threading.Barrier(2)
    run_tasks([journal.task(n, during=lambda: pairs.wait(WAIT_SECONDS)) for n in "abcdef"], 2)
    assert journal.most_at_work == 2


def test_what_needs_a_failed_task_is_blocked_and_so_on_below(journal: Journal) -> None:
    tasks = [
        journal.task("a", fails=True),
        journal.task("b", "a"),
        journal.task("c", "b"),
        journal.task("d", "cx"),
        journal.task("e"),
        journal.task("f", "e"),
    ]
    run_tasks(tasks, 2)
    assert journal.blocked() == ["b", "c", "d"]
    assert journal.started() == ["a", "e", "f"]


def test_a_task_is_blocked_once_however_many_of_its_needs_failed(journal: Journal) -> None:
    both = [journal.task("a", fails=True), journal.task("b", fails=True)]
    run_tasks([*both, journal.task("c", "ab")], 2)
    assert journal.blocked() == ["c"]


class Broken(Exception):
    """What a task raises in these tests."""


def test_what_work_raises_ends_the_run_once_running_tasks_have_ended(journal: Journal) -> None:
    """a raises while b runs, and b is let finish."""
    b_runs, a_raised = threading.Event(), threading.Event()

    def raise_beside_b() -> None:
        assert b_runs.wait(WAIT_SECONDS)
        a_raised.set()
        raise Broken("the disk is full")

    def run_beyond_a() -> None:
        b_runs.set()
        assert a_raised.wait(WAIT_SECONDS)

    tasks = [
        journal.task("a", during=raise_beside_b),
        journal.task("b", during=run_beyond_a),
    ]
    with pytest.raises(Broken, match="the disk is full"):
        run_tasks(tasks, 2)
    assert sorted(journal.events) == ["a ends", "a starts", "b ends", "b starts"]


def test_with_one_worker_nothing_starts_after_what_raised(journal: Journal) -> None:
    def fail() -> None:
        raise Broken

    with pytest.raises(Broken):
        run_tasks([journal.task("a"), journal.task("b", during=fail), journal.task("c")], 1)
    assert journal.started() == ["a", "b"]


def test_what_blocked_raises_ends_the_run_too(journal: Journal) -> None:
    def blocked() -> None:
        raise Broken

    needs = frozenset("a")
    with pytest.raises(Broken):
        run_tasks([journal.task("a", fails=True), Task("b", needs, lambda: True, blocked)], 1)


@pytest.mark.parametrize(
    "needs", [[("a", "b"), ("b", "")], [("a", "a")], [("a", "b"), ("b", "a")], [("a", "")] * 2]
)
def test_tasks_out_of_order_are_our_own_mistake_and_no_endless_wait(
    journal: Journal, needs: list[tuple[str, str]]
) -> None:
    with pytest.raises(AssertionError, match="every task comes after the tasks that it needs"):
        run_tasks([journal.task(*each) for each in needs], 1)
    assert journal.events == []


LETTERS = "abcdefghij"


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, str, bool]]:
    """Tasks in topological order: (name, needs, fails)."""
    size = draw(st.integers(0, len(LETTERS)))
    return [
        (
            LETTERS[position],
            "".join(sorted(draw(st.sets(st.sampled_from(LETTERS[:position]))))) if position else "",
            draw(st.integers(0, 4)) == 0,
        )
        for position in range(size)
    ]


@given(graph=graphs(), workers=st.integers(1, 4))
def test_any_graph_runs_as_far_as_it_can(graph: list[tuple[str, str, bool]], workers: int) -> None:
    journal = Journal()
    run_tasks([journal.task(name, needs, fails=fails) for name, needs, fails in graph], workers)

    unsuccessful: set[str] = set()
    blocked: set[str] = set()
    for name, needs, fails in graph:
        if unsuccessful & set(needs):
            blocked.add(name)
        if fails or name in blocked:
            unsuccessful.add(name)
    assert sorted(journal.blocked()) == sorted(blocked)
    assert sorted(journal.started()) == sorted({name for name, _, _ in graph} - blocked)
    assert journal.most_at_work <= workers
    for name, needs, _ in graph:
        if name not in blocked:
            for need in needs:
                ended = journal.events.index(f"{need} ends")
                assert ended < journal.events.index(f"{name} starts")

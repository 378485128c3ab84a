"""A burst is let in, a queue that stands is kept short, and no worker is ever idle for it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headrace.serve.columnar.admission import Admission, Busy


@dataclass
class Queue:
    """Two workers with a queue of at most 20, on a clock that a test sets."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.admission = Admission(
            workers=2, queue=20, wait_seconds=0.1, monotonic=lambda: self.now
        )

    def enter(self, most: int = 100) -> int:
        """How many of so many are let in."""
        for number in range(most):
            try:
                self.admission.enter()
            except Busy:
                return number
        return most

    def know(self, piece_seconds: float) -> None:
        """One piece took so long."""
        self.admission.enter()
        self.admission.leave(piece_seconds)


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_a_burst_is_let_in_up_to_the_queues_length(queue: Queue) -> None:
    queue.know(0.02)
    assert queue.enter() == 2 + 20
    with pytest.raises(Busy, match=r"^Too many queries are waiting\.$"):
        queue.admission.enter()


def test_a_burst_is_cut_where_its_last_would_wait_for_half_a_second(queue: Queue) -> None:
    queue.know(0.1)
    assert queue.enter() == 2 + 11


def test_a_queue_that_stands_lets_in_only_what_can_begin_soon(queue: Queue) -> None:
    """At 20 ms a piece, two workers do 10 of them in 0.1 s: 10 may wait, and one more."""
    queue.know(0.02)
    assert queue.enter(3) == 3
    queue.now = 0.11
    assert queue.enter() == 2 + 11 - 3


def test_one_may_wait_for_each_worker_however_long_a_piece_takes(queue: Queue) -> None:
    queue.know(30.0)
    assert queue.enter(3) == 3
    queue.now = 60.0
    assert queue.enter() == 1


def test_a_queue_that_was_empty_is_a_burst_again(queue: Queue) -> None:
    queue.know(0.02)
    assert queue.enter(3) == 3
    queue.now = 10.0
    for _ in range(3):
        queue.admission.leave(0.02)
    assert queue.enter() == 2 + 20


def test_what_never_began_says_nothing_of_how_long_work_takes(queue: Queue) -> None:
    queue.know(0.02)
    queue.admission.enter()
    queue.admission.leave(None)
    assert queue.enter(3) == 3
    queue.now = 0.11
    assert queue.enter() == 2 + 11 - 3


def test_work_that_became_quicker_makes_room(queue: Queue) -> None:
    queue.know(1.0)
    for _ in range(100):
        queue.know(0.001)
    assert queue.enter(3) == 3
    queue.now = 0.11
    assert queue.enter() == 20 - 1

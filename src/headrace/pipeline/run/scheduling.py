"""Runs tasks in topological order, side by side where they do not need each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

_PATIENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    Attributes:
        name: unique among the tasks of a run.
        needs: names of tasks that must have succeeded before; names of no task count as done.
        work: does it; returns whether it succeeded. What it raises ends the whole run.
        blocked: called instead of `work` when a task that it needs did not succeed.
    """

    name: str
    needs: frozenset[str]
    work: Callable[[], bool]
    blocked: Callable[[], None]


def _let_end() -> None:
    """Let what runs end by itself."""


def run_tasks(
    tasks: Sequence[Task], workers: int, interrupt: Callable[[], None] = _let_end
) -> None:
    """Run every task whose needs succeed, at most `workers` at a time.

    Args:
        tasks: in topological order; of two that are ready, the earlier starts first.
        workers: threads, at least 1.
        interrupt: called at Ctrl-C, to make the tasks that are running end soon.

    Raises:
        Exception: what a task's work raised, after the tasks that were running have ended.
        KeyboardInterrupt: likewise.
    """
    assert _in_order(tasks), "every task comes after the tasks that it needs"
    stop = threading.Event()
    # In a thread of its own, because Ctrl-C strikes the main thread between any two instructions,
    # and would leave behind a task of which nobody knows that it runs.
    with ThreadPoolExecutor(1, thread_name_prefix="headrace-schedule") as scheduler:
        ended = scheduler.submit(_schedule, tasks, workers, stop)
        try:
            # Again and again: once polars has run, Ctrl-C wakes nobody who waits without a timeout.
            while not ended.done():
                wait([ended], timeout=_PATIENCE_SECONDS)
            ended.result()
        except KeyboardInterrupt:
            stop.set()
            # Again and again: a query that begins a moment later has not noticed it.
            while not ended.done():
                interrupt()
                wait([ended], timeout=_PATIENCE_SECONDS)
            raise


def _schedule(tasks: Sequence[Task], workers: int, stop: threading.Event) -> None:
    """Run the tasks; once `stop` is set, start no more of them."""
    waiting = {task.name: task for task in tasks}
    unsuccessful: set[str] = set()
    running: dict[Future[bool], str] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="headrace-run") as pool:
        while (waiting or running) and not stop.is_set():
            _block(waiting, unsuccessful)
            held = waiting.keys() | set(running.values())
            ready = [task for task in waiting.values() if not task.needs & held]
            # No more than can start at once: what is submitted can neither be overtaken by an
            # earlier task that becomes ready, nor be stopped when another task raises.
            for task in ready[: workers - len(running)]:
                running[pool.submit(task.work)] = waiting.pop(task.name).name
            if running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    if not future.result():
                        unsuccessful.add(name)


def _in_order(tasks: Sequence[Task]) -> bool:
    positions = {task.name: position for position, task in enumerate(tasks)}
    return len(positions) == len(tasks) and all(
        positions.get(name, -1) < positions[task.name] for task in tasks for name in task.needs
    )


def _block(waiting: dict[str, Task], unsuccessful: set[str]) -> None:
    """Take the tasks out of `waiting` that need one that did not succeed, and so on below."""
    for task in list(waiting.values()):
        if task.needs & unsuccessful:
            unsuccessful.add(task.name)
            waiting.pop(task.name).blocked()

"""Where the serving's one colour ends: takes blocking work, gives its result to the event loop,
within a deadline, with a bounded queue, and not for clients that are gone.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

Result = TypeVar("Result")

# Most answers are there before this; only then is it worth watching for the client to leave.
_PATIENCE_SECONDS = 0.1
# An interrupt that comes before the query has begun is forgotten by DuckDB: so it is repeated.
_INTERRUPT_EVERY_SECONDS = 0.05


class Busy(Exception):
    """Too many queries wait already."""


class TooSlow(Exception):
    """The deadline has passed; the work is being stopped."""


class ClientGone(Exception):
    """Nobody waits for the answer any more; the work is being stopped."""


class Work(Protocol):
    """Something that blocks, and can be told to stop."""

    def interrupt(self) -> None:
        """Make it fail soon; from any thread."""
        ...


class Workers:
    """A pool of threads for queries."""

    def __init__(
        self, *, threads: int, queue: int, deadline_seconds: float, calls_compute: bool = True
    ) -> None:
        """Start no thread yet.

        Args:
            threads: pieces of work at the same time; 0 is one a core, and at least 2.
            queue: pieces that may wait for a thread.
            deadline_seconds: the longest that a piece may wait and run.
            calls_compute: whether a call does its work in its thread; else it waits for a process,
                and some more may wait, each for the one that it has begun with.
        """
        self.deadline_seconds = deadline_seconds
        count = threads or max(2, os.cpu_count() or 1)
        self._room = threading.BoundedSemaphore(count + queue)
        most_threads = count if calls_compute else 2 * count
        self._pool = ThreadPoolExecutor(most_threads, thread_name_prefix="headrace-query")

    async def run(
        self, call: Callable[[], Result], work: Work, gone: Callable[[], Awaitable[None]]
    ) -> Result:
        """What `call` returns, from a thread of the pool.

        Args:
            call: blocks, on behalf of `work`.
            work: what to interrupt when nobody waits for `call` any more.
            gone: returns when the client has left.

        Raises:
            Busy, TooSlow, ClientGone: see there; and whatever `call` raises.
        """
        if not self._room.acquire(blocking=False):
            raise Busy
        future = self._pool.submit(call)
        future.add_done_callback(lambda _: self._room.release())
        waiting = asyncio.wrap_future(future)
        try:
            await self._within_deadline(waiting, gone)
        except (TooSlow, ClientGone, asyncio.CancelledError):
            waiting.cancel()
            threading.Thread(target=_stop, args=(future, work), daemon=True).start()
            raise
        return waiting.result()

    def close(self) -> None:
        """Let no more work in; what runs is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _within_deadline(
        self, waiting: asyncio.Future[Result], gone: Callable[[], Awaitable[None]]
    ) -> None:
        patience = min(_PATIENCE_SECONDS, self.deadline_seconds)
        done, _ = await asyncio.wait([waiting], timeout=patience)
        if not done:
            await _finished_or_gone(waiting, gone, self.deadline_seconds - patience)


async def _finished_or_gone(
    waiting: asyncio.Future[Result], gone: Callable[[], Awaitable[None]], seconds: float
) -> None:
    leaving = asyncio.ensure_future(gone())
    both: tuple[asyncio.Future[Result] | asyncio.Future[None], ...] = (waiting, leaving)
    try:
        done, _ = await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    if waiting not in done:
        raise ClientGone if done else TooSlow


def _stop(future: Future[Result], work: Work) -> None:
    """Interrupt until it has ended."""
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    while not future.cancel() and not ended.wait(_INTERRUPT_EVERY_SECONDS):
        work.interrupt()

"""Where the serving's one colour ends: takes blocking work, gives its result to the event loop,
within a deadline, with a bounded queue, and not for clients that are gone.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeAlias, TypeVar

from headrace.serve.answering.answers import Piece
from headrace.serve.columnar.admission import Admission, Busy
from headrace.serve.columnar.snapshot_reader import INTERRUPT_EVERY_SECONDS

Result = TypeVar("Result")
Gone: TypeAlias = Callable[[], Awaitable[None]]
__all__ = ["Busy", "ClientGone", "Export", "TooSlow", "Work", "Workers"]

# Most answers are there before this; only then is it worth watching for the client to leave.
_PATIENCE_SECONDS = 0.1


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
    """Threads for queries, and others for the rest of answers that are streamed.

    Whoever exports everything takes time from other exports first: what a query needs to begin is
    kept free of them.
    """

    def __init__(
        self,
        *,
        threads: int,
        queue: int,
        deadline_seconds: float,
        wait_seconds: float = 0.1,
        exports: int = 16,
    ) -> None:
        """Start no thread yet.

        Args:
            threads: pieces of work at the same time; 0 is one a core, and at least 2.
            queue: pieces that may wait for a thread.
            deadline_seconds: the longest that a piece may wait and run.
            wait_seconds: what a queue that stands may make a piece wait; see `Admission`.
            exports: answers that may be streamed at the same time; half as many threads as for
                queries make them.
        """
        self.deadline_seconds = deadline_seconds
        count = threads or max(2, os.cpu_count() or 1)
        self._admission = Admission(workers=count, queue=queue, wait_seconds=wait_seconds)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="headrace-query")
        self._export_pool = ThreadPoolExecutor(max(1, count // 2), "headrace-export")
        self._exports = threading.BoundedSemaphore(exports)

    async def run(self, call: Callable[[], Result], work: Work, gone: Gone) -> Result:
        """What `call` returns, from a thread of the pool.

        Args:
            call: blocks, on behalf of `work`.
            work: what to interrupt when nobody waits for `call` any more.
            gone: returns when the client has left.

        Raises:
            Busy, TooSlow, ClientGone: see there; and whatever `call` raises.
        """
        self._admission.enter()
        timed = _Timed(call)
        future = self._pool.submit(timed)
        future.add_done_callback(lambda _: self._admission.leave(timed.ran_seconds))
        return await self._result(future, work, gone)

    def export(self, close: Callable[[], None]) -> Export:
        """Let an answer that has begun go on as a stream; to be closed, as `close` then is, too.

        Raises:
            Busy: as many as may are going on.
        """
        if not self._exports.acquire(blocking=False):
            raise Busy("Too many large answers are being sent.")
        return Export(self._export_pool, self._result, [close, self._exports.release])

    def close(self) -> None:
        """Let no more work in; what runs is not waited for."""
        for pool in (self._pool, self._export_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _result(self, future: Future[Result], work: Work, gone: Gone) -> Result:
        waiting = asyncio.wrap_future(future)
        try:
            await self._within_deadline(waiting, gone)
        except (TooSlow, ClientGone, asyncio.CancelledError):
            waiting.cancel()
            threading.Thread(target=_stop, args=(future, work), daemon=True).start()
            raise
        return waiting.result()

    async def _within_deadline(self, waiting: asyncio.Future[Result], gone: Gone) -> None:
        patience = min(_PATIENCE_SECONDS, self.deadline_seconds)
        done, _ = await asyncio.wait([waiting], timeout=patience)
        if not done:
            await _finished_or_gone(waiting, gone, self.deadline_seconds - patience)


class Export:
    """The rest of one streamed answer: its pieces are never refused, for the client has begun."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        result: Callable[[Future[Piece], Work, Gone], Awaitable[Piece]],
        closing: list[Callable[[], object]],
    ) -> None:
        """Use `Workers.export`."""
        self._pool = pool
        self._result = result
        self._closing = closing
        self._leaving: asyncio.Future[None] | None = None

    async def run(self, call: Callable[[], Piece], work: Work, gone: Gone) -> Piece:
        """The next piece, as from `Workers.run`, but for Busy."""
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(gone())
            self._closing.append(self._leaving.cancel)
        # A piece takes so little time that nobody would look for the client while it is made.
        if self._leaving.done():
            raise ClientGone
        return await self._result(self._pool.submit(call), work, self._left)

    async def _left(self) -> None:
        if self._leaving is not None:
            await asyncio.shield(self._leaving)

    def close(self) -> None:
        """Make room for another one; closing twice does nothing."""
        while self._closing:
            self._closing.pop()()


class _Timed(Generic[Result]):
    """A call that remembers how long it ran; None until it has."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self.ran_seconds: float | None = None
        self._call = call

    def __call__(self) -> Result:
        start = time.perf_counter()
        try:
            return self._call()
        finally:
            self.ran_seconds = time.perf_counter() - start


async def _finished_or_gone(waiting: asyncio.Future[Result], gone: Gone, seconds: float) -> None:
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
    while not future.cancel() and not ended.wait(INTERRUPT_EVERY_SECONDS):
        work.interrupt()

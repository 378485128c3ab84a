"""Who may wait for a worker: takes what begins and ends, refuses what would wait for too long.

A burst is let in as far as it can begin before long. A queue that stands is kept short: as long as
it does not empty, only as much is let in as can begin soon. So an overload costs those who are
refused next to nothing, those who are let in little time, and no worker is ever idle for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# How much the newest piece of work counts for what the next ones are expected to take.
_NEWEST_SHARE = 0.1
# How many times as long as in a queue that stands the last of a burst may have to wait.
_BURST = 5


class Busy(Exception):
    """There is too much to do already; the message is for clients."""


class Admission:
    """The queue before some workers; from any thread."""

    def __init__(
        self,
        *,
        workers: int,
        queue: int,
        wait_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing waits, and nothing is known of how long work takes.

        Args:
            workers: pieces of work at the same time.
            queue: pieces that may wait, however short.
            wait_seconds: what a queue that has been standing for as long may make a piece wait;
                any other queue may five times as long.
            monotonic: seconds.
        """
        self._workers = workers
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._monotonic = monotonic
        self._counting = threading.Lock()
        self._present = 0
        self._piece_seconds = 0.0
        self._queued_since = 0.0

    def enter(self) -> None:
        """Let one more piece wait, or begin.

        Raises:
            Busy: it would have to wait for too long.
        """
        with self._counting:
            waiting = self._present - self._workers
            if waiting >= 0 and self._is_full(waiting):
                raise Busy("Too many queries are waiting.")
            if waiting == 0:
                self._queued_since = self._monotonic()
            self._present += 1

    def leave(self, ran_seconds: float | None) -> None:
        """A piece has ended, after running for so long; None when it never began."""
        with self._counting:
            self._present -= 1
            if ran_seconds is not None:
                newer = ran_seconds - self._piece_seconds
                self._piece_seconds += newer * (_NEWEST_SHARE if self._piece_seconds else 1.0)

    def _is_full(self, waiting: int) -> bool:
        if waiting >= self._queue:
            return True
        # One for each worker is what keeps all of them busy, however long a piece takes.
        if waiting < self._workers:
            return False
        is_standing = self._monotonic() - self._queued_since > self._wait_seconds
        most_seconds = self._wait_seconds * (1 if is_standing else _BURST)
        return waiting * self._piece_seconds > most_seconds * self._workers

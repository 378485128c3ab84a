"""Counts requests by credential and UTC day: a request costs an addition, a thread records them.

Several processes add to one record: each counts its own, and learns of those of the others when it
adds what it has counted. Between two times, each may let through what the others have used up.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from headrace.base.clock import Clock
from headrace.base.errors import StoreError
from headrace.store.records import Records
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")
# Of a thread that nobody waits for, but for the end of the process.
_BUSY_SECONDS = 5.0
_DAY = timedelta(days=1)


@dataclass(slots=True)
class _Day:
    """One UTC day: what this process has counted, how much of it is on record, and what others
    have put there.
    """

    day: str
    ends_at: datetime
    own: dict[str, int] = field(default_factory=dict)
    recorded: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


class DailyQuotas:
    """How many requests each credential has left today; `take` is for one thread."""

    def __init__(self, store: Store | None, clock: Clock, most: int, flush_seconds: float) -> None:
        """Know nothing yet: see `start`.

        Args:
            store: whose operations record is kept; None keeps none.
            clock: tells the day.
            most: requests of one credential in one UTC day, 1 or more.
            flush_seconds: how often the record is added to, and read.
        """
        self.most = most
        self._store = store
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._now = _day_of(clock.now())
        self._ended: list[_Day] = []
        self._stopping = threading.Event()
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._failed = False

    def left(self, credential: str) -> tuple[int, float]:
        """How many requests fit today, 0 or more, and the seconds until the next day begins."""
        at = self._clock.now()
        today = self._today(at)
        used = today.own.get(credential, 0) + today.others.get(credential, 0)
        return max(0, self.most - used), (today.ends_at - at).total_seconds()

    def take(self, credential: str) -> None:
        """Count one request, of the day of which `left` has told."""
        own = self._now.own
        own[credential] = own.get(credential, 0) + 1

    def start(self) -> None:
        """Read what is on record, and keep it from a thread; blocks."""
        self.flush()
        self._thread = threading.Thread(target=self._keep, name="headrace-quotas", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and record what is left."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Add what is not on record, and read the rest; never raises: what fails is kept."""
        if self._store is None:
            return
        with self._flushing:
            try:
                path = self._store.records_path
                with closing(Records.open(path, busy_seconds=_BUSY_SECONDS)) as records:
                    self._exchange(records)
            except (StoreError, OSError) as exc:
                self._fail(exc)
            else:
                self._failed = False

    def _exchange(self, records: Records) -> None:
        while self._ended:
            _add(records, self._ended[0])
            del self._ended[0]
            records.forget_requests(self._now.day)
        # Not `_today`: only whoever takes begins a new day.
        today = self._now
        _add(records, today)
        totals = records.requests_of(today.day)
        recorded = today.recorded
        today.others = {who: total - recorded.get(who, 0) for who, total in totals.items()}

    def _today(self, at: datetime) -> _Day:
        # A clock that goes back does not give a day twice.
        if at >= self._now.ends_at:
            self._ended.append(self._now)
            self._now = _day_of(at)
        return self._now

    def _keep(self) -> None:
        while not self._stopping.wait(self._flush_seconds):
            self.flush()

    def _fail(self, exc: Exception) -> None:
        """Say it once: it may go on failing for days."""
        if not self._failed:
            _LOG.warning("daily limits are kept by each process, and not recorded now: %s", exc)
        self._failed = True


def _add(records: Records, day: _Day) -> None:
    own = dict(day.own)
    new = {who: count - day.recorded.get(who, 0) for who, count in own.items()}
    new = {who: count for who, count in new.items() if count}
    if new:
        records.add_requests(day.day, new)
        day.recorded = own


def _day_of(at: datetime) -> _Day:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return _Day(midnight.date().isoformat(), midnight + _DAY)

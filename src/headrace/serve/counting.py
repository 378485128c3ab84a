"""Counts answers by path: a request costs an addition, and a thread writes the record now and then.

Several processes may serve one environment: each adds what it has counted itself.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing

from headrace.base.clock import format_time
from headrace.base.errors import StoreError
from headrace.store.records import Records
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")
# Of a thread that nobody waits for, but for the end of the process: a run writes for less.
_BUSY_SECONDS = 5.0


class Calls:
    """How often one path was answered in this process; only the event loop adds to it."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0


class AccessCounts:
    """The calls of an environment's paths, and how many of them are on record."""

    def __init__(self, store: Store | None, environment: str, flush_seconds: float) -> None:
        """Count nothing yet.

        Args:
            store: whose operations record is added to; None has none.
            environment: what is served.
            flush_seconds: how often.
        """
        self._store = store
        self._environment = environment
        self._flush_seconds = flush_seconds
        self._calls: dict[str, Calls] = {}
        self._recorded: dict[str, int] = {}
        self._adding = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    def of(self, path: str) -> Calls:
        """The counter of a path: the same for every snapshot that has it."""
        with self._adding:
            return self._calls.setdefault(path, Calls())

    def start(self) -> None:
        """Write every `flush_seconds` from a thread."""
        self._thread = threading.Thread(target=self._write, name="headrace-counts", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread, and write what is left."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def flush(self) -> None:
        """Add what is not on record yet; never raises: what cannot be written now is kept."""
        if self._store is None:
            return
        with self._adding:
            totals = {path: calls.total for path, calls in self._calls.items()}
        new = {path: total - self._recorded.get(path, 0) for path, total in totals.items()}
        new = {path: count for path, count in new.items() if count}
        if not new:
            return
        at = format_time(self._store.clock.now())
        try:
            with closing(
                Records.open(self._store.records_path, busy_seconds=_BUSY_SECONDS)
            ) as records:
                records.add_calls(self._environment, new, at)
        except (StoreError, OSError) as exc:
            self._fail(exc)
        else:
            self._recorded = totals
            self._failed = False

    def _write(self) -> None:
        while not self._stopping.wait(self._flush_seconds):
            self.flush()

    def _fail(self, exc: Exception) -> None:
        """Say it once: it may go on failing for days."""
        if not self._failed:
            _LOG.warning("calls are counted, and cannot be recorded now: %s", exc)
        self._failed = True

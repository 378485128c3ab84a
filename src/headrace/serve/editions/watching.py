"""Follows an environment's head: opens what is published beside what is served, then swaps.

Requests that began on the old edition end on it; it is closed when the last of them has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from headrace.base.errors import NotFound
from headrace.serve.editions.edition import Edition
from headrace.serve.editions.pins import Pins
from headrace.serve.kit import Kit
from headrace.store.leases import LEASE_SECONDS
from headrace.store.snapshots import Ref
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")

_RENEW_EVERY_SECONDS = LEASE_SECONDS / 4


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the head cannot be served; `number` is 0 when not even the head can be read.

    `public` is for clients: it names no file and no line of code.
    """

    number: int
    public: str
    at_seconds: float


class Watcher:
    """The current edition of an environment. `refresh` comes from one thread at a time."""

    def __init__(
        self,
        kit: Kit,
        store: Store,
        environment: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read nothing yet.

        Args:
            kit: what editions are opened with.
            store: where snapshots are published.
            environment: whose head is followed.
            monotonic: seconds, for renewals and retries.
        """
        self.failure: Failure | None = None
        self._kit = kit
        self._store = store
        self.environment = environment
        self._monotonic = monotonic
        self.pins = Pins(
            self._open_older,
            kit.settings.open_snapshots,
            kit.settings.deadline_seconds,
            lambda: self.number,
            monotonic,
        )
        self._current: Edition | None = None
        self._retired: list[Edition] = []
        self._renewed_at = monotonic()
        self._counting = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> Edition | None:
        """The current edition, for one request, which must `release` it; None before the first."""
        with self._counting:
            if self._current is not None:
                self._current.holds += 1
            return self._current

    def release(self, edition: Edition) -> None:
        """A request has ended."""
        with self._counting:
            edition.holds -= 1

    @property
    def number(self) -> int:
        """The number of the snapshot that is served; 0 before the first."""
        current = self._current
        return current.ref.number if current else 0

    def refresh(self) -> None:
        """Look at the head once, and serve it; never raises: what fails is in `failure`."""
        number = 0
        try:
            head = self._store.head(self.environment)
            if head is None:
                self._fail(0, f"nothing is published in {self.environment}", None)
            elif head.number == self.number:
                self.failure = None
            elif not self._failed_lately(head):
                number = head.number
                self._swap(Edition.open(self._kit, self._store, head))
            self._renew()
        # The user's code raises what it likes, and the old edition must go on whatever happens.
        except Exception as exc:  # noqa: BLE001
            which = f"snapshot {number}" if number else "the newest snapshot"
            self._fail(number, f"{which} cannot be opened; the server's log says why", exc)
        self._close_retired()
        self.pins.close_idle()

    def start(self) -> None:
        """Refresh every `poll_seconds` from a thread."""
        self._thread = threading.Thread(target=self._poll, name="headrace-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and close every edition."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        with self._counting:
            editions = [*self._retired, *([self._current] if self._current else [])]
            self._current, self._retired = None, []
        for edition in editions:
            edition.close()
        self.pins.close()

    def _open_older(self, number: int) -> Edition:
        ref = self._store.ref(self.environment, number)
        return Edition.open(self._kit, self._store, ref, older=True)

    def _poll(self) -> None:
        while not self._stopping.wait(self._kit.settings.poll_seconds):
            self.refresh()

    def _swap(self, edition: Edition) -> None:
        with self._counting:
            old, self._current = self._current, edition
            if old is not None:
                self._retired.append(old)
        self.failure = None
        _LOG.info("serving snapshot %d of %s", edition.ref.number, self.environment)

    def _failed_lately(self, head: Ref) -> bool:
        failure = self.failure
        if failure is None or failure.number != head.number:
            return False
        return self._monotonic() - failure.at_seconds < self._kit.settings.retry_seconds

    def _fail(self, number: int, public: str, exc: Exception | None) -> None:
        if self.failure is None or self.failure.public != public:
            _LOG.error("%s: %s", self.environment, public, exc_info=exc)
        self.failure = Failure(number, public, self._monotonic())

    def _renew(self) -> None:
        if self._monotonic() - self._renewed_at < _RENEW_EVERY_SECONDS:
            return
        self._renewed_at = self._monotonic()
        current = [self._current] if self._current else []
        for edition in [*self._retired, *current, *self.pins.editions()]:
            self._renew_one(edition)

    def _renew_one(self, edition: Edition) -> None:
        try:
            edition.lease.renew()
        except NotFound:
            # The process was asleep for longer than a lease: pin again what may still be there.
            edition.lease = self._store.pin(edition.ref, holder="serve")

    def _close_retired(self) -> None:
        with self._counting:
            idle = [each for each in self._retired if not each.holds]
            self._retired = [each for each in self._retired if each.holds]
        for edition in idle:
            edition.close()

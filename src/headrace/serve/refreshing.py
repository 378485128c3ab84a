"""Looks at what changes outside, again and again: takes functions, calls them from a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

_LOG = logging.getLogger("headrace.serve")


class Refresher:
    """Calls each function every so many seconds; one that fails keeps none from being called."""

    def __init__(self, functions: Sequence[Callable[[], None]], seconds: float) -> None:
        """Call nothing yet."""
        self._functions = tuple(functions)
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing: set[int] = set()

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="headrace-refresh", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Call them no more, once the last call has ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def refresh(self) -> None:
        """Call each once; never raises."""
        for number, function in enumerate(self._functions):
            try:
                function()
            # Whatever it is, it must not end the thread that learns of revoked credentials.
            except Exception:  # noqa: BLE001
                if number not in self._failing:
                    _LOG.exception("what may have changed cannot be read, and is tried again")
                self._failing.add(number)
            else:
                self._failing.discard(number)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.refresh()

"""The directory as serving sees it: takes the accounts file, gives what it held a moment ago.

When the file cannot be read for a while, nobody is known any more: a revoked credential must not be
believed because nothing can be looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from headrace.auth.accounts import Accounts
from headrace.auth.directory import EMPTY, Directory
from headrace.base.errors import HeadraceError

_LOG = logging.getLogger("headrace.auth")

# How long what was read last is believed.
STALE_SECONDS = 8.0
# The thread that reads must not wait for a writer for longer than it may go without news.
_BUSY_SECONDS = 2.0


class Picture:
    """What the accounts file holds; `refresh` comes from one thread at a time."""

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        """Know nobody yet.

        Args:
            path: of the accounts file.
            monotonic: seconds.
        """
        self.directory: Directory = EMPTY
        self._path = path
        self._monotonic = monotonic
        self._accounts: Accounts | None = None
        self._read_at = monotonic()
        self._failing = False

    def refresh(self) -> bool:
        """Read what has changed; whether anything has. Never raises."""
        try:
            changed = self._read()
        except (HeadraceError, OSError, ValueError) as exc:
            return self._fail(exc)
        self._read_at = self._monotonic()
        self._failing = False
        return changed

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note key ids and when they were used; never raises: it is for information."""
        try:
            if self._accounts is not None and uses:
                self._accounts.note_uses(uses)
        except (HeadraceError, OSError) as exc:
            _LOG.warning("uses of keys are not noted: %s", exc)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._accounts is not None:
            self._accounts.close()
            self._accounts = None

    def _read(self) -> bool:
        if self._accounts is None:
            if not self._path.exists():
                # Nobody has an account yet: reading is no reason to make the file.
                return False
            self._accounts = Accounts.open(self._path, busy_seconds=_BUSY_SECONDS)
        if self._accounts.revision() == self.directory.revision and self.directory is not EMPTY:
            return False
        was = self.directory
        self.directory = self._accounts.directory()
        return was is not EMPTY or bool(self.directory.accounts)

    def _fail(self, exc: Exception) -> bool:
        if not self._failing:
            _LOG.error("accounts cannot be read: %s", exc)
        self._failing = True
        if self.directory is EMPTY or self._monotonic() - self._read_at < STALE_SECONDS:
            return False
        _LOG.error("accounts cannot be read for %g s: nobody is known any more", STALE_SECONDS)
        self.directory = EMPTY
        return True

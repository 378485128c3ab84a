"""Following the accounts: takes the open file, gives the directory as it was about a second ago."""

from __future__ import annotations

import logging
import threading

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import EMPTY, Directory
from headrace.base.errors import StoreError

_LOG = logging.getLogger("headrace.serve")
STALE_SECONDS = 10
"""How long an accounts file may be unreadable before nobody is let in any more."""


class FollowedDirectory:
    """The directory in memory; `now` from any thread, without waiting."""

    def __init__(self, accounts: Accounts) -> None:
        """Read it.

        Raises:
            StoreError: the file cannot be read.
        """
        self.now: Directory = accounts.directory()
        self._accounts = accounts
        self._read_at = accounts.now()
        self._lock = threading.Lock()

    def refresh(self) -> bool:
        """Look whether anything has changed, and read it; whether it has. Blocks; never raises."""
        with self._lock:
            before = self.now
            try:
                if self._accounts.revision() != before.revision:
                    self.now = self._accounts.directory()
                self._read_at = self._accounts.now()
            except StoreError as exc:
                self._fail(exc)
            return self.now is not before

    def _fail(self, exc: StoreError) -> None:
        """Let nobody in by what may have been revoked long since."""
        if self.now is not EMPTY:
            _LOG.error("%s", exc)
            if self._accounts.now() - self._read_at >= STALE_SECONDS:
                self.now = EMPTY

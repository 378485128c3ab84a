"""Browser sessions as serving takes them: the value of a cookie, and who has signed in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from headrace.auth.proofs import BadCredential, KeysMissing
from headrace.auth.signing_in.sessions import Sessions, digest_of
from headrace.base.access import Principal
from headrace.base.errors import StoreError

_LOG = logging.getLogger("headrace.serve")


class SessionProofs:
    """The sessions of an accounts file, see `Proofs`."""

    def __init__(self, sessions: Sessions) -> None:
        """Take these; whoever refreshes the proofs refreshes them."""
        self._sessions = sessions
        self._is_failing = False

    def takes(self, credential: bytes) -> bool:
        """Whether a cookie's value looks like a session's id."""
        return bool(digest_of(credential.decode("latin-1")))

    def verify(self, credential: bytes, _now: float) -> Principal:
        """Who has signed in.

        Raises:
            BadCredential: nobody, or the session has ended.
            KeysMissing: it may have begun in another process just now: `fetch` what this names.
        """
        cookie = credential.decode("latin-1")
        session = self._sessions.find(cookie)
        if session is not None:
            principal = self._sessions.principal_of(session)
            if principal is not None:
                return principal
        digest = digest_of(cookie)
        if digest and not self._sessions.is_known(digest):
            raise KeysMissing(digest.hex())
        raise BadCredential("no session, or one that has ended")

    async def fetch(self, issuer: str) -> None:
        """Look in the file for the session that `KeysMissing` has named."""
        try:
            await asyncio.to_thread(self._sessions.look_up, bytes.fromhex(issuer))
        except StoreError as exc:
            _LOG.error("%s", exc)

    def refresh(self) -> bool:
        """Look at what other processes have changed. Blocks; never raises. What is remembered of
        other proofs stays.
        """
        try:
            self._sessions.directory.refresh()
            self._sessions.refresh()
        except StoreError as exc:
            if not self._is_failing:
                _LOG.error("%s", exc)
            self._is_failing = True
        else:
            self._is_failing = False
        return False

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Nothing: `verify` has noted them."""

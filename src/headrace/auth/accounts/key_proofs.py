"""API keys as serving takes them: the text of one, and the principal whose it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import PREFIX, verify
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.proofs import BadCredential
from headrace.base.access import Principal
from headrace.base.errors import StoreError

_LOG = logging.getLogger("headrace.serve")
_CREDENTIAL = "key:"
_NOTE_SECONDS = 60


class KeyProofs:
    """The API keys of an environment, see `Proofs`."""

    def __init__(self, accounts: Accounts, directory: FollowedDirectory, environment: str) -> None:
        """Take the keys of `environment`; `directory` may be shared with other proofs."""
        self._accounts = accounts
        self._directory = directory
        self._seen = directory.now
        self._environment = environment
        self._uses: dict[str, float] = {}
        self._noted_at = 0.0

    def takes(self, credential: bytes) -> bool:
        """Whether a credential looks like a key."""
        return credential.startswith(PREFIX)

    def verify(self, credential: bytes, now: float) -> Principal:
        """Whose key it is.

        Raises:
            BadCredential: nobody's, here and now.
        """
        principal = verify(self._directory.now, credential, self._environment, now)
        if principal is None:
            raise BadCredential("no valid key")
        return principal

    async def fetch(self, issuer: str) -> None:
        """Nothing: keys are here already."""

    def refresh(self) -> bool:
        """Look at what may have changed; whether anything has. Blocks; never raises."""
        self._directory.refresh()
        # Others of the process look, too: what they have found is news here all the same.
        before, self._seen = self._seen, self._directory.now
        return self._seen is not before

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """When each credential was used last; written once a minute. Blocks; never raises."""
        keys = {
            credential.removeprefix(_CREDENTIAL): at
            for credential, at in uses.items()
            if credential.startswith(_CREDENTIAL)
        }
        self._uses.update(keys)
        now = self._accounts.now()
        if not self._uses or now - self._noted_at < _NOTE_SECONDS:
            return
        self._noted_at = now
        try:
            self._accounts.note_uses(self._uses)
        except StoreError as exc:
            _LOG.warning("when keys were used last cannot be noted: %s", exc)
        else:
            self._uses = {}

"""API keys as proofs: takes the text of a key, gives its principal from the picture of accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.auth.api_keys import PREFIX, verify
from headrace.auth.picture import Picture
from headrace.auth.proofs import BadCredential
from headrace.base.access import Principal

_CREDENTIAL = "key:"


@dataclass(frozen=True, slots=True)
class KeyProofs:
    """The keys of one environment; it keeps the picture up to date for all who look at it."""

    picture: Picture
    environment: str

    def takes(self, credential: bytes) -> bool:
        """Whether it may be a key."""
        return credential.startswith(PREFIX)

    def verify(self, credential: bytes, now: float) -> Principal:
        """Whose key it is. Raises BadCredential: nobody's, or nobody's now."""
        found = verify(self.picture.directory, credential, self.environment, now)
        if found is None:
            raise BadCredential("a key that lets nobody in")
        return found

    async def fetch(self, issuer: str) -> None:
        """Nothing: keys have no issuer but headrace."""

    def refresh(self) -> bool:
        """Read what has changed of accounts and keys."""
        return self.picture.refresh()

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note when keys were used."""
        length = len(_CREDENTIAL)
        self.picture.note_uses(
            {name[length:]: at for name, at in uses.items() if name.startswith(_CREDENTIAL)}
        )

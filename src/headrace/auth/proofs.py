"""What every kind of credential is to serving: takes the text of one, gives the principal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from headrace.base.access import Principal


class BadCredential(Exception):
    """A credential that proves nothing; the message is for the log, and never holds it."""


class KeysMissing(Exception):
    """A credential that may be good, once `fetch` has brought the keys of its issuer."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        super().__init__(issuer)


class Proofs(Protocol):
    """One kind of credential: API keys, tokens, or browser sessions."""

    def takes(self, credential: bytes) -> bool:
        """Whether a credential looks like one of these."""
        ...

    def verify(self, credential: bytes, now: float) -> Principal:
        """Who it proves; from any thread, without waiting for anything.

        Args:
            credential: what follows "Bearer ", or the cookie's value.
            now: seconds since 1970.

        Raises:
            BadCredential: nobody.
            KeysMissing: `fetch` first.
        """
        ...

    async def fetch(self, issuer: str) -> None:
        """Bring the keys of an issuer, if it is time to; never raises."""
        ...

    def refresh(self) -> bool:
        """Look at what may have changed outside; whether anything has. Blocks; never raises."""
        ...

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """When each `Principal.credential` was used last, other kinds' among them; blocks."""
        ...

"""Signed tokens as serving takes them: the text of one, and the principal that it proves."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from headrace.auth.proofs import BadCredential, KeysMissing
from headrace.auth.tokens.verifying import BadToken, KeyNeeded, TokenVerifier
from headrace.base.access import Principal


class TokenProofs:
    """The tokens of every issuer that a verifier trusts, see `Proofs`."""

    def __init__(self, verifier: TokenVerifier) -> None:
        """Take tokens; further issuers may be trusted later on."""
        self._verifier = verifier
        self._generation = verifier.generation
        self._asking: threading.Thread | None = None

    def takes(self, credential: bytes) -> bool:
        """Whether a credential looks like a token: parts with dots between them."""
        return b"." in credential

    def verify(self, credential: bytes, now: float) -> Principal:
        """Whom a token proves.

        Raises:
            BadCredential: nobody.
            KeysMissing: its key is not known, and `fetch` may find it.
        """
        try:
            return self._verifier.verify(credential.decode("latin-1"), now)
        except BadToken as bad:
            raise BadCredential(f"token: {bad.reason}") from bad
        except KeyNeeded as needed:
            raise KeysMissing(needed.issuer) from needed

    async def fetch(self, issuer: str) -> None:
        """Ask an issuer for its keys, once a minute at most; never raises."""
        await self._verifier.fetch(issuer)

    def refresh(self) -> bool:
        """Let the keys that are due be asked for; whether any have changed. Never raises.

        It does not wait for them: an issuer that is slow keeps nobody from learning that a key of
        another kind was revoked.
        """
        if self._verifier.is_due() and (self._asking is None or not self._asking.is_alive()):
            # A daemon: the end of the server does not wait for an issuer either.
            self._asking = threading.Thread(
                target=self._verifier.refresh, name="headrace-issuers", daemon=True
            )
            self._asking.start()
        before, self._generation = self._generation, self._verifier.generation
        return self._generation != before

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Nothing: their issuers keep no account of it here."""

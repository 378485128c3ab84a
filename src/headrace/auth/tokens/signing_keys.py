"""The keys that sign access tokens: takes the accounts' file and the store's secret, gives the key
that signs now, and those that verify.

There are two at least: one signs, and the next is known everywhere before its time comes. A key
signs for 30 days, and verifies until its last token has expired. In the file the private halves are
sealed with AES-GCM, under a key that is derived from the store's secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headrace.auth.tokens.key_sets import VerificationKey
from headrace.base.clock import Clock
from headrace.store.database import Database

ALGORITHM = "EdDSA"
SIGNS_SECONDS = 30 * 86_400
# The longest life of a token, and a minute for clocks that differ.
OUTLIVES_SECONDS = 900 + 60
_ASK_SECONDS = 60.0
_NONCE_BYTES = 12
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; `private` is None where the store's secret is not the one it was sealed under."""

    kid: str
    public: Ed25519PublicKey
    signs_from: float
    _private: Ed25519PrivateKey | None = field(repr=False)

    @property
    def can_sign(self) -> bool:
        """Whether its private half is known."""
        return self._private is not None

    def private(self) -> Ed25519PrivateKey:
        """What signs."""
        assert self._private is not None, "asked only of keys that can sign"
        return self._private


class Sealing:
    """Encrypts what the accounts' file keeps, under a key derived from the store's secret."""

    def __init__(self, secret: bytes) -> None:
        """Derive the key from the secret of a store."""
        derived = HKDF(SHA256(), _KEY_BYTES, None, b"headrace accounts: signing keys").derive(
            secret
        )
        self._cipher = AESGCM(derived)
        self.kid = hashlib.sha256(b"kid:" + derived).hexdigest()[:16]

    def seal(self, value: bytes, name: str) -> bytes:
        """A value that only `unseal` can read, and only by the same name."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, name.encode())

    def unseal(self, sealed: bytes, name: str) -> bytes | None:
        """The value; None when it was not sealed so."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            return None


@dataclass(slots=True)
class SigningKeys:
    """All keys; `verifying` and `signing` look in memory, `refresh` reads the file."""

    database: Database
    sealing: Sealing
    clock: Clock
    _known: dict[str, SigningKey] = field(default_factory=dict)
    generation: int = 0
    _asked_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, database: Database, secret: bytes, clock: Clock) -> SigningKeys:
        """The keys in the accounts' file; the first two are made if there are none.

        Args:
            database: the accounts' file.
            secret: of the store.
            clock: tells when the next key signs.
        """
        keys = cls(database, Sealing(secret), clock)
        keys.refresh()
        return keys

    def signing(self) -> SigningKey:
        """The key that signs now: of those whose time has come, the latest."""
        now = self._now()
        return max(
            # A copy: a thread may add a key meanwhile.
            (key for key in list(self._known.values()) if key.can_sign and key.signs_from <= now),
            key=lambda key: (key.signs_from, key.kid),
        )

    def key(self, kid: str) -> VerificationKey | None:
        """The public half of a key, by its name."""
        found = self._known.get(kid)
        return VerificationKey(kid, found.public, frozenset({ALGORITHM})) if found else None

    def may_help(self) -> bool:
        """Whether another process may have made a key that is not known; once a minute."""
        return self._now() - self._asked_at >= _ASK_SECONDS

    async def fetch(self) -> None:
        """Look for such a key."""
        self._asked_at = self._now()
        await asyncio.to_thread(self.refresh)

    def __len__(self) -> int:
        return len(self._known)

    def refresh(self) -> None:
        """Take the keys that other processes have made, make the next, and drop the outlived."""
        with self._lock:
            self._take(self._read())
            if self._is_complete():
                return
            # Of several processes only one makes it: the others find it once they may write.
            with self.database.transaction() as connection:
                rows = connection.execute(self.database.query("signing_keys")).fetchall()
                self._take(rows)
                for key in list(self._outlived()):
                    connection.execute(self.database.query("delete_signing_key"), {"kid": key.kid})
                    del self._known[key.kid]
                for signs_from in self._missing():
                    self._add(connection, signs_from)

    def _is_complete(self) -> bool:
        return not self._missing() and not any(self._outlived())

    def _missing(self) -> list[float]:
        """When the keys sign from that have yet to be made: one for now, and the next."""
        now = self._now()
        starts = [key.signs_from for key in self._known.values() if key.can_sign]
        current = max((start for start in starts if start <= now), default=None)
        later = [start for start in starts if start > now]
        missing = [] if current is not None else [now]
        if not later:
            missing.append((current or now) + SIGNS_SECONDS)
        return [max(start, now) for start in missing]

    def _outlived(self) -> Iterator[SigningKey]:
        """The keys whose last token has expired."""
        in_order = sorted(self._known.values(), key=lambda key: (key.signs_from, key.kid))
        for key, following in itertools.pairwise(in_order):
            if following.signs_from + OUTLIVES_SECONDS <= self._now():
                yield key

    def _add(self, connection: sqlite3.Connection, signs_from: float) -> None:
        private = Ed25519PrivateKey.generate()
        kid = secrets.token_hex(8)
        row = {
            "kid": kid,
            "public": private.public_key().public_bytes_raw(),
            "sealed": self.sealing.seal(private.private_bytes_raw(), kid),
            "sealed_by": self.sealing.kid,
            "signs_from": signs_from,
        }
        connection.execute(self.database.query("insert_signing_key"), row)
        self._known[kid] = SigningKey(kid, private.public_key(), signs_from, private)

    def _read(self) -> list[tuple[Any, ...]]:
        return self.database.rows("signing_keys")

    def _take(self, rows: list[tuple[Any, ...]]) -> None:
        known = dict(self._known)
        if len(rows) != len(known):
            self.generation += 1
        self._known = {str(row[0]): known.get(str(row[0])) or self._opened(row) for row in rows}

    def _opened(self, row: tuple[Any, ...]) -> SigningKey:
        kid, public, sealed, sealed_by, signs_from = row
        raw = self.sealing.unseal(sealed, kid) if sealed_by == self.sealing.kid else None
        private = Ed25519PrivateKey.from_private_bytes(raw) if raw is not None else None
        return SigningKey(kid, Ed25519PublicKey.from_public_bytes(public), signs_from, private)

    def _now(self) -> float:
        return self.clock.now().timestamp()

"""Passwords: takes one, gives what is stored of it; takes both, says whether they belong together.

What is stored is argon2id in its usual spelling, with its own parameters and salt. Hashing costs
some 36 ms of CPU and 19 MiB: whoever lets strangers sign in limits their attempts first.
"""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from headrace.auth.signing_in.common_passwords import what_is_common
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32
AT_ONCE = 2
# Of those that have leaked most, hardly any is so long: see docs/decisions.md.
LEAST_CHARACTERS = 15
MOST_CHARACTERS = 1024


def make_hasher() -> PasswordHasher:
    """argon2id as headrace hashes today."""
    return PasswordHasher(PASSES, MEMORY_KIB, LANES, HASH_BYTES, SALT_BYTES)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password was the account's; `renewed` is its new hash, when the stored one was made
    with other parameters than today's, else "".
    """

    matches: bool
    renewed: str = ""


@dataclass(frozen=True, slots=True)
class Passwords:
    """What hashes and verifies, two passwords at a time; may be used from any thread.

    An attempt hashes exactly once, whether there is such an account or not.
    """

    hasher: PasswordHasher = field(default_factory=make_hasher)
    _turns: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE)
    )

    def hash(self, password: Secret) -> str:
        """What to store of a password; a different text each time. Blocks."""
        with self._turns:
            return self.hasher.hash(_bytes(password))

    def verify(self, stored: str, password: Secret) -> Verdict:
        """Whether a password is the one whose hash is stored. Blocks.

        Args:
            stored: "" for an account that does not exist or has no password: nothing matches, and
                it takes as long.
            password: as it was typed.
        """
        with self._turns:
            matches = self._matches(stored or self._nobodys(), password)
        if not stored or not matches:
            return Verdict(matches=False)
        outdated = self.hasher.check_needs_rehash(stored)
        return Verdict(matches=True, renewed=self.hash(password) if outdated else "")

    def _matches(self, stored: str, password: Secret) -> bool:
        try:
            return self.hasher.verify(stored, _bytes(password))
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    def _nobodys(self) -> str:
        """The hash of no password: verifying it costs what verifying any other does."""
        salt, digest = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(HASH_BYTES)
        costs = f"m={self.hasher.memory_cost},t={self.hasher.time_cost},p={self.hasher.parallelism}"
        return f"$argon2id$v=19${costs}${_base64(salt)}${_base64(digest)}"


def require_good(password: Secret, account: str) -> None:
    """Refuse a password that is easily guessed. There is no rule about kinds of characters.

    Args:
        password: as it was typed.
        account: the name of its account, which it may not be.

    Raises:
        UsageError: says what is wrong with it, and never what it is.
    """
    text = _text(password)
    if len(text) < LEAST_CHARACTERS:
        found = f"has {len(text)} characters"
    elif len(text) > MOST_CHARACTERS:
        found = f"has {len(text)} characters, more than {MOST_CHARACTERS:,}"
    elif common := what_is_common(text, tuple({account, *account.split("@")[:1]})):
        found = f"is among the first to be tried: {common}"
    else:
        return
    raise UsageError(
        f"the password {found}; expected at least {LEAST_CHARACTERS} characters that nobody "
        "guesses; take four words that have nothing to do with each other"
    )


def _text(password: Secret) -> str:
    """One spelling of what keyboards of different systems send for the same keys."""
    return unicodedata.normalize("NFC", password.reveal())


def _bytes(password: Secret) -> bytes:
    return _text(password).encode("utf-8", "surrogatepass")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).rstrip(b"=").decode("ascii")

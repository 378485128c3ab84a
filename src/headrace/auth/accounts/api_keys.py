"""API keys: makes them, tells them from other texts without a look at any store, and says whose one
is.

A key is `hr_<environment>_<id>_<secret>_<checksum>`: an id of 12, a secret of 32 (190 bits) and a
checksum of 6 letters and digits. Read from the right it is never ambiguous, whatever the
environment is called. The checksum is the CRC-32 of all before its `_`: a scanner that finds keys
in places where they must not be needs nothing else to be sure, see `PATTERN` and `is_key`.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from headrace.auth.accounts.directory import Directory, KeyEntry
from headrace.base.access import Principal
from headrace.base.hashing import hash_bytes
from headrace.base.secrets import Secret
from headrace.store.refs import require_environment_name

PATTERN = r"hr_[A-Za-z_-][A-Za-z0-9_-]{0,99}_[0-9A-Za-z]{12}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}"
"""What every key looks like, as a regular expression of any dialect."""

PREFIX = b"hr_"
_FORM = re.compile(PATTERN)
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH = 12
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
# Compared with when there is no key of an id: it is the hash of nothing, so nothing matches it.
_NO_DIGEST = "0" * 64


@dataclass(frozen=True, slots=True, repr=False)
class KeyParts:
    """What a key says of itself."""

    environment: str
    id: str
    secret: str


def new_key(environment: str) -> tuple[Secret, KeyEntry]:
    """A new key for an environment, and what is to be kept of it; whose it is, is for the caller.

    >>> secret, entry = new_key("prod")
    >>> is_key(secret.reveal()), entry.account, len(entry.id)
    (True, '', 12)

    Raises:
        UsageError: no environment can be called so.
    """
    require_environment_name(environment)
    key_id, secret = _random(_ID_LENGTH), _random(_SECRET_LENGTH)
    body = f"hr_{environment}_{key_id}_{secret}"
    entry = KeyEntry(
        id=key_id, account="", digest=hash_bytes(secret.encode()), environment=environment
    )
    return Secret(f"{body}_{_checksum(body)}"), entry


def is_key(text: str) -> bool:
    """Whether a text is a key by its form and its checksum; whose, and whether it is valid, it does
    not say.
    """
    return (
        _FORM.fullmatch(text) is not None
        and _checksum(text[: -_CHECKSUM_LENGTH - 1]) == (text[-_CHECKSUM_LENGTH:])
    )


def parse_key(text: str) -> KeyParts | None:
    """The parts of a key; None when it is none."""
    if not is_key(text):
        return None
    head, key_id, secret, _ = text.rsplit("_", 3)
    return KeyParts(head.removeprefix("hr_"), key_id, secret)


def find_key(directory: Directory, parts: KeyParts) -> KeyEntry | None:
    """The key that was shown, valid or not; None when it is not one of the directory's.

    An unknown id takes as much work as a wrong secret.
    """
    entry = directory.keys.get(parts.id)
    digest = entry.digest if entry is not None else _NO_DIGEST
    same = hmac.compare_digest(hash_bytes(parts.secret.encode()), digest)
    return entry if same else None


def verify(directory: Directory, text: bytes, environment: str, now: float) -> Principal | None:
    """Who shows a key; None when it is no key, or none that lets anybody in here and now.

    Args:
        directory: the accounts and keys.
        text: as it came.
        environment: what is served.
        now: seconds since 1970.
    """
    # Latin-1 gives every byte a character: what is not ASCII is no key.
    parts = parse_key(text.decode("latin-1"))
    if parts is None:
        return None
    entry = find_key(directory, parts)
    if entry is None or entry.state(now) != "active":
        return None
    if not parts.environment == entry.environment == environment:
        return None
    return directory.principal_of(
        entry.account,
        credential=f"key:{entry.id}",
        scopes=entry.scopes,
        roles=entry.roles,
        expires_at=entry.expires_at,
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


def _checksum(body: str) -> str:
    """The CRC-32 of a text in base 62, six digits."""
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits

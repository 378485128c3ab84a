"""Answers in a cache outside of this process: takes key and bytes, gives sealed bytes, and back.

Bytes that come back may be anything: another version's, cut off, damaged, of another key. Each of
these reads as nothing at all, so that the answer is made anew. The key of an answer is its tag,
which names everything that it depends on: endpoint, versions of the tables, parameters, format.
"""

from __future__ import annotations

import struct
from hashlib import sha256

# To be raised whenever the bytes change their meaning: what an older version kept is then unknown.
FORMAT = 1

_MAGIC = b"headrace" + bytes([FORMAT])
_START = len(_MAGIC) + sha256().digest_size
_LENGTH = struct.Struct(">I")


def seal(key: bytes, value: bytes) -> bytes:
    """`value` behind its format and a digest over itself and the key that it is kept under."""
    return b"".join((_MAGIC, _digest(key, value), value))


def unseal(key: bytes, sealed: bytes) -> bytes | None:
    """What was sealed under `key`; None when the bytes are not that, whole and of this format."""
    if not sealed.startswith(_MAGIC):
        return None
    value = sealed[_START:]
    return value if sealed[len(_MAGIC) : _START] == _digest(key, value) else None


def _digest(key: bytes, value: bytes) -> bytes:
    digest = sha256(_LENGTH.pack(len(key)))
    digest.update(key)
    digest.update(value)
    return digest.digest()

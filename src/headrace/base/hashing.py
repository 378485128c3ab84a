"""Content addresses: sha256 over an unambiguous encoding of named parts."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

Part: TypeAlias = "str | int | float | bool | Sequence[Part] | Mapping[str, Part] | None"
"""What JSON can hold."""

_CHUNK_BYTES = 1 << 20


def address(kind: str, *parts: Part) -> str:
    """The content address of `parts`: 64 hexadecimal digits.

    `kind` names what is addressed ("cell", "recipe", …), so that equal parts of different kinds
    never share an address. Mappings hash by sorted key: their order does not matter.
    """
    text = _ENCODER.encode([kind, *parts])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(part: object) -> dict[str, Part] | list[Part]:
    """What json takes instead of a mapping that is no dict, or a sequence that is no list."""
    if isinstance(part, Mapping):
        return dict(part)
    if isinstance(part, Sequence):
        return list(part)
    raise TypeError(f"{type(part).__name__} cannot be part of an address")


# Made once: `json.dumps` would make one for each of a project's thousands of addresses.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain
)


def hash_bytes(data: bytes) -> str:
    """The sha256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """The sha256 of a file's bytes as 64 hexadecimal digits, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def derived(secret: bytes, purpose: str) -> bytes:
    """A secret of 32 bytes for one purpose: who knows it learns nothing of `secret`, nor of others.

    It is HMAC-SHA256, one block of HKDF's expansion (RFC 5869): `secret` is random already.
    """
    return hmac.digest(secret, f"headrace {purpose}".encode(), "sha256")

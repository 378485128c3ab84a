"""A checksum inside a small file: takes bytes, gives them back whole or raises."""

from __future__ import annotations

from headrace.base.errors import CorruptObject
from headrace.base.hashing import hash_bytes


def seal(body: bytes) -> bytes:
    """`body` with its sha256 in a line before it."""
    return hash_bytes(body).encode() + b"\n" + body + b"\n"


def unseal(data: bytes, where: object) -> bytes:
    """What was sealed.

    Args:
        data: the sealed bytes.
        where: names the file in the error.

    Raises:
        CorruptObject: the bytes are not what was sealed.
    """
    digest, _, rest = data.partition(b"\n")
    body = rest[:-1]
    if seal(body) == data:
        return body
    raise CorruptObject(
        f"{where}: {len(data)} bytes that do not match their checksum; expected a first line "
        f"{hash_bytes(body)!r}, found {digest[:64].decode('ascii', 'replace')!r}; "
        "restore the file from a backup"
    )

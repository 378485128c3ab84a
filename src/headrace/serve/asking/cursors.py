"""Cursors: takes where a page ended, gives an opaque text that continues there, in the same
snapshot; and reads only what it has given itself.

A cursor is for one request: endpoint, parameters and listing are in its seal. It is no permission:
whoever may ask for the first page may ask for the next ones.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

import msgspec

_SEAL_BYTES = 16
_MOST_CHARACTERS = 2048
_PURPOSE = b"headrace cursor 1"


class NotACursor(ValueError):
    """A text is no cursor of this store's."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of an answer begins.

    Attributes:
        snapshot: the number of the snapshot that the first page was of.
        content: address of what the answer is made of: a later snapshot with the same content
            has the same pages.
        request: address of the endpoint and of everything that was asked for but the limit.
        position: of the page's first row in the answer, from 0. It holds for good: a snapshot never
            changes, and the order of an answer follows from it.
        mark: where that is in a keyed copy; b"" without one.
    """

    snapshot: int
    content: bytes
    request: bytes
    position: int
    mark: bytes = b""


_DECODER = msgspec.msgpack.Decoder(Cursor)


@dataclass(frozen=True, slots=True)
class Cursors:
    """Seals and reads cursors; those of another secret or environment are none."""

    key: bytes

    @classmethod
    def of(cls, secret: bytes, environment: str) -> Cursors:
        """The cursors of an environment of the store that `secret` is of."""
        purpose = _PURPOSE + environment.encode()
        return cls(hashlib.blake2b(purpose, key=secret, digest_size=32).digest())

    def seal(self, cursor: Cursor) -> str:
        """A cursor as a text for a URL."""
        body = msgspec.msgpack.encode(cursor)
        return urlsafe_b64encode(self._seal(body) + body).rstrip(b"=").decode()

    def read(self, text: str) -> Cursor:
        """The cursor that `seal` has made.

        Raises:
            NotACursor: `seal` has not made it.
        """
        raw = _bytes(text)
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(body)):
            raise NotACursor(text[:80])
        return _DECODER.decode(body)

    def _seal(self, body: bytes) -> bytes:
        return hmac.digest(self.key, body, "sha256")[:_SEAL_BYTES]


def read_cursor(cursors: Cursors, text: str) -> Cursor | None:
    """The cursor that a text is; None when it is none of ours."""
    try:
        return cursors.read(text)
    except NotACursor:
        return None


def short_address(*parts: str) -> bytes:
    """16 bytes that name `parts`: enough that no two are taken for each other."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        text = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return digest.digest()


def _bytes(text: str) -> bytes:
    if len(text) > _MOST_CHARACTERS or not text.isascii():
        raise NotACursor(text[:80])
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as exc:
        raise NotACursor(text[:80]) from exc
    # Base64 has several spellings of the same bytes; a cursor has one.
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise NotACursor(text[:80])
    return raw

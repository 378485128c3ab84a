"""A file in memory that hands on what is written to it: takes writes, gives pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.serve.selection import LARGEST_PIECE_BYTES

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Sink(io.RawIOBase):
    """Where a library that writes files writes an answer to; it cannot be read or sought in."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Take some bytes."""
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def pieces(self) -> Iterator[bytes]:
        """The same, in pieces that are not too large."""
        whole = memoryview(self.taken())
        for start in range(0, len(whole), LARGEST_PIECE_BYTES):
            yield bytes(whole[start : start + LARGEST_PIECE_BYTES])

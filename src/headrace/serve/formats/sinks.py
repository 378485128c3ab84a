"""A file in memory that hands on what is written to it: takes writes, gives pieces."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

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

    def taken(self) -> list[bytes]:
        """What was written since the last time, each write for itself."""
        parts, self._parts = self._parts, []
        return parts

"""The audit log's files: takes lines, keeps them in one file a month, gives them back in order.

A line is for ever in the file of the month in which it was written, or in a later one: a clock that
is set back begins no older file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.store.audit.entries import LINE_BYTES, AuditEntry
from headrace.store.durable import Writer, reporting

_NAME = re.compile(r"\d{4}-\d{2}\.ndjson")
_MONTH = 7


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the files end: the last whole line, and what a crash has left of another.

    Attributes:
        seq: of that line's entry; 0 without any; -1 when it is none of ours.
        line: that line, without its line end.
        torn: what follows it, without a line end.
        torn_in: the name of the file that has it; "" when there is nothing.
    """

    seq: int = 0
    line: bytes = b""
    torn: bytes = b""
    torn_in: str = ""


@dataclass(frozen=True, slots=True)
class AuditFiles:
    """The folder `audit/` of a store."""

    folder: Path
    writer: Writer

    def names(self) -> list[str]:
        """The files that there are, oldest first."""
        if not self.folder.is_dir():
            return []
        with reporting(self.folder, "read"):
            return sorted(path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name))

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries, and bring them to disk.

        Raises:
            StoreError: some or all were not added.
        """
        name = max(self.names(), default="")
        pieces: dict[str, list[bytes]] = {}
        for entry in entries:
            name = file_name(entry.at, name)
            pieces.setdefault(name, []).append(entry.line)
        for name, lines in pieces.items():
            self.writer.append(self.folder / name, b"".join(lines))

    def cut(self, tail: Tail) -> None:
        """Remove what a crash has left of a line."""
        path = self.folder / tail.torn_in
        with reporting(path):
            size_bytes = path.stat().st_size
        self.writer.shorten(path, size_bytes - len(tail.torn))

    def tail(self) -> Tail:
        """Where the files end."""
        torn, torn_in = b"", ""
        for name in reversed(self.names()):
            head, line_end, rest = self._last_bytes(name).rpartition(b"\n")
            if rest:
                torn, torn_in = rest, name
            if line_end:
                line = head.rpartition(b"\n")[2]
                return Tail(_number(line), line, torn, torn_in)
        return Tail(torn=torn, torn_in=torn_in)

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Every line with its file's name, in order; the last one may lack its line end."""
        for name in self.names():
            with reporting(self.folder / name, "read"), (self.folder / name).open("rb") as file:
                for line in file:
                    yield name, line

    def _last_bytes(self, name: str) -> bytes:
        path = self.folder / name
        with reporting(path, "read"), path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            # The last line, what is left of another, and the line end before both.
            file.seek(max(0, size_bytes - 2 * LINE_BYTES - 2))
            return file.read()


def file_name(at: str, name: str) -> str:
    """The file of an entry made `at` a time, after one in the file `name`."""
    return max(name, f"{at[:_MONTH]}.ndjson")


def _number(line: bytes) -> int:
    try:
        return int(msgspec.json.decode(line)["seq"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return -1

"""Splits delimited text into records, exactly: takes lines, gives fields, line number, raw text.

DuckDB's reader is the fast way; this one is for the files in which something is wrong, and it
never guesses. A record whose quoting is wrong cannot be told apart from what follows it, so every
line that it covers is set aside. Line ends are LF, CRLF or CR. A quote in the middle of an
unquoted field is a character like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from headrace.base.errors import SourceError

# A quote that is never closed takes in the rest of the file; this is where we stop looking.
MAX_RECORD_CHARACTERS = 64 << 20


class Record(NamedTuple):
    """One record: `line` is the physical line on which it starts, from 1.

    A field is None when it is empty and unquoted. `problem` is why the record has no fields, or
    "" when it has.
    """

    line: int
    raw: str
    fields: list[str | None]
    problem: str = ""


@dataclass
class Tokenizer:
    """Splits the lines of one file; `line` counts the physical lines taken so far.

    `blank_rows`: whether an empty line is a record of one empty field; else it is none.
    """

    delimiter: str
    quote: str
    label: str
    blank_rows: bool = False
    line: int = 0
    _inside: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        quote = re.escape(self.quote)
        self._inside = re.compile(f"(?:[^{quote}]|{quote}{quote})*+")

    def records(self, lines: Iterable[str]) -> Iterator[Record]:
        """The records of `lines`, which carry their line ends."""
        lines = iter(lines)
        for text in lines:
            self.line += 1
            if self.quote in text:
                yield from self._quoted(text, lines)
            elif body := text.rstrip("\r\n"):
                yield Record(self.line, body, [part or None for part in body.split(self.delimiter)])
            elif self.blank_rows:
                yield Record(self.line, "", [None])

    def _quoted(self, text: str, lines: Iterator[str]) -> list[Record]:
        """The record that begins with `text`: several, all with a problem, if it is malformed."""
        start, taken, size = self.line, [text], 0
        record = _Open([])
        while not self._scan(record, taken[-1]):
            following = next(lines, None)
            if following is None:
                record.problem = f"the quote that opens on line {record.line} is never closed"
                break
            self.line += 1
            taken.append(following)
            size += len(following)
            if size > MAX_RECORD_CHARACTERS:
                raise self._endless(record.line)
        if not record.problem:
            return [Record(start, "".join(taken).rstrip("\r\n"), record.fields)]
        numbered = enumerate(taken, start)
        return [Record(line, each.rstrip("\r\n"), [], record.problem) for line, each in numbered]

    def _scan(self, record: _Open, text: str) -> bool:
        """Take in one more line; whether the record ends with it."""
        body = text.rstrip("\r\n")
        position = 0
        if record.quoted is not None:
            position = self._close(record, text, 0)
        while record.quoted is None and not record.problem and position >= 0:
            if body.startswith(self.quote, position):
                record.quoted, record.line = [], self.line
                position = self._close(record, text, position + 1)
            else:
                position = self._unquoted(record, body, position)
        return record.quoted is None

    def _unquoted(self, record: _Open, body: str, position: int) -> int:
        """Take a field without quotes; where the next one starts, -1 after the last."""
        end = body.find(self.delimiter, position)
        record.fields.append(body[position : end if end >= 0 else len(body)] or None)
        return end + 1 if end >= 0 else -1

    def _close(self, record: _Open, text: str, position: int) -> int:
        """Take what is inside quotes; where the next field starts, -1 after the last."""
        assert record.quoted is not None
        match = self._inside.match(text, position)
        assert match is not None
        record.quoted.append(match[0].replace(self.quote * 2, self.quote))
        end = match.end()
        if end == len(text):
            return -1
        record.fields.append("".join(record.quoted))
        record.quoted = None
        rest = text[end + 1 :].rstrip("\r\n")
        if rest and not rest.startswith(self.delimiter):
            record.problem = f"{rest[:20]!r} follows the closing quote of a field"
        return end + 1 + len(self.delimiter) if rest else -1

    def _endless(self, line: int) -> SourceError:
        return SourceError(
            f"{self.label}:{line}: the quote that opens on this line is not closed within"
            f" {MAX_RECORD_CHARACTERS >> 20} MiB; expected it to be closed;"
            " correct the file, or say which character is the `quote:`"
        )


@dataclass
class _Open:
    """A record that is being read; `quoted` are the pieces of the field in quotes, if in one."""

    fields: list[str | None]
    quoted: list[str] | None = None
    line: int = 0
    problem: str = ""

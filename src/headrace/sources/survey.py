"""Looks at every byte of a delimited file once: gives its hash, its rows, and if it is plain.

The count of rows is made without splitting a single field, so that it can stand witness against
the readers that do.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LINE = re.compile(rb"[^\n]+")


@dataclass
class Survey:
    """What the bytes of one file say; feed it all of them, then `finish`.

    Attributes:
        lines: physical lines that are not inside quotes, without the empty ones.
        empty_lines: empty ones among them.
        multiline: whether a field in quotes holds a line end.
        plain: whether DuckDB's reader and ours are known to agree on the file: UTF-8, one kind of
            line end, no NUL, no blanks beside quotes.
    """

    quote: bytes
    lines: int = 0
    empty_lines: int = 0
    multiline: bool = False
    plain: bool = True
    _inside: bool = False
    _held: bytes = b""
    _last: bytes = b""
    _line_open: bool = False
    _ends: set[bytes] = field(default_factory=set)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("strict")
    )

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._judge(chunk)
        text = self._held + chunk
        # A CR at the end may be half a line end.
        cut = len(text) - text.endswith(b"\r")
        self._held = text[cut:]
        self._count(text[:cut])

    def finish(self) -> None:
        """Take note that there are no more bytes."""
        self._count(self._held)
        if self._line_open:
            self.lines += 1
        if self._inside or len(self._ends) > 1 or b"\r" in self._ends:
            self.plain = False
        self._judge(b"", final=True)

    def _judge(self, chunk: bytes, *, final: bool = False) -> None:
        if not self.plain:
            return
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self.plain = False
        if b"\0" in chunk or b"\x1a" in chunk:
            self.plain = False

    def _count(self, text: bytes) -> None:
        self._judge_blanks(text)
        pieces = text.split(self.quote)
        first_outside = int(self._inside)
        inside = pieces[1 - first_outside :: 2]
        self.multiline = self.multiline or any(b"\n" in each or b"\r" in each for each in inside)
        if len(pieces) % 2 == 0:
            self._inside = not self._inside
        # What is in quotes stands for one character: a line of nothing but "" is not empty.
        self._count_lines(self._joined(pieces[first_outside::2], first_outside))

    def _judge_blanks(self, text: bytes) -> None:
        """DuckDB drops blanks between a quote and a delimiter; we do not."""
        seen = self._last + text
        self._last = text[-1:] or self._last
        if self.quote in seen:
            pairs = (
                pair for blank in (b" ", b"\t") for pair in (blank + self.quote, self.quote + blank)
            )
            self.plain = self.plain and not any(pair in seen for pair in pairs)

    def _joined(self, outside: Iterable[bytes], started_inside: int) -> bytes:
        joined = b"x".join(outside)
        return b"x" + joined if started_inside else joined

    def _count_lines(self, text: bytes) -> None:
        crlf = text.count(b"\r\n")
        feeds = text.count(b"\n")
        if crlf:
            self._ends.add(b"\r\n")
        if feeds > crlf:
            self._ends.add(b"\n")
        if text.count(b"\r") > crlf:
            self._ends.add(b"\r")
        if not text:
            return
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        full = len(_LINE.findall(text))
        closed_carried = self._line_open and text.startswith(b"\n")
        open_at_end = not text.endswith(b"\n")
        ended = full - open_at_end + closed_carried
        self.lines += ended
        self.empty_lines += text.count(b"\n") - ended
        self._line_open = open_at_end

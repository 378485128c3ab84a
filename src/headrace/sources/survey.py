"""Looks at every byte of a delimited file once: gives its hash, its rows, and if it is plain.

The count of rows is made without splitting a single field, so that it can stand witness against
the readers that do.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

_LINE = re.compile(rb"[^\n]+")


@dataclass
class Survey:
    """What the bytes of one file say; feed it all of them, then `finish`.

    Attributes:
        lines: physical lines that are not inside quotes, without the empty ones.
        empty_lines: the empty ones.
        delimiters: those that are not inside quotes.
        multiline: whether a field in quotes holds a line end.
        plain: whether DuckDB's reader and ours are known to agree on the file: UTF-8, one kind of
            line end, no NUL, quotes around whole fields only.
    """

    quote: bytes
    delimiter: bytes
    lines: int = 0
    delimiters: int = 0
    empty_lines: int = 0
    multiline: bool = False
    plain: bool = True
    _inside: bool = False
    _held: bytes = b""
    _last: bytes = b"\n"
    _stray: re.Pattern[bytes] = field(init=False, repr=False)
    _line_open: bool = False
    _ends: set[bytes] = field(default_factory=set)
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("strict")
    )

    def __post_init__(self) -> None:
        # What is in quotes must be a whole field: readers differ about anything beside it.
        other = b"[^" + re.escape(self.delimiter) + rb"\n\r\0]"
        # It begins with the NUL on purpose: what `re` can look for bytewise costs next to nothing.
        self._stray = re.compile(rb"\0(?:(?<=" + other + rb"\0)|" + other + b")")

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
        pieces = text.split(self.quote)
        first_outside = int(self._inside)
        inside = pieces[1 - first_outside :: 2]
        self.multiline = self.multiline or any(b"\n" in each or b"\r" in each for each in inside)
        if len(pieces) % 2 == 0:
            self._inside = not self._inside
        outside = pieces[first_outside::2]
        # A NUL stands for what is in quotes: a line of nothing but "" is not empty.
        joined = b"\0" * first_outside + b"\0".join(outside)
        if self.plain and self._stray.search(self._last + joined):
            self.plain = False
        self._last = joined[-1:] or self._last
        self._count_lines(joined)

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
        self.delimiters += text.count(self.delimiter)
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        full = len(_LINE.findall(text))
        closed_carried = self._line_open and text.startswith(b"\n")
        open_at_end = not text.endswith(b"\n")
        ended = full - open_at_end + closed_carried
        self.lines += ended
        self.empty_lines += text.count(b"\n") - ended
        self._line_open = open_at_end

"""Formats of an answer: takes rows, gives JSON, NDJSON or CSV; and chooses by ending or Accept.

Encoding, the same everywhere: integers and decimals as numbers with every digit; NaN and the
infinities as null, for JSON has no such numbers; dates and times as ISO 8601, those with a zone
in UTC with Z; bytes in base64; lists as arrays, structs and maps as objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import msgspec

from headrace.serve.columnar import Row

_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


class Format(Protocol):
    """One way to write rows: a start, pieces of rows, an end."""

    @property
    def ending(self) -> str:
        """What a path ends in to ask for it."""
        ...

    @property
    def media_type(self) -> str:
        """What Accept calls it."""
        ...

    @property
    def content_type(self) -> str:
        """The media type with its parameters."""
        ...

    def start(self, names: Sequence[str]) -> bytes:
        """What comes before the first row."""
        ...

    def rows(self, names: Sequence[str], rows: Iterable[Row], *, first: bool) -> bytes:
        """Some rows; `first` says that none came before. Rows may be none."""
        ...

    def end(self) -> bytes:
        """What comes after the last row."""
        ...


@dataclass(frozen=True, slots=True)
class Json:
    """One array of objects."""

    ending: str = "json"
    media_type: str = "application/json"
    content_type: str = "application/json"

    def start(self, names: Sequence[str]) -> bytes:  # noqa: ARG002 - the shelf's signature
        """The array's bracket."""
        return b"["

    def rows(self, names: Sequence[str], rows: Iterable[Row], *, first: bool) -> bytes:
        """Objects with commas between them."""
        objects = _ENCODER.encode(_objects(names, rows))[1:-1]
        return objects if first or not objects else b"," + objects

    def end(self) -> bytes:
        """The array's bracket."""
        return b"]\n"


@dataclass(frozen=True, slots=True)
class Ndjson:
    """One object a line."""

    ending: str = "ndjson"
    media_type: str = "application/x-ndjson"
    content_type: str = "application/x-ndjson"

    def start(self, names: Sequence[str]) -> bytes:  # noqa: ARG002 - the shelf's signature
        """Nothing."""
        return b""

    def rows(self, names: Sequence[str], rows: Iterable[Row], *, first: bool) -> bytes:  # noqa: ARG002 - the shelf's signature
        """One line a row."""
        return _ENCODER.encode_lines(_objects(names, rows))

    def end(self) -> bytes:
        """Nothing."""
        return b""


@dataclass(frozen=True, slots=True)
class Csv:
    """RFC 4180 with a header; NULL is an empty field, the empty text a quoted one.

    With `guard`, a text that a spreadsheet would run as a formula gets a `'` in front.
    """

    guard: bool = True
    ending: str = "csv"
    media_type: str = "text/csv"
    content_type: str = "text/csv; charset=utf-8; header=present"

    def start(self, names: Sequence[str]) -> bytes:
        """The header."""
        return self._line(names).encode()

    def rows(self, names: Sequence[str], rows: Iterable[Row], *, first: bool) -> bytes:  # noqa: ARG002 - the shelf's signature
        """One line a row."""
        return "".join(map(self._line, rows)).encode()

    def end(self) -> bytes:
        """Nothing."""
        return b""

    def _line(self, values: Iterable[object]) -> str:
        # A lone NULL would be an empty line, which readers skip: a row would be lost.
        return (",".join(map(self._field, values)) or '""') + "\r\n"

    def _field(self, value: object) -> str:
        text = _csv_text(value)
        if not isinstance(value, str):
            return _quoted(text) if text else ""
        if self.guard and text.startswith(_FORMULA_STARTS):
            text = "'" + text
        return _quoted(text)


_WRITERS: Mapping[type, Callable[[object], str]] = {
    str: str,
    int: str,
    float: lambda value: str(value) if math.isfinite(float(str(value))) else "",
    bool: lambda value: "true" if value else "false",
    Decimal: lambda value: format(value, "f"),
    type(None): lambda value: "",  # noqa: ARG005 - the shelf's signature
}


def _csv_text(value: object) -> str:
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    # Dates, UUIDs, bytes become JSON strings, whose text is the field; the rest stays JSON.
    text = _ENCODER.encode(value).decode()
    return str(msgspec.json.decode(text)) if text.startswith('"') else text


def _quoted(text: str) -> str:
    if text and not any(character in text for character in '",\r\n') and text.strip() == text:
        return text
    return '"' + text.replace('"', '""') + '"'


def _objects(names: Sequence[str], rows: Iterable[Row]) -> list[dict[str, object]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats that an answer may have; the first is the default."""

    offered: tuple[Format, ...]

    def by_ending(self, segment: str) -> tuple[str, Format | None]:
        """A path's last segment without its ending, and the format that the ending asks for."""
        if "." not in segment:
            return segment, None
        stem, dot, ending = segment.rpartition(".")
        for each in self.offered:
            if dot and stem and each.ending == ending:
                return stem, each
        return segment, None

    def by_accept(self, accept: str) -> Format | None:
        """The format that an Accept header likes best; None when it likes none of them."""
        ranges = MediaRanges.parse(accept)
        chosen = max(self.offered, key=lambda each: ranges.quality(each.media_type))
        return chosen if ranges.quality(chosen.media_type) else None


def formats(*, csv_formula_guard: bool) -> Formats:
    """Every format of this version."""
    return Formats((Json(), Ndjson(), Csv(guard=csv_formula_guard)))


@dataclass(frozen=True, slots=True)
class MediaRanges:
    """What an Accept header says: media type, or range of them -> quality."""

    qualities: Mapping[str, float]

    @classmethod
    def parse(cls, accept: str) -> MediaRanges:
        """The ranges of a header; a quality that is none counts as 0. "" accepts everything."""
        return cls(dict(map(_media_range, accept.split(","))) if accept.strip() else {"*/*": 1.0})

    def quality(self, media_type: str) -> float:
        """How much a media type is liked, by the range that names it most exactly."""
        ranges = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        return next((self.qualities[each] for each in ranges if each in self.qualities), 0.0)


def _media_range(text: str) -> tuple[str, float]:
    pattern, *options = (part.strip().lower() for part in text.split(";"))
    weights = [option[2:] for option in options if option.startswith("q=")]
    # A name that many clients use for NDJSON, registered by nobody.
    pattern = "application/x-ndjson" if pattern == "application/ndjson" else pattern
    return pattern, _weight(weights[0]) if weights else 1.0


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0

"""Takes figures and rows, gives text for people: aligned tables, counts, sizes, durations, ages."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import click

from headrace.base.clock import parse_time

Align: TypeAlias = Literal["left", "right"]

_GAP = "  "
_AGE_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
# U+2026: what is cut ends in it, so that nobody takes the rest for the whole.
_CUT = "…"


def count(number: int) -> str:
    """A whole number with separators.

    >>> count(498112)
    '498,112'
    """
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "query", "queries")
    ('1 row', '1,200 rows', '2 queries')
    """
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A length of time, as exact as anybody wants to read it.

    >>> duration(0.004), duration(1.234), duration(75), duration(7384)
    ('4 ms', '1.2 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def age(at: str, now: datetime) -> str:
    """How long before `now` the ISO 8601 time `at` was.

    >>> from datetime import UTC
    >>> age("2024-05-01T10:00:00.000000Z", datetime(2024, 5, 1, 12, 30, tzinfo=UTC))
    '2 hours ago'
    """
    seconds = int((now - parse_time(at)).total_seconds())
    for length, noun in _AGE_UNITS:
        if seconds >= length:
            return f"{counted(seconds // length, noun)} ago"
    return "just now"


def moment(at: str) -> str:
    """The ISO 8601 time `at` to the second, in UTC.

    >>> moment("2024-05-01T10:00:00.123456Z")
    '2024-05-01 10:00:00'
    """
    return at[:19].replace("T", " ")


def width(text: str) -> int:
    """How many terminal columns `text` takes: wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def cut(text: str, columns: int) -> str:
    """`text` on one line, without control characters, in at most `columns` terminal columns.

    >>> cut("a rather long remark", 10)
    'a rather …'
    """
    text = "".join(char if char.isprintable() else " " for char in text)
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[:-1]
    return text + _CUT


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    align: Sequence[Align] = (),
    indent: str = "",
) -> str:
    """Rows in aligned columns under their headers; "" without rows.

    Args:
        headers: one a column; all "" for a table without a header line.
        rows: as many texts each as there are headers.
        align: one a column; what is missing is "left".
        indent: what every line starts with.
    """
    body = [[cut(cell, 10_000) for cell in row] for row in rows]
    if not body:
        return ""
    widths = [max(map(width, column)) for column in zip(headers, *body, strict=True)]
    sides = [*align, *["left"] * (len(widths) - len(align))]
    lines = [_line(row, widths, sides, indent) for row in body]
    if any(headers):
        lines.insert(0, click.style(_line(headers, widths, sides, indent), dim=True))
    return "\n".join(lines)


def _line(row: Sequence[str], widths: list[int], sides: Sequence[str], indent: str) -> str:
    cells = [
        " " * (space - width(text)) + text
        if side == "right"
        else text + " " * (space - width(text))
        for text, space, side in zip(row, widths, sides, strict=True)
    ]
    return (indent + _GAP.join(cells)).rstrip()


def heading(text: str) -> None:
    """Print the title of a section."""
    click.echo(click.style(text, bold=True))


def good(text: str) -> str:
    """`text` in the colour of success."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """`text` in the colour of failure."""
    return click.style(text, fg="red")


def warned(text: str) -> str:
    """`text` in the colour of a warning."""
    return click.style(text, fg="yellow")


def faint(text: str) -> str:
    """`text` in the colour of what matters less."""
    return click.style(text, dim=True)


def print_json(value: object) -> None:
    """Print one JSON document on stdout. What JSON does not know (dates, decimals) becomes text."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))

"""Formats that are text: takes a SELECT, gives the pieces of its JSON, NDJSON or CSV.

DuckDB writes each row; here, rows are only put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import TypeAlias

from headrace.engines.json_values import JsonValues, Numbers, is_suspect, quoted, strict_json
from headrace.engines.text_rows import (
    Field,
    csv_header,
    csv_row_sql,
    json_array_sql,
    json_object_sql,
    json_value_sql,
)
from headrace.serve.formats.selection import LARGEST_PIECE_BYTES, PIECE_BYTES, Selection

Written: TypeAlias = Callable[[Sequence[Field]], Sequence[str]]
# Of each column but the first, this much stays in memory until it is its turn.
_SPOOLED_BYTES = 256 * 1024


def json_rows(selection: Selection, numbers: Numbers) -> Iterator[bytes]:
    """An array of one object a row."""
    rows = _lone(selection, _objects(numbers))
    return sized(_framed(rows, b"[", b",", b"]\n"))


def json_lines(selection: Selection, numbers: Numbers) -> Iterator[bytes]:
    """One object a line."""
    rows = _lone(selection, _objects(numbers))
    return sized(_strict([*texts, b""], b"\n") for texts in rows)


def json_arrays(selection: Selection, numbers: Numbers) -> Iterator[bytes]:
    """`{"columns":[…],"rows":[[…],…]}`."""
    names = ",".join(quoted(each.name) for each in selection.columns)
    start = f'{{"columns":[{names}],"rows":['.encode()
    return sized(_framed(_lone(selection, _arrays(numbers)), start, b",", b"]}\n"))


def json_columns(selection: Selection, numbers: Numbers) -> Iterator[bytes]:
    """`{"a":[…],"b":[…]}`: the first column goes out as it comes, the others wait on disk."""
    return sized(_by_column(selection, numbers))


def csv_lines(selection: Selection, *, guard: bool) -> Iterator[bytes]:
    """A header, and one line a row."""
    header = csv_header([each.name for each in selection.columns], guard=guard)
    rows = _lone(selection, _csv(guard=guard))
    return sized(chain([f"{header}\r\n".encode()], (b"\r\n".join([*texts, b""]) for texts in rows)))


def sized(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, in pieces that are neither too small nor too large."""
    waiting: list[bytes] = []
    size_bytes = 0
    for part in parts:
        waiting.append(part)
        size_bytes += len(part)
        if size_bytes >= PIECE_BYTES:
            yield from _cut(b"".join(waiting))
            waiting, size_bytes = [], 0
    if size_bytes:
        yield b"".join(waiting)


def _cut(whole: bytes) -> Iterator[bytes]:
    if len(whole) <= LARGEST_PIECE_BYTES:
        yield whole
        return
    for start in range(0, len(whole), LARGEST_PIECE_BYTES):
        yield whole[start : start + LARGEST_PIECE_BYTES]


# The same function for the same options: the parsed statement is found by it.


@lru_cache
def _objects(numbers: Numbers) -> Written:
    return lambda fields: [json_object_sql(fields, JsonValues(numbers, strict=False))]


@lru_cache
def _arrays(numbers: Numbers) -> Written:
    return lambda fields: [json_array_sql(fields, JsonValues(numbers, strict=False))]


@lru_cache
def _values(numbers: Numbers) -> Written:
    values = JsonValues(numbers, strict=False)
    return lambda fields: [json_value_sql(each, values) for each in fields]


@lru_cache
def _csv(*, guard: bool) -> Written:
    return lambda fields: [csv_row_sql(fields, guard=guard)]


def _lone(selection: Selection, written: Written) -> Iterator[list[bytes]]:
    """Batches of rows that are one text each; none is empty."""
    for rows in selection.batches(written):
        if rows:
            yield list(chain.from_iterable(rows))


def _framed(
    batches: Iterable[list[bytes]], start: bytes, separator: bytes, end: bytes
) -> Iterator[bytes]:
    before = start
    for texts in batches:
        yield before + _strict(texts, separator)
        before = separator
    yield end if before == separator else start + end


def _strict(texts: Sequence[bytes], separator: bytes) -> bytes:
    joined = separator.join(texts)
    # Most rows have no such number: only those that may have are looked through.
    return separator.join(map(strict_json, texts)) if is_suspect(joined) else joined


def _by_column(selection: Selection, numbers: Numbers) -> Iterator[bytes]:
    names = [quoted(each.name).encode() for each in selection.columns]
    with ExitStack() as stack:
        others = [
            stack.enter_context(SpooledTemporaryFile(max_size=_SPOOLED_BYTES)) for _ in names[1:]
        ]
        before = b"{" + names[0] + b":["
        for rows in selection.batches(_values(numbers)):
            if not rows:
                break
            first, *rest = (_strict(texts, b",") for texts in zip(*rows, strict=True))
            yield before + first
            for file, texts in zip(others, rest, strict=True):
                file.write((b"," if file.tell() else b"") + texts)
            before = b","
        yield b"]" if before == b"," else before + b"]"
        for name, file in zip(names[1:], others, strict=True):
            yield b"," + name + b":["
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece
            yield b"]"
        yield b"}\n"

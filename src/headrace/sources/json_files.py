"""Reads JSON and NDJSON files: takes raw files, gives their objects to a landing as rows of text.

Numbers keep the digits that they are written with. Nested values stay JSON text, which the
contract turns into lists and structs. What RFC 8259 leaves open is refused: NaN, names twice.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import near_miss
from headrace.base.tables import RawFile
from headrace.sources.decoding import open_text, printable, true_nature, undecoded_byte
from headrace.sources.landing import RawRow

Json: TypeAlias = "bool | str | list[Json] | dict[str, Json] | None"
"""A parsed value; a number is a `Number`, which is its text."""

_BLANK = re.compile(r"[ \t\n\r]*")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Reader: TypeAlias = "Callable[[int, str, Json], RawRow]"
"""From line, raw text and value to a row."""


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class _Misread(ValueError):
    """What stands in the text is JSON by the letter, or by Python's reader, but not data.

    `position` is where the entry begins in which it stands.
    """

    position = 0


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Misread(f"the object has {twice!r} more than once")
    return made


def _constant(name: str) -> Json:
    raise _Misread(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_constant
)


def read_ndjson(root: Path, source: Source, file: RawFile) -> Iterator[RawRow]:
    """The rows of an NDJSON file: each line on its own, so a bad line is one bad row.

    Raises:
        SourceError: the file cannot be decoded.
    """
    return _ndjson_rows(root, source, file, _row_reader(source))


def _ndjson_rows(root: Path, source: Source, file: RawFile, read: Reader) -> Iterator[RawRow]:
    with open_text(root / file.path, file.path, source.format) as text:
        for line, raw in enumerate(_lines(text), 1):
            if not _BLANK.fullmatch(raw):
                yield _parsed_line(line, raw.rstrip("\r\n"), read)


def _lines(text: Iterator[str]) -> Iterator[str]:
    """Lines that end with LF; a CR alone is blank space inside of one."""
    held = ""
    for piece in text:
        held += piece
        if held.endswith("\n"):
            yield held
            held = ""
    if held:
        yield held


def _parsed_line(line: int, raw: str, read: Reader) -> RawRow:
    if not raw.isascii() and (problem := _undecoded(raw)):
        return RawRow(line, printable(raw), (), problem)
    try:
        value, end = _DECODER.raw_decode(raw, _skip(raw, 0))
    except json.JSONDecodeError as exc:
        return RawRow(line, raw, (), f"it is not JSON: {exc.msg} at character {exc.pos + 1}")
    except _Misread as exc:
        return RawRow(line, raw, (), str(exc))
    except RecursionError:
        return RawRow(line, raw, (), "it is nested too deeply")
    end = _skip(raw, end)
    if end < len(raw):
        return RawRow(line, raw, (), f"it is not JSON: more text at character {end + 1}")
    return read(line, raw, value)


def _undecoded(raw: str) -> str:
    try:
        raw.encode()
    except UnicodeEncodeError:
        return undecoded_byte(raw)
    return ""


def read_json(root: Path, source: Source, file: RawFile) -> Iterator[RawRow]:
    """The rows of a JSON file: an array of objects, or one object. It is held in memory whole.

    Raises:
        SourceError: the file is not JSON from its first character to its last, or is neither an
            array nor an object.
    """
    return iter(_json_rows(root, source, file, _row_reader(source)))


def object_names(root: Path, source: Source, file: RawFile) -> list[str]:
    """The names that the objects of a file have, each once, in the order of their appearance.

    Raises:
        SourceError: see `read_json`.
    """
    names: dict[str, None] = {}

    def read(line: int, raw: str, value: Json) -> RawRow:
        names.update(dict.fromkeys(value if isinstance(value, dict) else ()))
        return RawRow(line, raw, ())

    rows = _ndjson_rows if source.format.kind == "ndjson" else _json_rows
    deque(rows(root, source, file, read), maxlen=0)
    return list(names)


def _json_rows(root: Path, source: Source, file: RawFile, read: Reader) -> list[RawRow]:
    text = _document(root, source, file)
    rows: list[RawRow] = []
    line, counted = 1, 0
    try:
        for start, end, value in _entries(text):
            line += text.count("\n", counted, start)
            counted = start
            rows.append(read(line, text[start:end], value))
    except json.JSONDecodeError as exc:
        where = f"{file.path}:{exc.lineno}:{exc.colno}"
        raise _refused(where, f"it is not JSON: {exc.msg}", _fix(root, file)) from exc
    except _Misread as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise _refused(f"{file.path}:{line}", str(exc), _fix(root, file)) from exc
    except RecursionError as exc:
        raise _refused(file.path, "it is nested too deeply", "flatten it") from exc
    return rows


def _document(root: Path, source: Source, file: RawFile) -> str:
    with open_text(root / file.path, file.path, source.format) as text:
        document = text.read()
    if not document.isascii() and (problem := _undecoded(document)):
        bad = document[: next(_LONE_SURROGATE.finditer(document)).start()]
        line = bad.count("\n") + 1
        problem = problem.replace("of the row", "of the file")
        raise _refused(f"{file.path}:{line}", problem, "say the right `encoding:`")
    return document


def _entries(text: str) -> Iterator[tuple[int, int, Json]]:
    """Start, end and value of each entry of the array that `text` is, or of the one object."""
    position = _skip(text, 0)
    if not text.startswith("[", position):
        value, end = _decode(text, position)
        _require_end(text, end)
        if not isinstance(value, dict):
            raise _Misread(f"it is {_kind(value)}")
        yield position, end, value
        return
    position = _skip(text, position + 1)
    if text.startswith("]", position):
        _require_end(text, position + 1)
        return
    while True:
        value, end = _decode(text, position)
        yield position, end, value
        position = _skip(text, end)
        if text.startswith("]", position):
            _require_end(text, position + 1)
            return
        if not text.startswith(",", position):
            raise json.JSONDecodeError("expected `,` or `]`", text, position)
        position = _skip(text, position + 1)


def _decode(text: str, position: int) -> tuple[Json, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except _Misread as exc:
        exc.position = position
        raise


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    assert match is not None
    return match.end()


def _require_end(text: str, position: int) -> None:
    position = _skip(text, position)
    if position < len(text):
        raise json.JSONDecodeError("more text after the end", text, position)


def _refused(where: str, found: str, fix: str) -> SourceError:
    return SourceError(f"{where}: {found}; expected an array of objects, or one object; {fix}")


def _fix(root: Path, file: RawFile) -> str:
    what, fix = true_nature(root / file.path)
    if what:
        return f"the file is {what}: {fix}"
    return "correct the file, or say `format: ndjson` if each line is an object of its own"


def _row_reader(source: Source) -> Reader:
    """A function from line, raw text and value to the row with the contract's columns."""
    names = [column.name for column in source.columns]
    known = frozenset(names)

    def read(line: int, raw: str, value: Json) -> RawRow:
        if not isinstance(value, dict):
            return RawRow(line, raw, (), f"it is {_kind(value)}, not an object")
        if not value.keys() <= known:
            extra = next(name for name in value if name not in known)
            return RawRow(line, raw, (), _unknown(extra, names))
        fields = [as_text(value.get(name)) for name in names]
        if "\\u" in raw and any(field and _LONE_SURROGATE.search(field) for field in fields):
            return RawRow(line, raw, (), "a text holds half a surrogate pair")
        return RawRow(line, raw, fields)

    return read


def _unknown(name: str, names: Sequence[str]) -> str:
    hint = near_miss(name, names)
    return f"{printable(name)!r} is not a column of the contract" + (f": {hint}" if hint else "")


def _kind(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return as_text(value) or "null"
    if isinstance(value, Number):
        return "a number"
    return {"str": "a text", "list": "an array", "dict": "an object"}[type(value).__name__]


def as_text(value: Json) -> str | None:
    """A value as the text that the contract converts; None for null."""
    if value is None or isinstance(value, str):
        return value
    return as_json(value)


def as_json(value: Json) -> str:
    """A value as JSON again, numbers with the digits that they had."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{json.dumps(name)}:{as_json(each)}" for name, each in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(as_json, value))}]"
    return json.dumps(value, ensure_ascii=False)

"""Rows as text: takes columns, gives SQL expressions by which DuckDB itself writes each row.

It is the one encoder of everything that is read as text: answers, exports and keyed copies all
have the same bytes for the same values. docs/serving.md lists what values look like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from headrace.base.names import quote, quote_text
from headrace.base.tables import Schema
from headrace.base.types import INTEGER_TYPES
from headrace.engines.sql_types import SqlType, sql_type

Numbers: TypeAlias = Literal["digits", "text"]
"""Whether decimals and integers of 64 bits and more are numbers in JSON, or texts."""

_TEXT = frozenset(["VARCHAR", "ENUM"])
# What `to_json` writes as we do, inside of lists and structs as well.
_PLAIN = INTEGER_TYPES | {"BOOLEAN", "DATE", "TIME", "UUID", *_TEXT}
# Those of which JavaScript's numbers do not hold every digit.
_WIDE = frozenset(["BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL", "BIGNUM"])
_BARE = INTEGER_TYPES | {"BOOLEAN", "DECIMAL", "BIGNUM"}

_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_YEARS = ("0001-01-01", "10000-01-01")


def json_row_sql(columns: Schema, *, numbers: Numbers = "digits", end: str = "") -> str:
    """An expression that gives each row as one JSON object, on one line; it is never NULL.

    Args:
        columns: what stands in the object, in order; the expression names them, quoted.
        numbers: how wide numbers are written.
        end: what follows each object.
    """
    named = ((quote(each.name), each.name, each.type) for each in columns)
    return json_object_sql(named, numbers=numbers, end=end)


def json_object_sql(
    fields: Iterable[tuple[str, str, str]],
    *,
    numbers: Numbers = "digits",
    start: str = "",
    end: str = "",
) -> str:
    """`json_row_sql` of (expression, name, type) triples; the expressions are evaluated often."""
    named = (
        (f"{_quoted(name)}:", json_sql(expression, type_name, numbers))
        for expression, name, type_name in fields
    )
    return _enclosed(start + "{", named, "}" + end)


def json_array_sql(
    values: Iterable[tuple[str, str]],
    *,
    numbers: Numbers = "digits",
    start: str = "",
    end: str = "",
) -> str:
    """An expression that gives the values of each row as one JSON array.

    Args:
        values: (expression, type) of each.
        numbers: how wide numbers are written.
        start: what precedes each array.
        end: what follows each array.
    """
    items = (("", json_sql(expression, type_name, numbers)) for expression, type_name in values)
    return _enclosed(start + "[", items, "]" + end)


def json_sql(expression: str, type_name: str, numbers: Numbers = "digits") -> str:
    """An expression that gives a value of a type as JSON text; NULL is `null`."""
    return f"coalesce({_Json(numbers).of(expression, sql_type(type_name))}, 'null')"


def text_sql(expression: str, type_name: str) -> str:
    """An expression that gives a value as text: what JSON has in its quotes; NULL stays NULL."""
    return _text(expression, sql_type(type_name))


def is_text(type_name: str) -> bool:
    """Whether values of a type are free text: what a spreadsheet may take for a formula."""
    kind = sql_type(type_name).kind
    return kind not in _WRITERS and kind not in _PLAIN - _TEXT and kind not in _NESTED


def concat_sql(*parts: str) -> str:
    """An expression that joins texts; one that is NULL counts as empty."""
    return f"concat({', '.join(parts)})"


def _enclosed(start: str, labelled: Iterable[tuple[str, str]], end: str) -> str:
    """An expression that joins values with commas; each is a text that precedes it, and itself."""
    parts, glue = [], start
    for label, value in labelled:
        parts += [quote_text(glue + label), value]
        glue = ","
    return concat_sql(*parts, quote_text(end if parts else start + end))


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


# Scalars as text. Every function takes an expression, and gives one that is NULL for NULL.


def _text(x: str, type_: SqlType) -> str:
    if type_.kind in _NESTED:
        return _Json("digits").of(x, type_)
    if type_.kind == "DECIMAL":
        return _decimal(x, type_)
    return _WRITERS.get(type_.kind, _cast)(x)


def _cast(x: str) -> str:
    return f"{x}::VARCHAR"


def _decimal(x: str, type_: SqlType) -> str:
    match = _DECIMAL.fullmatch(type_.text)
    if match is None or match[1] != match[2]:
        return _cast(x)
    # DuckDB writes no digit before the point when the type has none: `.5` is no JSON.
    return rf"regexp_replace({x}::VARCHAR, '^(-?)\.', '\10.')"


def _double(x: str) -> str:
    return f"to_json({x})::VARCHAR"


def _float(x: str) -> str:
    # By way of its own shortest text: 0.1, and not the 0.10000000149011612 of the next DOUBLE.
    return _double(f"{x}::VARCHAR::DOUBLE")


def _timestamp(x: str) -> str:
    return _within_years(x, "TIMESTAMP", f"replace({x}::VARCHAR, ' ', 'T')")


def _timestamp_ns(x: str) -> str:
    # These reach from 1677 to 2262.
    return f"replace({x}::VARCHAR, ' ', 'T')"


def _instant(x: str) -> str:
    # Faster than the cast, which looks up the session's time zone; and that is always UTC.
    utc = f"make_timestamp(epoch_us({x}))::VARCHAR"
    return _within_years(x, "TIMESTAMPTZ", f"concat(replace({utc}, ' ', 'T'), 'Z')")


def _instant_ns(x: str) -> str:
    return f"replace(replace({x}::VARCHAR, '+00', 'Z'), ' ', 'T')"


def _within_years(x: str, type_name: str, iso: str) -> str:
    """ISO 8601 within its four digits of a year; what is outside is written as DuckDB does."""
    first, after = (f"'{day} 00:00:00+00'::{type_name}" for day in _YEARS)
    return f"CASE WHEN {x} >= {first} AND {x} < {after} THEN {iso} ELSE {x}::VARCHAR END"


def _zoned_time(x: str) -> str:
    hours = rf"regexp_replace({x}::VARCHAR, '([+-]\d\d)$', '\1:00')"
    return f"replace({hours}, '+00:00', 'Z')"


def _interval(x: str) -> str:
    """An ISO 8601 duration: each part has a sign of its own, as in `P1Y-2M3DT-4H`."""
    date = _duration_parts(x, {"Y": "year", "M": "month", "D": "day"})
    clock = _duration_parts(x, {"H": "hour", "M": "minute"})
    # DuckDB's microseconds hold the seconds: -30500000 for -30.5 s.
    us = f"date_part('microsecond', {x})"
    seconds = (
        f"CASE WHEN {us} <> 0 THEN concat(({us} / 1e6)::DECIMAL(18,6)::VARCHAR, 'S') ELSE '' END"
    )
    seconds = rf"regexp_replace({seconds}, '\.?0*S$', 'S')"
    time = f"concat({', '.join(clock)}, {seconds})"
    whole = f"concat('P', {', '.join(date)}, 'T', {time})"
    return (
        f"CASE WHEN {x} IS NOT NULL"
        f" THEN regexp_replace(regexp_replace({whole}, 'T$', ''), '^P$', 'PT0S') END"
    )


def _duration_parts(x: str, parts: Mapping[str, str]) -> list[str]:
    return [
        f"CASE WHEN date_part('{part}', {x}) <> 0"
        f" THEN concat(date_part('{part}', {x}), '{letter}') ELSE '' END"
        for letter, part in parts.items()
    ]


def _blob(x: str) -> str:
    return f"base64({x})"


_STRING = r'("(?:[^"\\]|\\.)*")'


def _strict_json(x: str) -> str:
    """JSON as it is, on one line. DuckDB takes NaN, Infinity and a comma too much for JSON, too."""
    text = f"{x}::VARCHAR"
    # Strings match first, and stay. Behind each come two marks that no JSON holds; around each
    # number that is none, one on either side: those become its quotes.
    lone = rf"regexp_replace({text}, '{_STRING}|,\s*([\]}}])', '\1\2', 'g')"
    odd = f"{_STRING}|(-?(?i:nan|infinity|inf))"
    marked = rf"regexp_replace({lone}, '{odd}', '\1' || chr(1) || '\2' || chr(1), 'g')"
    strict = f"replace(replace({marked}, repeat(chr(1), 2), ''), chr(1), '\"')"
    on_one_line = rf"regexp_replace({strict}, '[\r\n]', ' ', 'g')"
    suspect = r"[\r\n]|(?i:nan|inf)|,\s*[\]}]"
    return f"CASE WHEN regexp_matches({text}, '{suspect}') THEN {on_one_line} ELSE {text} END"


_WRITERS = {
    "FLOAT": _float,
    "DOUBLE": _double,
    "DECIMAL": _cast,
    "BIGNUM": _cast,
    "TIMESTAMP": _timestamp,
    "TIMESTAMP_S": _timestamp,
    "TIMESTAMP_MS": _timestamp,
    "TIMESTAMP_NS": _timestamp_ns,
    "TIMESTAMP WITH TIME ZONE": _instant,
    "TIMESTAMPTZ_NS": _instant_ns,
    "TIME WITH TIME ZONE": _zoned_time,
    "TIME_NS": _cast,
    "INTERVAL": _interval,
    "BLOB": _blob,
    "BIT": _cast,
}
_NESTED = frozenset(["LIST", "STRUCT", "TUPLE", "MAP", "UNION", "JSON", "VARIANT"])
# Texts that hold nothing that JSON escapes.
_SAFE = frozenset(_WRITERS) | frozenset(["DATE", "TIME", "UUID"])


class _Json:
    """Writes expressions that give a value as JSON; NULL for NULL."""

    def __init__(self, numbers: Numbers, depth: int = 0) -> None:
        self._numbers: Numbers = numbers
        self._item = f"__{depth}"
        self._depth = depth

    def of(self, x: str, type_: SqlType) -> str:
        kind = type_.kind
        nested = {
            "LIST": self._list,
            "STRUCT": self._struct,
            "TUPLE": self._tuple,
            "MAP": self._map,
            "UNION": self._union,
        }
        if kind in nested:
            return f"to_json({x})::VARCHAR" if self._is_plain(type_) else nested[kind](x, type_)
        if kind == "JSON":
            return _strict_json(x)
        if kind == "VARIANT":
            return _strict_json(f"to_json({x})")
        return self._scalar(x, type_)

    def _scalar(self, x: str, type_: SqlType) -> str:
        text, kind = _text(x, type_), type_.kind
        if kind in ("FLOAT", "DOUBLE"):
            odd = f"WHEN {x} IS NOT NULL THEN {_in_quotes(text)}"
            return f"CASE WHEN isfinite({x}) THEN {text} {odd} END"
        if kind in _BARE:
            return _in_quotes(text) if self._as_text(kind) else text
        return _in_quotes(text) if kind in _SAFE else f"to_json({text})::VARCHAR"

    def _as_text(self, kind: str) -> bool:
        return self._numbers == "text" and kind in _WIDE

    def _is_plain(self, type_: SqlType) -> bool:
        """Whether `to_json` writes a type as we do. Its structs have no more than names."""
        if type_.kind in ("LIST", "STRUCT", "TUPLE"):
            return all(self._is_plain(each) for _, each in type_.fields)
        return type_.kind in _PLAIN and not self._as_text(type_.kind)

    def _inner(self, x: str, type_: SqlType) -> str:
        return f"coalesce({_Json(self._numbers, self._depth + 1).of(x, type_)}, 'null')"

    def _list(self, x: str, type_: SqlType) -> str:
        [(_, item)] = type_.fields
        return self._joined(x, self._inner(self._item, item), "[]")

    def _joined(self, items: str, each: str, brackets: str) -> str:
        texts = f"list_transform({items}, lambda {self._item}: {each})"
        return f"'{brackets[0]}' || array_to_string({texts}, ',') || '{brackets[1]}'"

    def _map(self, x: str, type_: SqlType) -> str:
        [(_, key), (_, value)] = type_.fields
        name = f"to_json({_text(f'{self._item}.key', key)})::VARCHAR"
        pair = concat_sql(name, "':'", self._inner(f"{self._item}.value", value))
        return self._joined(f"map_entries({x})", pair, "{}")

    def _struct(self, x: str, type_: SqlType) -> str:
        fields = [
            (f"{_quoted(name)}:", self._inner(f"struct_extract({x}, {quote_text(name)})", each))
            for name, each in type_.fields
        ]
        return self._unless_null(x, _enclosed("{", fields, "}"))

    def _tuple(self, x: str, type_: SqlType) -> str:
        items = [
            ("", self._inner(f"struct_extract({x}, {position})", each))
            for position, (_, each) in enumerate(type_.fields, start=1)
        ]
        return self._unless_null(x, _enclosed("[", items, "]"))

    def _union(self, x: str, type_: SqlType) -> str:
        """A union is the value that it holds."""
        cases = []
        for name, each in type_.fields:
            value = f"union_extract({x}, {quote_text(name)})"
            cases.append(f"WHEN {quote_text(name)} THEN {self._inner(value, each)}")
        return f"CASE union_tag({x})::VARCHAR {' '.join(cases)} END"

    @staticmethod
    def _unless_null(x: str, text: str) -> str:
        return f"CASE WHEN {x} IS NOT NULL THEN {text} END"


def _in_quotes(text: str) -> str:
    # `||`, not `concat`: a NULL stays one.
    return f"'\"' || {text} || '\"'"

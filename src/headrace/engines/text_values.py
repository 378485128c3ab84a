"""Values as text: takes an expression and its type, gives the expression of what it looks like.

What is given is NULL for NULL. The session's time zone is UTC, as in every instance of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from headrace.engines.sql_types import SqlType

_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
# The types that SQL can nest other types in, or that hold JSON.
NESTED = frozenset(["LIST", "STRUCT", "TUPLE", "MAP", "UNION", "JSON", "VARIANT"])


def scalar_sql(x: str, type_: SqlType) -> str:
    """A scalar as text: what JSON has between its quotes, and CSV in its field."""
    if type_.kind == "DECIMAL":
        return _decimal(x, type_)
    return _WRITERS.get(type_.kind, _cast)(x)


def is_free_text(type_: SqlType) -> bool:
    """Whether the text of a scalar can hold anything: quotes, commas, line feeds."""
    return type_.kind not in _WRITERS and type_.kind not in NESTED


def decimal_digits(type_: SqlType) -> tuple[int, int]:
    """Width and scale of a DECIMAL."""
    match = _DECIMAL.fullmatch(type_.text)
    return (int(match[1]), int(match[2])) if match else (18, 3)


def strict_json_sql(text: str) -> str:
    """JSON as DuckDB takes it, as everybody else does, and on one line.

    DuckDB takes NaN and the infinities for JSON, and a comma too much at the end of a list.
    """
    # Strings match first, and stay. Behind each come two marks that no JSON holds; around each
    # number that is none, one on either side: those become its quotes.
    lone = rf"regexp_replace({text}, '{_STRING}|,\s*([\]}}])', '\1\2', 'g')"
    odd = f"{_STRING}|(-?(?i:nan|infinity|inf))"
    marked = rf"regexp_replace({lone}, '{odd}', '\1' || chr(1) || '\2' || chr(1), 'g')"
    strict = f"replace(replace({marked}, repeat(chr(1), 2), ''), chr(1), '\"')"
    on_one_line = rf"regexp_replace({strict}, '[\r\n]', ' ', 'g')"
    suspect = r"[\r\n]|(?i:nan|inf)|,\s*[\]}]"
    return f"CASE WHEN regexp_matches({text}, '{suspect}') THEN {on_one_line} ELSE {text} END"


_STRING = r'("(?:[^"\\]|\\.)*")'


def _cast(x: str) -> str:
    return f"{x}::VARCHAR"


def _decimal(x: str, type_: SqlType) -> str:
    width, scale = decimal_digits(type_)
    if width != scale:
        return _cast(x)
    # DuckDB writes no digit before the point when the type has none: `.5` is no number in JSON.
    return rf"regexp_replace({x}::VARCHAR, '^(-?)\.', '\10.')"


def _double(x: str) -> str:
    return f"to_json({x})::VARCHAR"


def _float(x: str) -> str:
    return _double(as_double(x))


def as_double(x: str) -> str:
    """A FLOAT as the DOUBLE of the same few digits: 0.1, and not 0.10000000149011612."""
    return f"{x}::VARCHAR::DOUBLE"


def _timestamp(x: str) -> str:
    return f"replace({x}::VARCHAR, ' ', 'T')"


def _instant(x: str) -> str:
    return f"replace({_timestamp(x)}, '+00', 'Z')"


def _zoned_time(x: str) -> str:
    hours = rf"regexp_replace({x}::VARCHAR, '([+-]\d\d)$', '\1:00')"
    return f"replace({hours}, '+00:00', 'Z')"


def _interval(x: str) -> str:
    """An ISO 8601 duration: each part has a sign of its own, as in `P1Y-2M3DT-4H`."""
    date = _duration_parts(x, {"Y": "year", "M": "month", "D": "day"})
    clock = _duration_parts(x, {"H": "hour", "M": "minute"})
    # DuckDB's microseconds hold the seconds: -30500000 for -30.5 s.
    us = f"date_part('microsecond', {x})"
    digits = f"concat(({us} / 1e6)::DECIMAL(18,6)::VARCHAR, 'S')"
    seconds = rf"CASE WHEN {us} <> 0 THEN regexp_replace({digits}, '\.?0*S$', 'S') ELSE '' END"
    whole = f"concat('P', {', '.join(date)}, 'T', {', '.join(clock)}, {seconds})"
    parts = f"regexp_replace(regexp_replace({whole}, 'T$', ''), '^P$', 'PT0S')"
    return f"CASE WHEN {x} IS NOT NULL THEN {parts} END"


def _duration_parts(x: str, parts: Mapping[str, str]) -> list[str]:
    return [
        f"CASE WHEN date_part('{part}', {x}) <> 0"
        f" THEN concat(date_part('{part}', {x}), '{letter}') ELSE '' END"
        for letter, part in parts.items()
    ]


def _blob(x: str) -> str:
    return f"base64({x})"


# Types that are not listed are written as DuckDB's cast does, and may hold anything.
_WRITERS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(["BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"], _cast),
    **dict.fromkeys(["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"], _cast),
    **dict.fromkeys(["BIGNUM", "DECIMAL", "UUID", "DATE", "TIME", "TIME_NS", "BIT"], _cast),
    **dict.fromkeys(["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"], _timestamp),
    **dict.fromkeys(["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"], _instant),
    "FLOAT": _float,
    "DOUBLE": _double,
    "TIME WITH TIME ZONE": _zoned_time,
    "INTERVAL": _interval,
    "BLOB": _blob,
}

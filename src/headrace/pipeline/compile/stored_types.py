"""What a column's type becomes when it is stored: takes DuckDB's spelling, gives DuckDB's."""

from __future__ import annotations

from headrace.base.types import STORED_AS

# Measured by writing and reading one value of each: what Parquet changes or cuts.
# INTERVAL keeps milliseconds only; TIME WITH TIME ZONE loses its offset; a UNION, a BIT, a BIGNUM,
# a GEOMETRY and a TUPLE come back as another type.
_CAST_TO = {
    "INTERVAL": "BIGINT, as in epoch_us(x)",
    "TIME WITH TIME ZONE": "TIME",
    "BIT": "VARCHAR",
    "BIGNUM": "VARCHAR or DECIMAL(38,0)",
    "GEOMETRY": "BLOB",
    "VARIANT": "JSON",
    "UNION": "a STRUCT or VARCHAR",
    "TUPLE": "a STRUCT",
}


def stored_type(type_name: str) -> str:
    """The type under which values of `type_name` are stored; the same where it holds them.

    ENUM becomes VARCHAR and an array a list, as Parquet knows neither.
    """
    if type_name in STORED_AS:
        return STORED_AS[type_name]
    if type_name.endswith("]"):
        return stored_type(type_name[: type_name.rindex("[")]) + "[]"
    kind, parts = type_parts(type_name)
    if kind == "ENUM":
        return "VARCHAR"
    if kind == "MAP":
        return f"MAP({', '.join(stored_type(part) for part in parts)})"
    if kind == "STRUCT":
        return f"STRUCT({', '.join(_stored_field(part) for part in parts)})"
    return type_name


def cast_hint(type_name: str) -> str:
    """What to cast a value to that cannot be stored faithfully; "" when it can be."""
    if type_name.endswith("]"):
        return cast_hint(type_name[: type_name.rindex("[")])
    kind, parts = type_parts(type_name)
    if kind == "MAP":
        return next((hint for part in parts if (hint := cast_hint(part))), "")
    if kind == "STRUCT":
        return next((hint for part in parts if (hint := cast_hint(type_field(part)[1]))), "")
    return _CAST_TO.get(kind, "")


def _stored_field(text: str) -> str:
    name, type_name = type_field(text)
    return f"{name} {stored_type(type_name)}"


def type_field(text: str) -> tuple[str, str]:
    """A struct's field as (name as written, type)."""
    end = text.index('" ', 1) + 1 if text.startswith('"') else text.index(" ")
    return text[:end], text[end + 1 :]


def type_parts(type_name: str) -> tuple[str, list[str]]:
    """ "MAP(VARCHAR, INTEGER)" as ("MAP", ["VARCHAR", "INTEGER"])."""
    kind, bracket, inside = type_name.partition("(")
    if not bracket or kind == "DECIMAL":
        return type_name, []
    return kind, _split(inside[:-1])


def _split(text: str) -> list[str]:
    """Split at the commas outside parentheses and quotes."""
    parts, depth, start, quoted = [], 0, 0, ""
    for position, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "\"'":
            quoted = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]

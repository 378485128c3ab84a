"""Data types: the names a user may write, DuckDB's spelling of them, and what can be stored."""

from __future__ import annotations

import re

from headrace.base.names import near_miss

# What the user may write -> DuckDB's canonical spelling.
SCALAR_TYPES: dict[str, str] = {
    "boolean": "BOOLEAN",
    "bool": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "utinyint": "UTINYINT",
    "usmallint": "USMALLINT",
    "uinteger": "UINTEGER",
    "ubigint": "UBIGINT",
    "float": "FLOAT",
    "real": "FLOAT",
    "double": "DOUBLE",
    "varchar": "VARCHAR",
    "text": "VARCHAR",
    "string": "VARCHAR",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "uuid": "UUID",
    "json": "JSON",
    "blob": "BLOB",
}

SIGNED_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED_TYPES = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
INTEGER_TYPES = frozenset([*SIGNED_TYPES, *UNSIGNED_TYPES])

# What Parquet cannot hold as it is -> what the compiler casts it to. DuckDB writes HUGEINT, the
# type of sum(int), as DOUBLE without a word; a BIGINT cast raises when a sum does not fit.
STORED_AS: dict[str, str] = {
    "HUGEINT": "BIGINT",
    "UHUGEINT": "BIGINT",
    '"NULL"': "INTEGER",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
}

_DECIMAL = re.compile(r"(?:decimal|numeric)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?")
_VARCHAR = re.compile(r"(?:varchar|char|text)\s*\(\s*\d+\s*\)")


def parse_type(text: str) -> str:
    """DuckDB's spelling of a type that a user wrote.

    Scalars, `decimal(p,s)`, lists (`int[]`) and `struct(name type, …)` are known.

    Raises:
        ValueError: the text is no such type; the message has the near miss.
    """
    return _parse(" ".join(text.strip().split()))


def _parse(text: str) -> str:
    lower = text.lower()
    if lower.endswith("[]"):
        return _parse(text[:-2].rstrip()) + "[]"
    if lower in SCALAR_TYPES:
        return SCALAR_TYPES[lower]
    if match := _DECIMAL.fullmatch(lower):
        return _decimal(text, match)
    if _VARCHAR.fullmatch(lower):
        return "VARCHAR"
    if lower.startswith("struct(") and lower.endswith(")"):
        return f"STRUCT({', '.join(_struct_field(part) for part in _split(text[7:-1]))})"
    hint = near_miss(lower, SCALAR_TYPES) or f"known types: {', '.join(sorted(SCALAR_TYPES))}"
    raise ValueError(f"{text!r} is not a type; {hint}")


def _decimal(text: str, match: re.Match[str]) -> str:
    width = int(match[1] or 18)
    scale = int(match[2] or (0 if match[1] else 3))
    if not (1 <= width <= 38 and scale <= width):
        raise ValueError(f"{text!r} is not a decimal; expected 1 <= width <= 38 and scale <= width")
    return f"DECIMAL({width},{scale})"


def _struct_field(text: str) -> str:
    name, _, type_text = text.strip().partition(" ")
    if not type_text:
        raise ValueError(f"{text.strip()!r} is not a struct field; expected `name type`")
    return f'"{name.strip(chr(34))}" {_parse(type_text.strip())}'


def _split(text: str) -> list[str]:
    """Split at the commas that are outside parentheses."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(text):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def is_numeric(type_name: str) -> bool:
    """Whether values of DuckDB type `type_name` are numbers."""
    return type_name in INTEGER_TYPES | {"FLOAT", "DOUBLE"} or type_name.startswith("DECIMAL")

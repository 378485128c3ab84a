"""Which values can be a part of a key: takes DuckDB's spellings of types, gives one, or why not."""

from __future__ import annotations

from headrace.base.types import INTEGER_TYPES, UNSIGNED_TYPES

_KEY_TYPES = INTEGER_TYPES | {
    *("BOOLEAN", "VARCHAR", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID"),
}
_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
# The most decimal digits that each holds.
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20, 128: 39}


def is_key_type(type_name: str) -> bool:
    """Whether rows can be found by values of this type."""
    return type_name in _KEY_TYPES or _decimal(type_name) is not None


def is_sort_type(type_name: str) -> bool:
    """Whether rows can be kept in the order of such values, which nothing is compared with.

    That of floating-point numbers is exact, NaN included; what is equal to one is not.
    """
    return is_key_type(type_name) or type_name in {"FLOAT", "DOUBLE"}


def compared_as(expression: str, parameter: str) -> str:
    """The type of a key by which `expression = $parameter` means what it does in SQL.

    Args:
        expression, parameter: the types of the two sides.

    Returns:
        A type that every value of the expression has unchanged; "" when there is none.
    """
    if expression == parameter:
        return expression if is_key_type(expression) else ""
    if expression in INTEGER_TYPES and parameter in INTEGER_TYPES:
        # The narrower parameter is a value of the wider type, too: integers are told by value.
        return parameter if _within(expression, parameter) else _wider(expression, parameter)
    if parameter == "TIMESTAMP" and expression in {"DATE", "TIMESTAMP_S", "TIMESTAMP_MS"}:
        return parameter
    return parameter if _fits_decimal(expression, parameter) else ""


def _wider(expression: str, parameter: str) -> str:
    return expression if _within(parameter, expression) else ""


def _within(inner: str, outer: str) -> bool:
    """Whether every value of an integer type is one of another, too."""
    if inner in UNSIGNED_TYPES and outer not in UNSIGNED_TYPES:
        return bits(inner) < bits(outer)
    return (inner in UNSIGNED_TYPES) == (outer in UNSIGNED_TYPES) and bits(inner) <= bits(outer)


def bits(integer: str) -> int:
    """How wide an integer type is."""
    return _BITS[integer.removeprefix("U")]


def _fits_decimal(expression: str, parameter: str) -> bool:
    into = _decimal(parameter)
    if into is None:
        return False
    if expression in INTEGER_TYPES:
        return _DIGITS[bits(expression)] <= into[0] - into[1]
    own = _decimal(expression)
    return own is not None and own[1] <= into[1] and own[0] - own[1] <= into[0] - into[1]


def _decimal(type_name: str) -> tuple[int, int] | None:
    """Width and scale of a DECIMAL; None for any other type."""
    if not (type_name.startswith("DECIMAL(") and type_name.endswith(")")):
        return None
    width, scale = type_name[len("DECIMAL(") : -1].split(",")
    return int(width), int(scale)

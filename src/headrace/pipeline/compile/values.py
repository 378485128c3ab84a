"""Values that a header gives: takes a value and a type, says whether the one is of the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from uuid import UUID

from headrace.base.declarations import Value
from headrace.base.types import is_numeric

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}


def fits(value: Value, type_name: str) -> bool:
    """Whether a value of a YAML file is a value of a type. NULL is of every type."""
    if value is None:
        return True
    if type_name == "BOOLEAN":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if (limits := _limits(type_name)) is not None:
        return isinstance(value, int) and limits[0] <= value <= limits[1]
    if is_numeric(type_name):
        return isinstance(value, int | float) or _parses(Decimal, value)
    if (parse := _PARSERS.get(type_name)) is not None:
        return isinstance(value, str) and _parses(parse, value)
    return type_name != "VARCHAR" or isinstance(value, str)


def has_order(type_name: str) -> bool:
    """Whether `min` and `max` mean something for values of a type."""
    return is_numeric(type_name) or type_name in _PARSERS.keys() - {"UUID"}


def within(value: Value, low: Value, high: Value) -> bool:
    """Whether a value that fits lies between bounds that fit; None is no bound."""
    if value is None:
        return True
    return (low is None or _key(low) <= _key(value)) and (high is None or _key(value) <= _key(high))


def _key(value: Value) -> tuple[Decimal, str]:
    """Numbers by size; dates and times, which are ISO texts, as texts."""
    if isinstance(value, str) and not _parses(Decimal, value):
        return Decimal(0), value
    return Decimal(str(value)), ""


def _limits(type_name: str) -> tuple[int, int] | None:
    unsigned = type_name.startswith("U") and type_name[1:] in _BITS
    bits = _BITS.get(type_name[1:] if unsigned else type_name)
    if bits is None:
        return None
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except (ValueError, InvalidOperation):
        return False
    return True


_PARSERS: dict[str, Callable[[str], object]] = {
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat,
    "UUID": UUID,
}

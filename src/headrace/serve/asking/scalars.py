"""Text to typed values: takes a SQL type, gives a strict reader of what a client wrote for it.

A reader raises `Unfit` with what would have been right. It accepts one spelling of a value, so
that equal answers have equal addresses, and never more than the SQL type can hold.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import msgspec

from headrace.base.types import INTEGER_TYPES

Scalar: TypeAlias = "str | int | float | bool | bytes | Decimal | date | time | datetime | UUID"
Reader: TypeAlias = Callable[[str], Scalar]

_BITS = {"TINY": 8, "SMALL": 16, "": 32, "BIG": 64, "HUGE": 128}
_INTEGER = re.compile(r"-?[0-9]{1,50}")
_DECIMAL = re.compile(r"-?([0-9]{1,50})(?:\.([0-9]{1,50}))?")
_FLOAT = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_TIME = re.compile(_CLOCK)
_TIMESTAMP = re.compile(rf"{_DATE.pattern}(?:[T ]{_CLOCK})?")
_INSTANT = re.compile(rf"{_DATE.pattern}[T ]{_CLOCK}(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DECIMAL_TYPE = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")
_LARGEST_FLOAT = 3.4028234663852886e38


class Unfit(ValueError):
    """A text is no value of the type; the message is what would have been one."""


def reader(type_name: str) -> Reader:
    """The reader for a SQL type; types that have none of their own are read as text."""
    if type_name in INTEGER_TYPES:
        return _integer(*integer_range(type_name))
    if match := _DECIMAL_TYPE.fullmatch(type_name):
        return _decimal(int(match[1]), int(match[2]))
    return _READERS.get(type_name, str)


def integer_range(type_name: str) -> tuple[int, int]:
    """The smallest and the largest value of an integer type."""
    unsigned = type_name.startswith("U")
    size = type_name.removeprefix("U").removesuffix("INTEGER").removesuffix("INT")
    bits = _BITS[size]
    return (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def canonical(value: Scalar) -> str:
    """One text for each value, equal for equal values of one type."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (date, time, datetime)):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _integer(low: int, high: int) -> Reader:
    def read(text: str) -> int:
        if _INTEGER.fullmatch(text) and low <= (number := int(text)) <= high:
            return number
        raise Unfit(f"an integer from {low} to {high}")

    return read


def _decimal(width: int, scale: int) -> Reader:
    expected = f"a number with at most {width - scale} digits before the point"
    expected += f" and {scale} after it" if scale else " and none after it"
    places = Decimal(1).scaleb(-scale)

    def read(text: str) -> Decimal:
        match = _DECIMAL.fullmatch(text)
        if not match or len(match[2] or "") > scale or len(match[1].lstrip("0")) > width - scale:
            raise Unfit(expected)
        # Equal values must be equal texts: 1.5 and 1.50 are one parameter, and -0 is 0.
        return (Decimal(text) + 0).quantize(places) if width <= _CONTEXT_DIGITS else Decimal(text)

    return read


# Python's default decimal context holds 28 digits; wider ones stay as they were written.
_CONTEXT_DIGITS = 28


def _double(text: str) -> float:
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number + 0.0
    raise Unfit("a finite number such as 1.5 or 2e-3")


def _float(text: str) -> float:
    if abs(number := _double(text)) <= _LARGEST_FLOAT:
        return number
    raise Unfit(f"a number from -{_LARGEST_FLOAT:.4g} to {_LARGEST_FLOAT:.4g}")


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise Unfit("true or false")
    return text == "true"


@dataclass(frozen=True, slots=True)
class _Shaped:
    """A reader of texts that have a shape, and of which some are no value all the same."""

    shape: re.Pattern[str]
    parse: Callable[[str], Scalar]
    expected: str

    def __call__(self, text: str) -> Scalar:
        if not self.shape.fullmatch(text):
            raise Unfit(self.expected)
        try:
            return self.parse(text)
        except ValueError as exc:
            raise Unfit(self.expected) from exc


def _json(text: str) -> str:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise Unfit("a JSON text") from exc
    return text


def _blob(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as exc:
        raise Unfit("bytes in base64") from exc


_timestamp = _Shaped(
    _TIMESTAMP, datetime.fromisoformat, "a time such as 2024-03-01T12:30:00, without a zone"
)
_instant = _Shaped(
    _INSTANT,
    datetime.fromisoformat,
    "a time with its zone, such as 2024-03-01T12:30:00Z (write + as %2B)",
)
_READERS: dict[str, Reader] = {
    "BOOLEAN": _boolean,
    "FLOAT": _float,
    "DOUBLE": _double,
    "DATE": _Shaped(_DATE, date.fromisoformat, "a date such as 2024-03-01"),
    "TIME": _Shaped(_TIME, time.fromisoformat, "a time of day such as 12:30:00"),
    "TIMESTAMP": _timestamp,
    "TIMESTAMP_S": _timestamp,
    "TIMESTAMP_MS": _timestamp,
    "TIMESTAMP_NS": _timestamp,
    "TIMESTAMP WITH TIME ZONE": _instant,
    "UUID": _Shaped(_UUID, UUID, "a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
    "JSON": _json,
    "BLOB": _blob,
}

"""Values of a column's type: takes what the user wrote, gives a value that can be compared."""

from __future__ import annotations

import re
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from headrace.base.declarations import Value
from headrace.base.errors import Problem
from headrace.base.types import parse_type
from headrace.pipeline.project.documents import Items, Node, Scalar, describe
from headrace.pipeline.project.keys import Fields, Key, Problems, report

Comparable: TypeAlias = Decimal | float | str | bool | date | time | datetime | uuid.UUID
_Parser: TypeAlias = Callable[[str], Comparable]

_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_TIMESTAMP = re.compile(_DATE.pattern + r"([ T]" + _TIME.pattern + r")?", re.ASCII)
_ZONED = re.compile(_TIMESTAMP.pattern + r"(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)


def column_type(node: Node, problems: Problems) -> str | None:
    """DuckDB's spelling of a type that a user wrote."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report(problems, node, "a type such as `bigint` or `decimal(12,2)`")
        return None
    try:
        return parse_type(node.text)
    except (ValueError, RecursionError) as exc:
        reason = str(exc).partition("; ")[2] if isinstance(exc, ValueError) else ""
        report(problems, node, "a type", reason)
        return None


def scalar(node: Node, problems: Problems) -> Scalar | None:
    """One value that is not empty."""
    if isinstance(node, Scalar) and node.value is not None:
        return node
    report(problems, node, "one value")
    return None


def scalars(node: Node, problems: Problems) -> tuple[Scalar, ...] | None:
    """A list of values that is not empty."""
    if not isinstance(node, Items) or not node.items:
        report(problems, node, "a list of values")
        return None
    found = [scalar(item, problems) for item in node.items]
    return tuple(item for item in found if item is not None)


def spelt(node: Scalar) -> Value:
    """The value, or its text where the value would be spelt otherwise ("1.10", "0.1e3").

    A decimal keeps all its digits, and a code its zeros.
    """
    return node.value if _is_spelt(node) else node.text


def _is_spelt(node: Scalar) -> bool:
    return isinstance(node.value, bool) or str(node.value) == node.text


def typed(node: Scalar, type_name: str) -> Comparable | None:
    """The value as one of DuckDB type `type_name` ("" is not known), or None if it does not fit."""
    if not type_name:
        return Decimal(node.text) if _is_number(node) else node.text
    if type_name == "BOOLEAN" or isinstance(node.value, bool):
        return node.value if isinstance(node.value, bool) and type_name == "BOOLEAN" else None
    parser = _parser(type_name)
    try:
        return parser(node.text) if parser is not None else None
    except (ValueError, InvalidOperation):
        return None


def _is_number(node: Scalar) -> bool:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        return False
    return _NUMBER.fullmatch(node.text) is not None


def _parser(type_name: str) -> _Parser | None:
    if match := _DECIMAL.fullmatch(type_name):
        return lambda text: _decimal(text, int(match[1]), int(match[2]))
    if type_name.removeprefix("U") in _BITS:
        return lambda text: _integer(text, type_name)
    return _PARSERS.get(type_name)


def _integer(text: str, type_name: str) -> Decimal:
    number = _decimal(text, 20, 0)
    if type_name.startswith("U"):
        low, high = 0, 2 ** _BITS[type_name[1:]] - 1
    else:
        half = 2 ** (_BITS[type_name] - 1)
        low, high = -half, half - 1
    if not low <= number <= high:
        raise ValueError(text)
    return number


def _decimal(text: str, width: int, scale: int) -> Decimal:
    number = _number(text)
    digits = number.normalize().as_tuple()
    exponent = digits.exponent
    if not isinstance(exponent, int) or -exponent > scale:
        raise ValueError(text)
    if number.adjusted() >= width - scale and number != 0:
        raise ValueError(text)
    return number


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


def _date(text: str) -> date:
    return date.fromisoformat(_shaped(text, _DATE))


def _time(text: str) -> time:
    return time.fromisoformat(_shaped(text, _TIME))


def _timestamp(text: str) -> datetime:
    return datetime.fromisoformat(_shaped(text, _TIMESTAMP))


def _zoned(text: str) -> datetime:
    at = datetime.fromisoformat(_shaped(text, _ZONED))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _shaped(text: str, shape: re.Pattern[str]) -> str:
    if not shape.fullmatch(text):
        raise ValueError(text)
    return text


_PARSERS: dict[str, _Parser] = {
    "FLOAT": _number,
    "DOUBLE": _number,
    "VARCHAR": str,
    "DATE": _date,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "TIMESTAMP WITH TIME ZONE": _zoned,
    "UUID": uuid.UUID,
}


def has_values(type_name: str) -> bool:
    """Whether bounds and accepted values can be given for a DuckDB type ("" is not known)."""
    return type_name in {"", "BOOLEAN"} or _parser(type_name) is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a value must satisfy, beside its type; None and "" mean: not said."""

    min: Value = None
    max: Value = None
    accepted: tuple[Value, ...] = ()
    pattern: str = ""


def read_limits(
    fields: Fields, accepted: Key[tuple[Scalar, ...]], type_name: str, problems: Problems
) -> Limits:
    """`min`, `max`, `pattern` and the list of accepted values, if they fit the type.

    Args:
        fields: a mapping that knows these keys.
        accepted: the key of the list: `accepted` for columns, `enum` for parameters.
        type_name: DuckDB's spelling, or "" where the type is not known yet.
        problems: takes what does not fit.
    """
    low = _fitting(fields, MIN, type_name, problems)
    high = _fitting(fields, MAX, type_name, problems)
    _require_order(low, high, type_name, problems)
    values = fields.optional(accepted) or ()
    for value in values:
        require_fit(value, type_name, problems)
    pattern = fields.get(PATTERN, "")
    if pattern and type_name not in {"", "VARCHAR"}:
        report(problems, fields.node(PATTERN), f"no pattern for a column of type {type_name}")
    return Limits(
        min=None if low is None else spelt(low),
        max=None if high is None else spelt(high),
        accepted=tuple(spelt(value) for value in values),
        pattern=pattern,
    )


def _fitting(fields: Fields, key: Key[Scalar], type_name: str, problems: Problems) -> Scalar | None:
    value = fields.optional(key)
    if value is not None:
        require_fit(value, type_name, problems)
    return value


def require_fit(value: Scalar, type_name: str, problems: Problems) -> None:
    """Report a value that is none of a DuckDB type ("" is not known: everything fits)."""
    if not has_values(type_name):
        report(problems, value, f"no bound and no list of values for the type {type_name}")
    elif typed(value, type_name) is None:
        in_quotes = type_name == "VARCHAR" and isinstance(value.value, bool)
        fix = "put it into quotes" if in_quotes else ""
        report(problems, value, f"a value of type {type_name}", fix)


def _require_order(
    low: Scalar | None, high: Scalar | None, type_name: str, problems: Problems
) -> None:
    if low is not None and high is not None and is_above(low, high, type_name):
        found = f"`min` is {describe(low)} and `max` is {describe(high)}"
        problems.append(Problem(low.place, found, "`min` at or below `max`"))


def is_above(value: Scalar, bound: Scalar, type_name: str) -> bool:
    """Whether a value is above a bound, or of another kind, when both fit the type."""
    left, right = typed(value, type_name), typed(bound, type_name)
    if left is None or right is None:
        return False
    return type(left) is not type(right) or left > right  # type: ignore[operator]  # one type


# DuckDB matches by RE2, the API by Python: a pattern must mean the same to both.
_NOT_RE2 = re.compile(r"\(\?(?:=|!|<=|<!|P=|P>|\()|(?<!\\)(?:\\\\)*\\[1-9]|[*+?}]\+")


def regex(node: Node, problems: Problems) -> str | None:
    """A regular expression that both Python and DuckDB know."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.text:
        report(problems, node, "a regular expression", "put it into quotes")
        return None
    reason = _regex_fault(node.text)
    if reason:
        report(problems, node, f"a regular expression ({reason})")
        return None
    return node.text


def _regex_fault(pattern: str) -> str:
    if _NOT_RE2.search(pattern):
        return "without look-around, back references and possessive repeats"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as exc:
        return str(exc)
    except (RecursionError, OverflowError):
        return "one that is shorter and repeats less"
    return ""


MIN = Key("min", scalar)
MAX = Key("max", scalar)
PATTERN = Key("pattern", regex)

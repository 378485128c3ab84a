"""Values that a column may hold: takes its type and rules, gives one after another."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias

from headrace.base.declarations import CheckDeclaration, Value
from headrace.base.errors import Place
from headrace.base.names import quote_text
from headrace.base.tables import Column
from headrace.base.types import INTEGER_TYPES, spelt
from headrace.pipeline.compile.stored_types import type_parts
from headrace.pipeline.project.documents import Scalar
from headrace.pipeline.project.values import Comparable, has_values, typed
from headrace.testing.literals import NULL, struct_fields, struct_literal
from headrace.testing.patterns import matching

_FIRST_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 -- a TIMESTAMP has no zone
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_NOWHERE = Place("")

Ordered: TypeAlias = Any
"""A value of a column, or a bound of it (None is no bound): all of one type, that has an order."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a row: as SQL, and as something that equal values have in common."""

    sql: str
    value: Comparable | None


NULL_CELL = Cell(NULL, None)


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """All that is asked of the values of one column, wherever in a header it is said."""

    column: Column
    checks: tuple[CheckDeclaration, ...]

    @property
    def is_free(self) -> bool:
        """Whether nothing is asked: NULL will do."""
        return self.column.nullable and not self.checks

    @property
    def is_nullable(self) -> bool:
        """Whether NULL is allowed."""
        kinds = {check.kind for check in self.checks}
        return self.column.nullable and not kinds & {"not_null", "key"}

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """The (table, column) pairs in which the value must occur."""
        found = [each for each in self.checks if each.kind == "references"]
        return tuple((each.to_table, each.to_columns[0]) for each in found)

    def allows(self, value: Comparable | None) -> bool:
        """Whether a value that is not NULL keeps every rule that looks at it alone."""
        return value is not None and all(self._allows(check, value) for check in self.checks)

    def _allows(self, check: CheckDeclaration, value: Ordered) -> bool:
        if check.kind == "min":
            return bool(value >= self.typed(check.bound))
        if check.kind == "max":
            return bool(value <= self.typed(check.bound))
        if check.kind == "accepted":
            return value in [self.typed(each) for each in check.accepted]
        return True

    def typed(self, value: Value) -> Ordered:
        """A value of the header as one of the column's type."""
        return typed(Scalar("", _NOWHERE, value, spelt(value)), self.column.type)

    def bound(self, kind: str, strictest: Callable[[Iterable[Ordered]], Ordered]) -> Ordered:
        """The strictest `min` or `max`; None without any."""
        bounds = [self.typed(check.bound) for check in self.checks if check.kind == kind]
        return strictest(bounds) if bounds else None


def candidates(rules: ColumnRules, referenced: Iterable[Cell] | None) -> Iterator[Cell]:
    """Values that keep a column's rules, each once; NULL is none of them.

    Args:
        rules: of the column.
        referenced: the values that it may refer to; None when it refers to nothing that has rows.
    """
    if not has_values(rules.column.type):
        yield from _odd(rules.column.type) if referenced is None else dict.fromkeys(referenced)
        return
    if referenced is not None:
        values: Iterable[Comparable | None] = (cell.value for cell in referenced)
    else:
        values = _values(rules)
    seen: set[object] = set()
    for value in values:
        if rules.allows(value) and value not in seen and _matches(rules, value):
            seen.add(value)
            yield _cell(value, rules.column.type)


def _values(rules: ColumnRules) -> Iterator[Ordered]:
    for check in rules.checks:
        if check.kind == "accepted":
            return map(rules.typed, check.accepted)
    for check in rules.checks:
        if check.kind == "pattern":
            return matching(check.pattern)
    return _of_type(rules, rules.bound("min", max), rules.bound("max", min))


def _matches(rules: ColumnRules, value: Ordered) -> bool:
    patterns = [check.pattern for check in rules.checks if check.kind == "pattern"]
    return all(re.fullmatch(pattern, value) for pattern in patterns)


def _cell(value: Ordered, type_name: str) -> Cell:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, Decimal):
        text = format(value, "f")
    elif isinstance(value, datetime):
        text = value.isoformat(" ")
    else:
        text = str(value)
    return Cell(f"CAST({quote_text(text)} AS {type_name})", value)


def _of_type(rules: ColumnRules, low: Ordered, high: Ordered) -> Iterator[Ordered]:
    """Values of a type between two bounds, as far as there are bounds."""
    type_name = rules.column.type
    if type_name in _MAKERS:
        return _MAKERS[type_name](low, high)
    if type_name == "VARCHAR":
        return _texts(rules.column.name, low, high)
    return _numbers(type_name, low, high)


def _numbers(type_name: str, low: Decimal | None, high: Decimal | None) -> Iterator[Decimal]:
    start = _between(Decimal(1), low, high)
    steps = [Decimal(1), Decimal(-1)]
    if type_name not in INTEGER_TYPES:
        scale = type_parts(type_name)[0].rpartition(",")[2].rstrip(")")
        finest = Decimal(1).scaleb(-int(scale) if scale.isdecimal() else -3)
        steps += [finest, -finest]
    for step in steps:
        for number in count():
            value = start + step * number
            if not _is_between(value, low, high) or not _fits(value, type_name):
                break
            yield value


def _fits(value: Decimal, type_name: str) -> bool:
    return typed(Scalar("", _NOWHERE, None, format(value, "f")), type_name) is not None


def _texts(name: str, low: str | None, high: str | None) -> Iterator[str]:
    """What names the column, else what the bounds themselves offer."""
    if low is None and high is None:
        yield from (f"{name} {number}" for number in count(1))
    if low is not None:
        yield low
        for number in count(1):
            if high is not None and f"{low} {number}" > high:
                break
            yield f"{low} {number}"
    if high is not None:
        yield from (high[:length] for length in range(len(high), -1, -1))


def _days(low: date | None, high: date | None) -> Iterator[date]:
    return _stepped(_between(_FIRST_DAY.date(), low, high), (_DAY, -_DAY), low, high)


def _times(low: datetime | None, high: datetime | None) -> Iterator[datetime]:
    start = _between(_FIRST_DAY, low, high)
    return _stepped(start, (_DAY, _SECOND, -_DAY, -_SECOND), low, high)


def _zoned(low: datetime | None, high: datetime | None) -> Iterator[datetime]:
    start = _between(_FIRST_DAY.replace(tzinfo=UTC), low, high)
    return _stepped(start, (_DAY, _SECOND, -_DAY, -_SECOND), low, high)


def _clock(low: Ordered, high: Ordered) -> Iterator[Ordered]:
    day = _FIRST_DAY.date()
    start = datetime.combine(day, _between(_FIRST_DAY.time(), low, high))
    for step in (_SECOND, -_SECOND):
        for at in _stepped(start, (step,), None, None):
            if at.date() != day or not _is_between(at.time(), low, high):
                break
            yield at.time()


def _stepped(
    start: Ordered, steps: Iterable[timedelta], low: Ordered, high: Ordered
) -> Iterator[Ordered]:
    for step in steps:
        value = start
        while _is_between(value, low, high):
            yield value
            try:
                value += step
            except OverflowError:
                break


def _uuids(low: uuid.UUID | None, high: uuid.UUID | None) -> Iterator[uuid.UUID]:
    first = low.int if low is not None else 1 if high is None else min(1, high.int)
    return (uuid.UUID(int=number) for number in range(first, 2**128))


def _truths(_low: Ordered, _high: Ordered) -> Iterator[bool]:
    return iter((False, True))


_MAKERS: Mapping[str, Callable[[Ordered, Ordered], Iterator[Ordered]]] = {
    "BOOLEAN": _truths,
    "DATE": _days,
    "TIME": _clock,
    "TIMESTAMP": _times,
    "TIMESTAMP WITH TIME ZONE": _zoned,
    "UUID": _uuids,
}


def _between(value: Ordered, low: Ordered, high: Ordered) -> Ordered:
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _is_between(value: Ordered, low: Ordered, high: Ordered) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _odd(type_name: str) -> Iterator[Cell]:
    """Values of the types for which a header can give neither bounds nor a list."""
    if type_name == "JSON":
        yield Cell("CAST('{}' AS JSON)", "{}")
        for number in count(1):
            text = f'{{"n": {number}}}'
            yield Cell(f"CAST({quote_text(text)} AS JSON)", text)
    elif type_name == "BLOB":
        for number in count(1):
            yield Cell(f"CAST('{number}' AS BLOB)", str(number))
    elif type_name.endswith("]"):
        yield Cell(f"CAST([] AS {type_name})", "[]")
    elif type_name.startswith("MAP("):
        yield Cell(f"CAST(MAP {{}} AS {type_name})", "{}")
    elif type_name.startswith("STRUCT("):
        sql = struct_literal(dict.fromkeys(struct_fields(type_name), NULL), type_name)
        yield Cell(sql, sql)

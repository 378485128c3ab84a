"""What the locality proof knows of a value, as nouns: its type, and which partition it tells.

A *part* is one use of a partitioned table in a query. A cell of the result is asked for by the key
of its partition, one component for each column that the partition is made of; a fact says that a
value, cut to the grain of the partition, is that component of a part's key in every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from headrace.base.partitions import TIME_GRAINS, Grain, Split, is_finer
from headrace.base.tables import Schema


@dataclass(frozen=True, slots=True)
class Fact:
    """A value tells a component of the key of a part.

    `half` is 0 when it does so in every row. The two sides of a FULL JOIN tell it in the rows that
    they match or begin, and are NULL in the others: theirs are a number and its negative.
    """

    part: int
    component: int
    half: int = 0


Facts: TypeAlias = frozenset[Fact]
NO_FACTS: Facts = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression: its type ("" is any), and what it tells in every row."""

    type: str = ""
    facts: Facts = NO_FACTS

    def whole(self) -> Facts:
        """The facts that hold in every row."""
        return frozenset(each for each in self.facts if not each.half)


UNKNOWN = Value()

_TIMES = {"DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "DATETIME": "TIMESTAMP"} | dict.fromkeys(
    ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), "TIMESTAMP WITH TIME ZONE"
)
# Comparing or casting one to another type of time may round it into another partition.
_ALONE = "TIMESTAMP_NS"
# Of these types two equal values have one label. Others have 0.0 and -0.0, 1 month and 30 days.
_VALUES = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"}
    | {"UBIGINT", "UHUGEINT", "BOOLEAN", "VARCHAR", "UUID", *_TIMES.values()}
)
# What date_trunc may cut to, so that the hour, the day, … can still be told from the result.
_FINER = ["microseconds", "milliseconds", "second", "minute", "hour", "day", "month", "quarter"]
_TRUNCATED = [*_FINER, "year"]


def time_type(name: str) -> str:
    """The one spelling of a type of time; "" for any other type."""
    return _TIMES.get(name.upper(), "")


def can_split(type_name: str, by: Grain) -> bool:
    """Whether equal values of a type are of one partition, however they are computed."""
    if by in TIME_GRAINS:
        return bool(time_type(type_name)) or type_name == _ALONE
    return type_name in _VALUES or type_name.startswith("DECIMAL")


def comparable(left: Value, right: Value, by: Grain) -> bool:
    """Whether `left = right` says that both are of one partition."""
    if by in TIME_GRAINS:
        # A text that is equal to a date as a date may be cut elsewhere as a text.
        alone = left.type == right.type == _ALONE
        return alone or bool(time_type(left.type) and time_type(right.type))
    return left.type == right.type and can_split(left.type, by)


def cast(value: Value, type_name: str, by: Grain) -> Value:
    """What is known of a value that is cast to a type."""
    target = time_type(type_name)
    if by not in TIME_GRAINS:
        name = target or type_name.upper()
        return value if value.type == name else Value(target)
    if not target or not time_type(value.type) or (target == "DATE" and by == "hour"):
        return Value(target)
    return Value(target, value.facts)


def truncated(value: Value, part: str, by: Grain) -> Value:
    """What is known of `date_trunc(part, value)`."""
    names = [part.lower(), part.lower().removesuffix("s")]
    kept = by in TIME_GRAINS and time_type(value.type)
    if kept and any(name in _TRUNCATED[: _TRUNCATED.index(by) + 1] for name in names):
        return Value("TIMESTAMP" if value.type == "DATE" else value.type, value.facts)
    return UNKNOWN


def common(values: Iterable[Value]) -> Value:
    """What is known of a value that is one of several, nobody knows which."""
    found = list(values)
    types = {value.type for value in found}
    facts = frozenset.intersection(*(value.whole() for value in found))
    return Value(types.pop() if len(types) == 1 else "", facts)


def coalesced(values: list[Value], by: Grain) -> Value:
    """What is known of `COALESCE(values)`: what all of them tell, or what two halves make whole."""
    if not all(comparable(values[0], value, by) for value in values):
        return UNKNOWN
    every = common(values).facts
    told = [value.facts for value in values]
    if len(values) == 2:
        every |= {
            replace(fact, half=0)
            for fact in told[0]
            if fact.half and replace(fact, half=-fact.half) in told[1]
        }
    one_type = values[0].type if len({value.type for value in values}) == 1 else "TIMESTAMP"
    return Value(one_type, every)


@dataclass(frozen=True, slots=True)
class Glue:
    """Which parts have one key in every row: pairs of (part, part, component)."""

    pairs: frozenset[tuple[int, int, int]] = frozenset()

    def with_equal(self, left: Facts, right: Facts) -> Glue:
        """The same, and that a value that tells `left` is one that tells `right`."""
        new = {
            (a.part, b.part, a.component)
            for a in left
            for b in right
            if a.component == b.component and a.part != b.part and not (a.half or b.half)
        }
        return Glue(self.pairs | new) if new - self.pairs else self

    def and_also(self, other: Glue) -> Glue:
        """Both together."""
        return Glue(self.pairs | other.pairs)

    def glued(self, part: int, others: Iterable[int], components: int) -> bool:
        """Whether a part has, in every component, the key of one of the others."""
        reach = [self._reach(part, component) for component in range(components)]
        return any(all(other in each for each in reach) for other in others)

    def _reach(self, part: int, component: int) -> frozenset[int]:
        found, waiting = {part}, [part]
        while waiting:
            at = waiting.pop()
            for left, right, of in self.pairs:
                if of == component and at in (left, right):
                    beside = right if at == left else left
                    if beside not in found:
                        found.add(beside)
                        waiting.append(beside)
        return frozenset(found)


NOT_GLUED = Glue()


def determines(values: Iterable[Value], part: int, components: int) -> bool:
    """Whether values tell, in every row, the whole key of a part."""
    told = {fact.component for value in values for fact in value.whole() if fact.part == part}
    return len(told) == components


def divides(split: Split, schema: Schema | None, result: Split) -> bool:
    """Whether each cell of a result is of whole cells of a table: can be told from its columns.

    Of time the same grain or a finer one, of values and keys the same number of columns; and of
    types of which equal values are of one cell, as far as the columns are known.
    """
    types = {column.name.lower(): column.type for column in schema or ()}
    fits = split.by == result.by or is_finer(split.by, result.by)
    typed = schema is None or all(
        can_split(types.get(name.lower(), ""), result.by) for name in split.columns
    )
    return fits and typed and len(split.columns) == len(result.columns)

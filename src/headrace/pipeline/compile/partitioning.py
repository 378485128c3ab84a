"""What a table may be partitioned by: takes a declaration and columns, gives what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.base.declarations import Partition
from headrace.base.errors import Place, Problem
from headrace.base.tables import Schema
from headrace.base.types import INTEGER_TYPES

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
# Values whose text says all of them: a label is a text, and is read back as a value.
_VALUES = INTEGER_TYPES | {"VARCHAR", "BOOLEAN", "DATE", "UUID"}
# Equal, and written differently: 0.0 and -0.0, a month and 30 days, an hour in two zones.
_SEVERAL_TEXTS = ("FLOAT", "DOUBLE", "INTERVAL", "TIME WITH TIME ZONE")


def partition_problems(
    table: str, partition: Partition | None, schema: Schema, place: Place
) -> Iterator[Problem]:
    """Why a table with these columns cannot be partitioned so; nothing where a column is none."""
    if partition is None:
        return
    for column in schema:
        if column.name.lower() == partition.column.lower():
            if partition.by == "value":
                allowed, expected = column.type in _VALUES, "a text, a whole number or a date"
            elif partition.by == "hour":
                allowed, expected = column.type in _TIMES[1:], "a timestamp"
            else:
                allowed, expected = column.type in _TIMES, "a date or a timestamp"
            if not allowed:
                by = f"{table}.{column.name}, by {partition.by}"
                found = f"the table is partitioned by {by}, and that is {column.type}"
                yield Problem(place, found, expected)


def has_one_text(kind: str) -> bool:
    """Whether equal values of a type have the same text, so that it can tell keys apart.

    A list or a struct has if its elements have; of a name that only looks so it is not assumed.
    """
    return not any(other in kind for other in _SEVERAL_TEXTS)

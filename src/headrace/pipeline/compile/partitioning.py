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
                found = f"{table}.{column.name}, by {partition.by}, is {column.type}"
                yield Problem(place, f"the table is partitioned by {found}", expected)

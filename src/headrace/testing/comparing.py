"""Compares tables: takes expected and found rows, gives the rows that are not as expected."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import duckdb

from headrace.base.names import quote
from headrace.base.tables import Schema
from headrace.testing.binding import Expected

# Floats are equal when they differ in their last digits only: the order of a sum may change them.
_TOLERANCES = {"FLOAT": 1e-5, "DOUBLE": 1e-9}

_Same: TypeAlias = Callable[[object, object], bool]


@dataclass(frozen=True, slots=True)
class Found:
    """One row: its values, and each as DuckDB writes it; None is NULL."""

    values: tuple[object, ...]
    texts: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected row and the row that was found in its place; one of them may be None.

    `differing` are the columns, by position, whose values differ; `position` counts from 1 where
    the order matters, and is 0 where it does not.
    """

    expected: Found | None
    found: Found | None
    differing: tuple[int, ...] = ()
    position: int = 0


@dataclass(frozen=True, slots=True)
class TableDifference:
    """What of a table is not as expected; `pairs` is empty when everything is.

    `columns` are those that were compared; `alike` counts the rows that are as expected.
    """

    table: str
    columns: tuple[str, ...]
    pairs: tuple[Pair, ...]
    alike: int
    ordered: bool = False


def compare(
    connection: duckdb.DuckDBPyConnection,
    expected: Expected,
    key: Sequence[str],
    *,
    ordered: bool,
) -> TableDifference:
    """Hold a computed table against the rows that it is expected to have.

    Args:
        connection: has the table.
        expected: its rows, in the columns that are compared.
        key: the table's key: rows of one key are shown side by side.
        ordered: whether the order of the rows counts.

    Raises:
        duckdb.Error: an expected value is none of its column's type.
    """
    columns = expected.columns
    wanted = _expected_rows(connection, expected)
    found = _table_rows(connection, expected.table, columns)
    same = [_same(column.type) for column in columns]
    if ordered:
        pairs, alike = _by_position(wanted, found, same)
    else:
        left, right, alike = _unlike(wanted, found, same)
        names = [column.name.lower() for column in columns]
        places = [names.index(each.lower()) for each in key if each.lower() in names]
        pairs = _paired(left, right, same, places if len(places) == len(key) else [])
    names_shown = tuple(column.name for column in columns)
    return TableDifference(expected.table, names_shown, tuple(pairs), alike, ordered)


def _expected_rows(connection: duckdb.DuckDBPyConnection, expected: Expected) -> list[Found]:
    if not expected.rows or not expected.columns:
        return [Found((), ())] * len(expected.rows)
    names = [f"c{number}" for number in range(len(expected.columns))]
    rows = ", ".join(f"({', '.join(row)})" for row in expected.rows)
    casts = ", ".join(
        f"CAST({name} AS {column.type}) AS {quote(column.name)}"
        for name, column in zip(names, expected.columns, strict=True)
    )
    source = f"(SELECT {casts} FROM (VALUES {rows}) AS given({', '.join(names)}))"
    return _read(connection, source, expected.columns)


def _table_rows(connection: duckdb.DuckDBPyConnection, table: str, columns: Schema) -> list[Found]:
    if columns:
        return _read(connection, quote(table), columns)
    [(count,)] = connection.execute(f"SELECT count(*) FROM {quote(table)}").fetchall()
    return [Found((), ())] * count


def _read(connection: duckdb.DuckDBPyConnection, source: str, columns: Schema) -> list[Found]:
    names = [quote(column.name) for column in columns]
    texts = [f"CAST({name} AS VARCHAR)" for name in names]
    rows = connection.execute(f"SELECT {', '.join([*names, *texts])} FROM {source}").fetchall()
    width = len(names)
    values = [_value(column.type) for column in columns]
    return [
        Found(
            tuple(read(each) for read, each in zip(values, row[:width], strict=True)),
            tuple(row[width:]),
        )
        for row in rows
    ]


def _value(type_name: str) -> Callable[[object], object]:
    """What is compared of a value: of JSON, what it says and not how it is spelt."""
    if type_name != "JSON":
        return lambda value: value
    return lambda value: value if value is None else json.loads(str(value))


def _same(type_name: str) -> _Same:
    tolerance = _TOLERANCES.get(type_name, _TOLERANCES["DOUBLE"])
    return lambda left, right: alike(left, right, tolerance)


def alike(left: object, right: object, tolerance: float) -> bool:
    """Whether two values are equal, inside of lists and structs, too; NaN is equal to NaN.

    Args:
        left: one of them.
        right: the other, of the same type.
        tolerance: of floats, relative to the greater one.
    """
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return math.isclose(left, right, rel_tol=tolerance, abs_tol=1e-12)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(
            alike(one, other, tolerance) for one, other in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            alike(value, right[name], tolerance) for name, value in left.items()
        )
    return left == right


def _by_position(
    wanted: Sequence[Found], found: Sequence[Found], same: Sequence[_Same]
) -> tuple[list[Pair], int]:
    pairs = []
    for position in range(max(len(wanted), len(found))):
        left = wanted[position] if position < len(wanted) else None
        right = found[position] if position < len(found) else None
        differing = _differing(left, right, same) if left and right else ()
        if differing or not (left and right):
            pairs.append(Pair(left, right, differing, position + 1))
    return pairs, max(len(wanted), len(found)) - len(pairs)


def _unlike(
    wanted: Sequence[Found], found: Sequence[Found], same: Sequence[_Same]
) -> tuple[list[Found], list[Found], int]:
    """The rows of each side that have no equal on the other, each row once; and how many have."""
    by_text: dict[tuple[str | None, ...], list[Found]] = {}
    for row in found:
        by_text.setdefault(row.texts, []).append(row)
    # What is written alike mostly is equal; what is equal need not be written alike.
    left = [row for row in wanted if not _took(row, by_text.get(row.texts, []), same)]
    right = [row for rows in by_text.values() for row in rows]
    missing = [row for row in left if not _took(row, right, same)]
    return missing, right, len(wanted) - len(missing)


def _took(row: Found, others: list[Found], same: Sequence[_Same]) -> bool:
    """Take an equal of a row out of the others; whether there was one."""
    for position, each in enumerate(others):
        if not _differing(row, each, same):
            del others[position]
            return True
    return False


def _paired(
    left: Sequence[Found], right: Sequence[Found], same: Sequence[_Same], key: Sequence[int]
) -> list[Pair]:
    """Rows side by side: those of one key, or without a key those that have most in common."""
    remaining = list(right)
    pairs = []
    for row in left:
        twin = _twin(row, remaining, same, key)
        if twin is not None:
            remaining.remove(twin)
        differing = _differing(row, twin, same) if twin else ()
        pairs.append(Pair(row, twin, differing))
    pairs.sort(key=lambda pair: pair.found is None)
    return pairs + [Pair(None, row) for row in remaining]


def _twin(
    row: Found, others: Sequence[Found], same: Sequence[_Same], key: Sequence[int]
) -> Found | None:
    if key:
        alike_in_key = (
            each for each in others if not set(_differing(row, each, same)).intersection(key)
        )
        return next(alike_in_key, None)
    differences = [(len(_differing(row, each, same)), each) for each in others]
    fewest, best = min(differences, key=lambda each: each[0], default=(len(same), None))
    # Rows with less than half in common are two rows, not one that differs.
    return best if fewest * 2 <= len(same) and fewest < len(same) else None


def _differing(left: Found, right: Found, same: Sequence[_Same]) -> tuple[int, ...]:
    return tuple(
        position
        for position, equal in enumerate(same)
        if not equal(left.values[position], right.values[position])
    )

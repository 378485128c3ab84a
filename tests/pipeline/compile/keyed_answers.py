"""Keyed copies, answered naively by DuckDB itself: what the planner promises, taken at its word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import duckdb

from headrace.base.names import quote
from headrace.base.tables import Schema
from headrace.store.snapshots import KeyedQuery, KeyPart, Rollup

Row = tuple[object, ...]


@dataclass(frozen=True)
class Asked:
    """One request: the query as DuckDB runs it, and the copy that is to give the same."""

    cursor: duckdb.DuckDBPyConnection
    sql: str
    fields: Schema
    keyed: KeyedQuery
    order_items: int
    values: Mapping[str, object]


def difference(asked: Asked) -> str:
    """Where a copy's answer is not the query's; "" for nowhere. Rows that tie may change places."""
    columns = asked.cursor.execute(f"DESCRIBE {asked.keyed.sql}").fetchall()
    types = [row[1] for row in columns[: len(asked.keyed.key)]]
    if types != [part.type for part in asked.keyed.key]:
        return f"the parts of the key are {types}"
    expected = run(asked.cursor, asked.sql, asked.values)
    ties = list(_ties(asked))
    found = [row for _, rows in ties for row in rows]
    if not found and asked.keyed.lone:
        found = [_lone(asked)]
        ties = [((), found)]
    page = _page(asked, found)
    if len(expected) != len(page):
        return f"{len(page)} rows instead of {len(expected)}: {found} instead of {expected}"
    return _misplaced(expected, ties, _number(asked, asked.keyed.offset) or 0)


def _misplaced(expected: list[Row], ties: list[tuple[Row, list[Row]]], offset: int) -> str:
    start = -offset
    for _, rows in ties:
        here = Counter(expected[max(start, 0) : max(start + len(rows), 0)])
        start += len(rows)
        if here - Counter(rows):
            return f"{here} where {rows} should be"
    return ""


def run(
    cursor: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object] | None = None
) -> list[Row]:
    """The rows of a query; NaN is a text, as Python's is not equal to itself."""
    found = (cursor.execute(sql, dict(values)) if values else cursor.execute(sql)).fetchall()
    return [tuple("NaN" if value != value else value for value in row) for row in found]


def _number(asked: Asked, value: int | str | None) -> int | None:
    found = asked.values[value] if isinstance(value, str) else value
    assert found is None or isinstance(found, int)
    return found


def _page(asked: Asked, rows: list[Row]) -> list[Row]:
    offset, limit = _number(asked, asked.keyed.offset) or 0, _number(asked, asked.keyed.limit)
    return rows[offset:] if limit is None else rows[offset : offset + limit]


def _lone(asked: Asked) -> Row:
    """The row of an aggregate over nothing: that of the query when NULL is asked for."""
    if asked.keyed.rollup is not None:
        return _merged(asked.keyed.rollup, [])
    nulls = dict.fromkeys(asked.values)
    [row] = run(asked.cursor, asked.sql, nulls)
    return row


def _ties(asked: Asked) -> Iterator[tuple[Row, list[Row]]]:
    """The answer's rows in order, those together that its order does not tell apart."""
    keyed = asked.keyed
    parts = len(keyed.key)
    if keyed.rollup is not None:
        yield from _rolled_up(asked, keyed.rollup)
        return
    names = ", ".join(quote(each.name) for each in asked.fields)
    keys = [f"k{number}" for number in range(parts)]
    order = ", ".join(_order_by(keyed))
    sql = f"SELECT {', '.join([*keys, names])} FROM ({keyed.sql}) {_where(keyed)}"
    rows = run(asked.cursor, sql + (f" ORDER BY {order}" if order else ""), _asked_values(asked))
    telling = parts if asked.order_items else len(keyed.equal)
    for key, same in groupby(rows, key=lambda row: row[:telling]):
        yield key, [row[parts:] for row in same]


def _order_by(keyed: KeyedQuery) -> Iterator[str]:
    for number, part in enumerate(keyed.key):
        down, nulls_first = part.descending != keyed.reverse, part.nulls_first != keyed.reverse
        nulls = "FIRST" if nulls_first else "LAST"
        yield f"k{number} {'DESC' if down else 'ASC'} NULLS {nulls}"


def _where(keyed: KeyedQuery) -> str:
    found = [
        f"k{number} = CAST(${name} AS {keyed.key[number].type})"
        for number, name in enumerate(keyed.equal)
    ]
    number = len(keyed.equal)
    for bound, sign in ((keyed.low, ">"), (keyed.high, "<")):
        if bound is not None:
            equal = "=" if bound.inclusive else ""
            type_name = keyed.key[number].type
            found.append(f"k{number} {sign}{equal} CAST(${bound.parameter} AS {type_name})")
    return f"WHERE {' AND '.join(found)}" if found else ""


def _asked_values(asked: Asked) -> dict[str, object]:
    bounds = [each.parameter for each in (asked.keyed.low, asked.keyed.high) if each is not None]
    return {name: asked.values[name] for name in {*asked.keyed.equal, *bounds}}


def _rolled_up(asked: Asked, rollup: Rollup) -> Iterator[tuple[Row, list[Row]]]:
    keyed, groups = asked.keyed, len(rollup.groups)
    parts = len(keyed.key)
    sql = f"SELECT * FROM ({keyed.sql}) {_where(keyed)} ORDER BY k{parts - 1}"
    rows = run(asked.cursor, sql, _asked_values(asked))
    if rollup.monotone:
        firsts = [row[parts] for row in rows]
        assert all(one <= other for one, other in pairwise(firsts)), firsts  # type: ignore[operator] # values of one type
    partials: dict[Row, list[Row]] = {}
    for row in rows:
        partials.setdefault(row[parts : parts + groups], []).append(row[parts + groups :])
    ordered = list(partials)
    for number, part in reversed(list(enumerate(rollup.groups))):
        ordered = _sorted(ordered, number, part)
    telling = min(asked.order_items, groups)
    for key, same in groupby(ordered, key=lambda group: group[:telling]):
        yield key, [_merged(rollup, partials[group], group) for group in same]


def _sorted(groups: list[Row], number: int, part: KeyPart) -> list[Row]:
    known = [group for group in groups if group[number] is not None]
    nulls = [group for group in groups if group[number] is None]
    known.sort(key=lambda group: group[number], reverse=part.descending)  # type: ignore[arg-type, return-value] # values of one type
    return [*nulls, *known] if part.nulls_first else [*known, *nulls]


def _merged(rollup: Rollup, partials: Sequence[Row], group: Row = ()) -> Row:
    return tuple(
        group[field.column]
        if field.function == "group"
        else _value(field.function, field.column, partials)
        for field in rollup.fields
    )


def _value(function: str, column: int, partials: Sequence[Row]) -> object:
    values = [row[column] for row in partials if row[column] is not None]
    if function == "count":
        return _total(values) or 0
    if not values:
        return None
    if function == "avg":
        count = _total(row[column + 1] for row in partials)
        return _total(values) / count  # type: ignore[operator] # numbers
    if function == "sum":
        return _total(values)
    return min(values) if function == "min" else max(values)  # type: ignore[type-var] # values of one type


def _total(values: Iterable[object]) -> object:
    total: object = None
    for value in values:
        total = value if total is None else total + value  # type: ignore[operator] # numbers
    return total

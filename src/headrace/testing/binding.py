"""Binds a test to the project: takes names and values as written, gives tables and SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import duckdb

from headrace.base.declarations import Source
from headrace.base.errors import Place, Problem
from headrace.base.names import listed, near_miss
from headrace.base.tables import Schema
from headrace.pipeline.compile.graph import Graph, Relation
from headrace.pipeline.compile.sources import FILE_PARAMETER
from headrace.pipeline.compile.tables import TableNames
from headrace.pipeline.project.documents import Node, Scalar
from headrace.pipeline.project.keys import Problems
from headrace.pipeline.project.values import has_values, typed
from headrace.testing.candidates import NULL_CELL, Cell
from headrace.testing.declarations import Row, Rows, UnitTest
from headrace.testing.deriving import derive
from headrace.testing.filling import Given, fill
from headrace.testing.literals import NULL, value_literal


@dataclass(frozen=True, slots=True)
class Expected:
    """The rows that a model is expected to have, in some of its columns.

    `rows` are SQL literals, in the order of `columns`; `place` is where they are expected.
    """

    table: str
    place: Place
    columns: Schema
    rows: tuple[tuple[str, ...], ...]


def bind_given(
    test: UnitTest,
    graph: Graph,
    names: TableNames,
    cursor: duckdb.DuckDBPyConnection,
    problems: Problems,
) -> dict[str, Given]:
    """Table -> its given rows, whole: what a test leaves out is filled.

    `cursor` evaluates the expressions of derived columns.
    """
    found: dict[str, Given] = {}
    for rows in test.given:
        relation = _relation(rows, graph, names, problems)
        if relation is None:
            continue
        if relation.schema is None:
            problem = f"the columns of `{relation.name}` are not known before it has run"
            fix = f"declare their types in {relation.place.file}, or give rows of what it reads"
            problems.append(Problem(rows.place, problem, fix=fix))
            continue
        files = tuple(_raw_file(row, relation) for row in rows.rows)
        cells = [_cells(row, relation, problems) for row in rows.rows]
        places = tuple(row.place for row in rows.rows)
        found[relation.name] = Given(relation, cells, places, files)
    if not problems:
        fill(list(found.values()), problems, partial(derive, cursor))
    return found


def check_expected(
    test: UnitTest, graph: Graph, names: TableNames, problems: Problems
) -> tuple[str, ...]:
    """The models of which a test expects rows; what can be told of these rows is checked."""
    given = {names.find(rows.table) for rows in test.given}
    found: list[str] = []
    for rows in test.expected:
        relation = _relation(rows, graph, names, problems)
        if relation is None:
            continue
        found.append(relation.name)
        if relation.kind != "model":
            what = f"`{relation.name}` is a {relation.kind}"
            problems.append(Problem(rows.place, what, "a model, whose rows are computed"))
        elif relation.name in given:
            what = f"`{relation.name}` is given, so nothing of it is computed"
            problems.append(Problem(rows.place, what, fix="give rows of what it reads"))
        elif relation.schema is not None:
            bind_expected(rows, relation, relation.schema, problems)
    return tuple(found)


def bind_expected(rows: Rows, relation: Relation, schema: Schema, problems: Problems) -> Expected:
    """Expected rows in the types of a table's columns.

    Only the columns that the rows name are compared; every row names the same ones.
    """
    named = {_folded(key) for row in rows.rows for key, _ in row.cells}
    # Where no row is expected, one that is found is shown as a whole.
    columns = tuple(each for each in schema if each.name.lower() in named or not rows.rows)
    literals: list[tuple[str, ...]] = []
    for row in rows.rows:
        values = _literals(row, relation.name, schema, problems)
        absent = [each.name for each in columns if each.name not in values]
        if absent and len(values) == len(row.cells):
            found = f"this row does not name {listed(absent)}, which other rows name"
            problems.append(Problem(row.place, found, "the same columns in every row"))
        literals.append(tuple(values.get(each.name, NULL) for each in columns))
    return Expected(relation.name, rows.place, columns, tuple(literals))


def _relation(rows: Rows, graph: Graph, names: TableNames, problems: Problems) -> Relation | None:
    name = names.find(rows.table)
    if name is None:
        problems.append(names.unknown(rows.table, rows.place))
        return None
    return graph.relation(name)


def _raw_file(row: Row, relation: Relation) -> str | None:
    """What a row says that `$file` is, to the expressions that its source derives columns by."""
    if not _has_file(relation):
        return None
    paths = (node for key, node in row.cells if _is_file(key))
    return next((node.text for node in paths if isinstance(node, Scalar)), None)


def _has_file(relation: Relation) -> bool:
    source = relation.declaration
    return isinstance(source, Source) and relation.kind != "quarantine" and bool(source.derive)


def _is_file(key: Scalar) -> bool:
    return key.text == f"${FILE_PARAMETER}"


def _cells(row: Row, relation: Relation, problems: Problems) -> dict[str, Cell]:
    if _has_file(relation):
        row = Row(row.place, tuple(each for each in row.cells if not _is_file(each[0])))
    schema = relation.schema or ()
    types = {column.name: column.type for column in schema}
    nodes = {_folded(key): node for key, node in row.cells}
    return {
        name: _cell(sql, nodes[name.lower()], types[name])
        for name, sql in _literals(row, relation.name, schema, problems).items()
    }


def _cell(sql: str, node: Node, type_name: str) -> Cell:
    if sql == NULL:
        return NULL_CELL
    if isinstance(node, Scalar) and has_values(type_name):
        return Cell(sql, typed(node, type_name))
    return Cell(sql, sql)


def _literals(row: Row, table: str, schema: Schema, problems: Problems) -> dict[str, str]:
    """Column -> SQL literal; without what is no column, or no value of its type."""
    columns = {column.name.lower(): column for column in schema}
    found: dict[str, str] = {}
    for key, node in row.cells:
        column = columns.get(_folded(key))
        if column is None:
            problems.append(_no_column(key, table, (each.name for each in schema)))
            continue
        mistakes: Problems = []
        sql = value_literal(node, column.type, mistakes)
        problems += mistakes
        if not mistakes:
            found[column.name] = sql
    return found


def _no_column(key: Scalar, table: str, columns: Iterable[str]) -> Problem:
    names = list(columns)
    fix = near_miss(key.text, names) or f"its columns are {listed(names)}"
    return Problem(key.place, f"`{table}` has no column `{key.text}`", fix=fix)


def _folded(key: Scalar) -> str:
    return key.text.lower()

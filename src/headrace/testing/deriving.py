"""Computes what a source derives: takes given rows, gives the cells that follow from the others."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from headrace.base.declarations import Source
from headrace.base.errors import Place
from headrace.base.names import quote, quote_text
from headrace.base.tables import Column
from headrace.pipeline.compile.changing import VALID_FROM
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.sources import FILE_PARAMETER
from headrace.pipeline.project.documents import Scalar
from headrace.pipeline.project.values import has_values, typed
from headrace.testing.candidates import NULL_CELL, Cell
from headrace.testing.filling import Given, derived_names


def derive(cursor: duckdb.DuckDBPyConnection, given: Given) -> None:
    """Add the derived columns to rows that do not name them, as far as they have a value.

    `$file` is the path that the row gives, else NULL. What cannot be computed is left out.

    Args:
        cursor: evaluates the expressions.
        given: rows that have a cell for each column that is not derived.
    """
    relation = given.relation
    declaration = relation.declaration
    assert isinstance(declaration, Source)
    types = {column.name: column.type for column in relation.schema or ()}
    derived = derived_names(relation)
    raw = [column for column in relation.schema or () if column.name not in derived]
    for row, file in zip(given.rows, given.files, strict=True):
        wanted = [each for each in declaration.derive if each.name not in row]
        values = ", ".join(
            f"CAST(TRY(CAST(({each.sql}\n) AS {types[each.name]})) AS VARCHAR)" for each in wanted
        )
        if wanted:
            # The path comes first, so that it is asked for whatever the expressions need.
            sql = f"SELECT ${FILE_PARAMETER}::VARCHAR, {values} FROM {_row(relation, raw, row)}"
            [(_, *texts)] = cursor.execute(sql, {FILE_PARAMETER: file}).fetchall()
            for each, text in zip(wanted, texts, strict=True):
                if text is not None:
                    row[each.name] = _cell(text, types[each.name])
        row.update(_starts(declaration, types, row))


def _row(relation: Relation, columns: list[Column], row: dict[str, Cell]) -> str:
    cells = (
        f"CAST({row.get(each.name, NULL_CELL).sql} AS {each.type}) AS {quote(each.name)}"
        for each in columns
    )
    return f"(SELECT {', '.join(cells)}) AS {quote(relation.declaration.name)}"


def _starts(source: Source, types: dict[str, str], row: dict[str, Cell]) -> dict[str, Cell]:
    """A state of a history begins with its cursor, unless the row says otherwise."""
    cursors: Iterator[Cell] = (
        cell for name, cell in row.items() if name.lower() == source.cursor.lower()
    )
    if not source.history or VALID_FROM not in types or VALID_FROM in row:
        return {}
    found = next(cursors, NULL_CELL)
    return {VALID_FROM: found} if found != NULL_CELL else {}


def _cell(text: str, type_name: str) -> Cell:
    sql = f"CAST({quote_text(text)} AS {type_name})"
    if not has_values(type_name):
        return Cell(sql, sql)
    value = text == "true" if type_name == "BOOLEAN" else text
    return Cell(sql, typed(Scalar("", Place(""), value, text), type_name))

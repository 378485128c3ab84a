"""Reads Parquet files: takes raw files, gives their rows to a landing, converted losslessly.

A column that has the contract's type is taken as it is. Any other goes the way of every text: its
values are written out, and are values of the contract's type only if nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headrace.base.declarations import ColumnContract, Source
from headrace.base.errors import SourceError
from headrace.base.names import quote, quote_text
from headrace.base.tables import Column, RawFile, Schema
from headrace.base.types import INTEGER_TYPES
from headrace.engines.duckdb import described, literal_path
from headrace.sources.contract import is_nested, misfit_sql
from headrace.sources.decoding import true_nature
from headrace.sources.headers import column_order
from headrace.sources.landing import Landing, Relation

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
# Each row group costs a read of its own: thousands of small ones are better written anew.
LEAST_ROWS_OF_A_GROUP = 10_000


def land_parquet(root: Path, landing: Landing, file: RawFile, part: int) -> None:
    """Give the rows of one file to the landing; `line` is the row's number, `raw` is JSON.

    Raises:
        SourceError: it is no Parquet file, or its columns are not those of the contract.
    """
    with _reading(root, file) as scan:
        schema = described(landing.cursor, f"SELECT * FROM {scan})")
        rows, _ = _counts(landing.cursor, root / file.path)
        found = landing.take_relation(part, rows, _relation(landing, file, scan, schema))
    if found != rows:
        raise SourceError(
            f"{file.path}: its footer counts {rows} rows, and {found} are there;"
            " expected a complete Parquet file; write it again"
        )


def parquet_schema(cursor: duckdb.DuckDBPyConnection, root: Path, file: RawFile) -> Schema:
    """The columns of a Parquet file.

    Raises:
        SourceError: it is none.
    """
    with _reading(root, file) as scan:
        return described(cursor, f"SELECT * FROM {scan})")


def rows_that_fit(cursor: duckdb.DuckDBPyConnection, file: Path, source: Source) -> int | None:
    """How many rows a Parquet file has, if it can be a data file of the source as it is.

    That is so if its columns are those of the contract, in order and of its types, if every row
    keeps the rules, and if its row groups are large enough to be read again and again. None if
    not. Only the columns that have rules are read.

    Raises:
        duckdb.Error: it cannot be read.
    """
    scan = copied_rows(file)
    found = described(cursor, f"SELECT * FROM {scan}")
    pairs = zip(found, source.columns, strict=False)
    if len(found) != len(source.columns) or not all(
        column.name == contract.name and _alike(column, contract) for column, contract in pairs
    ):
        return None
    rows, groups = _counts(cursor, file)
    if rows < LEAST_ROWS_OF_A_GROUP * groups:
        return None
    [(there, misfits)] = cursor.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {misfit_sql(source.columns)}) FROM {scan}"
    ).fetchall()
    return rows if there == rows and not misfits else None


def copied_rows(file: Path) -> str:
    """The rows of a Parquet file as they stand after FROM; its folders' names add no columns."""
    return f"read_parquet({quote_text(literal_path(file))}, hive_partitioning = false)"


@contextmanager
def _reading(root: Path, file: RawFile) -> Iterator[str]:
    """The start of a call of `read_parquet`, up to its options, and a word on what goes wrong."""
    path = root / file.path
    try:
        # A folder named `store=7` is no column: what a row holds is in the file.
        yield f"read_parquet({quote_text(literal_path(path))}, hive_partitioning = false"
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        # They say nothing about the file.
        raise
    except duckdb.Error as exc:
        what, fix = true_nature(path)
        other = what and what != "a Parquet file"
        found = f"it is {what}" if other else str(exc).splitlines()[0]
        raise SourceError(
            f"{file.path}: it cannot be read as Parquet ({found}); expected a complete Parquet"
            f" file; {fix if other else 'write it again'}"
        ) from exc


def _relation(landing: Landing, file: RawFile, scan: str, schema: Schema) -> Relation:
    columns = landing.source.columns
    order = column_order(file.path, [column.name for column in schema], columns)
    found = [schema[position] for position in order]
    pairs = list(zip(found, columns, strict=True))
    names = ", ".join(quote(column.name) for column in schema)
    return Relation(
        sql=f"{scan}, file_row_number = true)",
        texts=[_text(column, contract) for column, contract in pairs],
        typed=frozenset(
            index for index, (column, contract) in enumerate(pairs) if _alike(column, contract)
        ),
        line="file_row_number + 1",
        raw=f"CAST(to_json(struct_pack({_packed(schema)})) AS VARCHAR)" if names else "''",
    )


def _packed(schema: Schema) -> str:
    return ", ".join(f"{quote(column.name)} := {quote(column.name)}" for column in schema)


def _alike(column: Column, contract: ColumnContract) -> bool:
    return column.type.replace('"', "") == contract.type.replace('"', "")


def _text(column: Column, contract: ColumnContract) -> str:
    """SQL of a column's values as text: nothing that they hold may be lost on the way."""
    name = quote(column.name)
    if _alike(column, contract):
        return name
    if is_nested(column.type):
        return f"CAST(to_json({name}) AS VARCHAR)"
    text = f"CAST({name} AS VARCHAR)"
    if column.type in _FLOATS and contract.type in INTEGER_TYPES:
        # pandas writes integers as floats where one of them is missing.
        whole = f"{name} = trunc({name}) AND abs({name}) < 9007199254740992"
        return f"CASE WHEN {whole} THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) ELSE {text} END"
    if column.type.startswith("TIMESTAMP") and contract.type == "DATE":
        midnight = f"{name} = date_trunc('day', {name})"
        return f"CASE WHEN {midnight} THEN CAST(CAST({name} AS DATE) AS VARCHAR) ELSE {text} END"
    return text


def _counts(cursor: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """Rows and row groups as the file's own footer counts them."""
    literal = quote_text(literal_path(path))
    [(rows, groups)] = cursor.execute(
        f"SELECT num_rows, num_row_groups FROM parquet_file_metadata({literal})"
    ).fetchall()
    return int(rows), int(groups)

"""Names the pieces of a partitioned source: takes rows that were read, gives what lies where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import quote
from headrace.base.partitions import Split
from headrace.base.tables import PART_COLUMN, Schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql, label_sql, within_sql
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.plan.versions import known_schema
from headrace.sources.recipe import piece_address

# Each costs an entry in every snapshot: a table has more only by mistake.
MOST_CELLS = 200_000


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one raw file in one partition; `part` is the file's number among those read."""

    part: int
    partition: str
    rows: int
    address: str


def pieces_of(
    engine: DuckDBEngine, source: Relation, rows: str, part: str, paths: Sequence[str]
) -> list[Piece]:
    """What each file gave to each partition; named by its rows, in whatever order they are.

    Args:
        engine: reads the rows, once.
        source: a source with partitions.
        rows: where they are, as it stands after FROM.
        part: SQL of the number of a row's file.
        paths: of the files, by number.

    Raises:
        SourceError: a row has no partition, or there are too many.
    """
    split, schema = source.split, known_schema(source)
    assert split is not None
    columns = column_names(schema)
    found = engine.cursor().execute(
        f"SELECT p, {label_sql(split, 'g')} AS label, n, CAST(h AS VARCHAR), CAST(i AS VARCHAR)"
        f" FROM (SELECT {part} AS p, {group_sql(split, schema)} AS g, count(*) AS n,"
        # Two sums, because one would be the same for 2^64 sets of rows by mere chance.
        f" sum(hash({columns})) AS h, sum(hash('', {columns})) AS i"
        f" FROM {rows} GROUP BY ALL) ORDER BY 1, 2"
    )
    pieces = []
    for number, label, count, *content in found.fetchall():
        path = paths[number]
        if label is None:
            raise _no_partition(source, split, path, count)
        own = "" if _is_replaced(source) else path
        address = piece_address(source.recipe, own, label, [count, *content])
        pieces.append(Piece(number, label, count, address))
    if len(pieces) > MOST_CELLS:
        raise _too_many(source, split, len(pieces))
    return pieces


def column_names(schema: Schema) -> str:
    """The columns as a SELECT lists them."""
    return ", ".join(quote(column.name) for column in schema)


def of_pieces(split: Split, schema: Schema, by_file: Mapping[int, Sequence[str]]) -> str:
    """The condition of the rows of some partitions of each file, by its number in `__cell`."""
    return " OR ".join(
        f"({PART_COLUMN} = {part} AND {within_sql(split, schema, labels)})"
        for part, labels in by_file.items()
    )


def _is_replaced(source: Relation) -> bool:
    """Whether a file takes the place of the one before, so that there is only ever one."""
    declaration = source.declaration
    assert isinstance(declaration, Source)
    return declaration.mode == "snapshot" and not declaration.history


def _no_partition(source: Relation, split: Split, path: str, rows: int) -> SourceError:
    column = f"{source.name}.{split.columns[0]}"
    return SourceError(
        f"{path}: {rows:,} of its rows have no {column}, or one before the year 1 or after"
        f" 9999; expected a value that lies in a partition by {split.by}; give the column, or"
        " what it derives from, rules such as `not_null`, `min` and `max`, so that such rows go"
        " to quarantine"
    )


def _too_many(source: Relation, split: Split, count: int) -> SourceError:
    return SourceError(
        f"{source.place}: {source.name} would have {count:,} cells, by {split};"
        f" expected at most {MOST_CELLS:,}; partition it by a column of fewer values, or to a"
        " coarser grain"
    )

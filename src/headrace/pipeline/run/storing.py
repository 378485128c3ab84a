"""Makes what a step has written part of the store: takes staged Parquet, gives stored cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.base.clock import format_time
from headrace.base.tables import Cell, Schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.store.data import StoredCell
from headrace.store.store import Store


@dataclass(frozen=True, slots=True)
class NewCell:
    """A cell that is about to be stored; the attributes are those of `Cell`."""

    address: str
    label: str = ""
    part: int | None = None
    rows: int | None = None
    rows_in: int | None = None


def store_cells(
    engine: DuckDBEngine,
    store: Store,
    table: str,
    schema: Schema,
    sql: str,
    cells: Sequence[NewCell],
) -> list[StoredCell]:
    """Write the rows of `sql` to one data file and record the cells that it holds.

    Args:
        engine: where the tables that `sql` reads are attached.
        store: receives the file and the record.
        table: whose cells they are.
        schema: the table's columns.
        sql: SELECT of the columns of `schema`, and of `__cell` when there are several cells.
        cells: in order; one whose `rows` is None takes all rows of the file.
    """
    staged = store.new_data_path(table)
    written = engine.write(sql, staged)
    if written.rows:
        file = store.keep_file(table, staged, written.rows)
    else:
        staged.unlink()
        file = None
    loaded_at = format_time(store.clock.now())
    made = []
    for cell in cells:
        rows = written.rows if cell.rows is None else cell.rows
        made.append(
            Cell(
                address=cell.address,
                label=cell.label,
                file=file.path if file and rows else "",
                part=cell.part,
                rows=rows,
                rows_in=rows if cell.rows_in is None else cell.rows_in,
                loaded_at=loaded_at,
            )
        )
    store.record_cells(table, schema, made, [file] if file else [])
    return [StoredCell(cell=cell, file=file if cell.file else None, schema=schema) for cell in made]

"""Makes what a step has written part of the store: takes staged Parquet, gives stored cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.base.clock import format_time
from headrace.base.tables import Batch, Cell, DataFile, Schema
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
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A finished Parquet file of so many rows that is not part of the store yet, and its cells.

    Without rows it is not kept, and there need be none.
    """

    path: Path | None
    rows: int
    cells: Sequence[NewCell]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a table's cells go: the engine that writes them, the store that keeps them."""

    engine: DuckDBEngine
    store: Store
    table: str
    schema: Schema

    def keep(
        self, sql: str, cells: Sequence[NewCell], batches: Sequence[Batch] = ()
    ) -> list[StoredCell]:
        """Write the rows of `sql` to one data file and record the cells that it holds.

        Args:
            sql: SELECT of the columns of the schema, and of `__cell` when parts are told apart.
            cells: in order; one whose `rows` is None takes all rows of the file.
            batches: the raw files that were read to make them.
        """
        staged = self.store.new_data_path(self.table)
        written = self.engine.write(sql, staged)
        return self.record(staged, written.rows, cells, batches)

    def record(
        self,
        staged: Path,
        rows: int,
        cells: Sequence[NewCell],
        batches: Sequence[Batch] = (),
    ) -> list[StoredCell]:
        """Keep a staged file of so many rows, and note which cells it holds."""
        return self.record_all([StagedFile(staged, rows, cells)], batches)

    def record_all(
        self, staged: Sequence[StagedFile], batches: Sequence[Batch] = ()
    ) -> list[StoredCell]:
        """Keep several staged files, and note which cells they hold, in one record."""
        loaded_at = format_time(self.store.clock.now())
        made: list[StoredCell] = []
        for each in staged:
            file = self._kept(each)
            for new in each.cells:
                cell = _cell(new, file, each.rows, loaded_at)
                made.append(StoredCell(cell, file if cell.file else None, self.schema))
        files = {each.file.path: each.file for each in made if each.file}
        cells = [each.cell for each in made]
        self.store.record_cells(self.table, self.schema, cells, list(files.values()), batches)
        return made

    def _kept(self, staged: StagedFile) -> DataFile | None:
        if staged.rows:
            assert staged.path is not None
            return self.store.keep_file(self.table, staged.path, staged.rows)
        if staged.path is not None:
            staged.path.unlink()
        return None


def _cell(cell: NewCell, file: DataFile | None, all_rows: int, loaded_at: str) -> Cell:
    rows = all_rows if cell.rows is None else cell.rows
    return Cell(
        address=cell.address,
        label=cell.label,
        file=file.path if file and rows else "",
        part=cell.part,
        rows=rows,
        rows_in=rows if cell.rows_in is None else cell.rows_in,
        loaded_at=loaded_at,
        partition=cell.partition,
    )

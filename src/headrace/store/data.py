"""Data files and what is in them: takes staged files and cells, gives what is already built.

Beside its Parquet files, a table's folder holds sidecars: small files that list the cells of one
build. They are how a build knows what need not be built again, also after a kill, and also for
the cells without rows, which have no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.base.errors import CorruptObject
from headrace.base.hashing import hash_file
from headrace.base.tables import Batch, Cell, DataFile, Schema
from headrace.store.durable import Writer, status_of, unique_name
from headrace.store.sealing import seal, unseal

DATA_ENDING = ".parquet"
SIDECAR_ENDING = ".cells.json"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What one build made of a table: `files` are the data files that `cells` name.

    `batches` are the raw files that were read; their cells may be those of earlier builds. With
    `moved_at`, ISO 8601 UTC, the cells are not new: they were copied to `files` at that time.
    """

    table: str
    schema: Schema
    cells: tuple[Cell, ...]
    files: tuple[DataFile, ...]
    batches: tuple[Batch, ...] = ()
    moved_at: str = ""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell that is built already; `file` is None when it has no rows and no file."""

    cell: Cell
    file: DataFile | None
    schema: Schema


@dataclass(frozen=True, slots=True)
class Data:
    """The folder of data: one folder a table."""

    folder: Path
    writer: Writer

    def keep_file(self, table: str, staged: Path, rows: int) -> DataFile:
        """Move a finished Parquet file from staging to its place, durably and read-only."""
        target = self._new_path(table, DATA_ENDING)
        sha256, size_bytes = hash_file(staged), staged.stat().st_size
        self.writer.adopt(staged, target)
        return DataFile(self._relative(target), rows, size_bytes, sha256)

    def record_cells(
        self,
        table: str,
        schema: Schema,
        cells: Sequence[Cell],
        files: Sequence[DataFile],
        batches: Sequence[Batch] = (),
        moved_at: str = "",
    ) -> None:
        """Note durably that `cells` are built, which of `files` hold them, and what was read."""
        sidecar = Sidecar(table, schema, tuple(cells), tuple(files), tuple(batches), moved_at)
        target = self._new_path(table, SIDECAR_ENDING)
        self.writer.put(target, seal(msgspec.json.encode(sidecar)))

    def find_cells(self, table: str) -> dict[str, StoredCell]:
        """Every cell of a table that is built, by address; of equal ones, the one built last.

        Of one that was copied since, it is the last copy. Sidecars that are damaged, and cells
        whose data file is missing or has another size, do not count: they are built again.
        """
        present = self._sizes(table)
        found: dict[str, StoredCell] = {}
        whole = [each for each in self.sidecars(table).values() if each is not None]
        for sidecar in sorted(whole, key=lambda each: each.moved_at):
            for stored in _whole_cells(sidecar, present):
                _keep_latest(found, stored)
        return found

    def find_batches(self, table: str) -> dict[str, Batch]:
        """Every raw file of a source that is known to have been read, by its batch's address."""
        sidecars = self.sidecars(table).values()
        return {
            batch.address: batch
            for sidecar in sidecars
            if sidecar is not None
            for batch in sidecar.batches
        }

    def sidecars(self, table: str) -> dict[Path, Sidecar | None]:
        """The sidecars of a table by path, sorted; None where one is damaged."""
        paths = sorted((self.folder / table).glob(f"*{SIDECAR_ENDING}"))
        return {path: _read_sidecar(path) for path in paths}

    def tables(self) -> list[str]:
        """The tables that have a folder, sorted."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir())

    def is_whole(self, file: DataFile) -> bool:
        """Whether a data file is there with its size; its bytes are not read."""
        status = status_of(self.folder / file.path)
        return status is not None and status.st_size == file.size_bytes

    def _new_path(self, table: str, ending: str) -> Path:
        return self.folder / table / f"{unique_name()}{ending}"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _sizes(self, table: str) -> dict[str, int]:
        """Path -> bytes of the data files of a table that are there."""
        paths = (self.folder / table).glob(f"*{DATA_ENDING}")
        found = ((self._relative(path), status_of(path)) for path in paths)
        return {path: status.st_size for path, status in found if status}


def _read_sidecar(path: Path) -> Sidecar | None:
    try:
        return msgspec.json.decode(unseal(path.read_bytes(), path), type=Sidecar)
    except (CorruptObject, FileNotFoundError, msgspec.MsgspecError):
        return None


def _whole_cells(sidecar: Sidecar, present: dict[str, int]) -> Iterator[StoredCell]:
    whole = {f.path: f for f in sidecar.files if present.get(f.path) == f.size_bytes}
    for cell in sidecar.cells:
        if not cell.file or cell.file in whole:
            yield StoredCell(cell, whole.get(cell.file), sidecar.schema)


def _keep_latest(found: dict[str, StoredCell], stored: StoredCell) -> None:
    known = found.get(stored.cell.address)
    # Equally old are a cell and its copy, which comes later.
    if known is None or known.cell.loaded_at <= stored.cell.loaded_at:
        found[stored.cell.address] = stored

"""Tables as nouns: columns, and the immutable pieces that a table's content is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from headrace.base.hashing import address
from headrace.base.partitions import Split

# In a data file that holds several cells, this INTEGER column says which cell a row belongs to.
PART_COLUMN = "__cell"
QUARANTINE_SUFFIX = "__quarantine"
# What a changing source is made from, and all of its states.
LANDED_SUFFIX = "__landed"
HISTORY_SUFFIX = "__history"
TAKEN_SUFFIXES = (QUARANTINE_SUFFIX, LANDED_SUFFIX, HISTORY_SUFFIX)
# The table of all rows of a model that sets some of them aside.
ALL_SUFFIX = "__all"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `type` is DuckDB's spelling ("BIGINT", "DECIMAL(12,2)", "VARCHAR[]")."""

    name: str
    type: str
    nullable: bool = True


Schema: TypeAlias = tuple[Column, ...]

# What a source sets aside: one row for each raw row that did not fit its contract.
QUARANTINE_SCHEMA: Schema = (
    Column("file", "VARCHAR", nullable=False),
    Column("line", "BIGINT"),
    Column("raw", "VARCHAR"),
    Column("column_name", "VARCHAR"),
    Column("reason", "VARCHAR", nullable=False),
)


@dataclass(frozen=True, slots=True)
class RawFile:
    """One raw file of a source as found on disk: `path` is relative to the project."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """One immutable Parquet file: `path` is relative to the store's data folder."""

    path: str
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Cell:
    """The unit of building and storing: the rows of one partition, or of one raw file, or all.

    In a partitioned source it is the rows that one raw file gave to one partition.

    Attributes:
        address: names the rows; equal addresses hold equal rows.
        label: the raw file that a source's cell is from; "" for a model's.
        file: path of the DataFile with the rows; "" when the cell has no rows and no file.
        part: value of `__cell` for this cell's rows; None when the file has no such column.
        rows: rows that the cell holds.
        rows_in: rows that were read to make it; for a model the same as `rows`.
        loaded_at: when it was built, ISO 8601 UTC.
        partition: the label of its partition; None in a table without partitions.
    """

    address: str
    label: str
    file: str
    part: int | None
    rows: int
    rows_in: int
    loaded_at: str
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One raw file of a partitioned source as it was read.

    Attributes:
        address: of the file's bytes and the contract: it need not be read again.
        label: the raw file's path.
        rows_in: the rows that were read; those that are in no cell are in quarantine.
        cells: the addresses of the cells that it gave, by partition.
    """

    address: str
    label: str
    rows_in: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """The content of one table: cells in order, and the data files that hold them.

    Attributes:
        table: the table's name.
        kind: "source", "model" or "quarantine".
        recipe: address of what makes the table: contract, SQL or code.
        schema: columns in order.
        cells: in the order in which their rows are read.
        files: every data file that a cell names, once.
        split: what its cells are told apart by; None when it has no partitions.
        batches: for a partitioned source, the raw files that its cells are from.
    """

    table: str
    kind: str
    recipe: str
    schema: Schema
    cells: tuple[Cell, ...]
    files: tuple[DataFile, ...] = field(default=())
    split: Split | None = None
    batches: tuple[Batch, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return sum(cell.rows for cell in self.cells)

    @property
    def rows_in(self) -> int:
        """Rows that were read to make it; more than `rows` when some are in quarantine."""
        return sum(each.rows_in for each in self.batches or self.cells)

    def only(self, cells: Iterable[Cell]) -> Version:
        """The version without its other cells."""
        kept = tuple(cells)
        held = {cell.file for cell in kept}
        files = tuple(file for file in self.files if file.path in held)
        return replace(self, cells=kept, files=files)

    @property
    def size_bytes(self) -> int:
        """Bytes of the data files that the table reads."""
        return sum(file.size_bytes for file in self.files)

    @property
    def address(self) -> str:
        """What the table's content is named by: equal addresses hold equal rows."""
        return version_address(self.recipe, (cell.address for cell in self.cells))


def version_address(recipe: str, cells: Iterable[str]) -> str:
    """The address of a version, from its recipe and the addresses of its cells in order."""
    return address("version", recipe, list(cells))

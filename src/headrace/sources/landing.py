"""Where raw rows become rows: takes texts, gives the rows that fit and a quarantine of the rest."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from headrace.base.declarations import Source
from headrace.base.names import quote, quote_text
from headrace.base.tables import PART_COLUMN, QUARANTINE_SCHEMA, RawFile
from headrace.sources.contract import RowContract

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 20_000


class RawRow(NamedTuple):
    """One row as text: a field for each column of the contract, None where there is none.

    `line` counts from 1; `raw` is what a user would see in the file. A row with a `problem` has
    no fields that count; `column` is the column that the problem is about, "" for the whole row.
    """

    line: int
    raw: str
    fields: Sequence[str | None]
    problem: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows that the engine reads itself, as SQL: where they are, and what is in them.

    Attributes:
        sql: as it stands after FROM.
        texts: for each column of the contract, its text; or its value, if it is in `typed`.
        typed: the columns (by position) that have the contract's type already.
        line, raw: the row's number, from 1, and the row as a user would see it.
    """

    sql: str
    texts: Sequence[str]
    typed: frozenset[int]
    line: str
    raw: str


@dataclass(frozen=True, slots=True)
class Tables:
    """The names of the two temporary tables to make."""

    rows: str
    quarantine: str


@dataclass
class Landing:
    """Takes the rows of several files, one file after the other; `finish` when there are no more.

    Attributes:
        files: by part, the number that the rows of a file carry in `__cell`.
        rows_in: by part, how many rows were taken: counted here, before anything is decided.
        misfits: by part, how many rows are known not to fit, where that is known beforehand.
    """

    cursor: duckdb.DuckDBPyConnection
    source: Source
    tables: Tables
    files: Sequence[RawFile]
    rows_in: Counter[int] = field(default_factory=Counter)
    misfits: dict[int, int] = field(default_factory=dict)
    _batch: list[tuple[int, RawRow]] = field(default_factory=list)
    _set_aside: list[tuple[object, ...]] = field(default_factory=list)

    @property
    def contract(self) -> RowContract:
        """What a row must fit."""
        format_ = self.source.format
        return RowContract(self.source.columns, format_.nulls, format_.kind == "csv")

    def create(self) -> None:
        """Make both tables, empty."""
        columns = [f"{quote(each.name)} {each.type}" for each in self.source.columns]
        self._create(self.tables.rows, columns)
        self._create(
            self.tables.quarantine, [f"{each.name} {each.type}" for each in QUARANTINE_SCHEMA]
        )

    def take(self, part: int, rows: Iterable[RawRow]) -> None:
        """Take in the rows of one file."""
        for row in rows:
            self.rows_in[part] += 1
            if row.problem:
                self._quarantine(part, row, row.column, row.problem)
            else:
                self._batch.append((part, row))
            if len(self._batch) >= _BATCH_ROWS:
                self._land()

    def take_relation(self, part: int, rows_in: int, relation: Relation) -> int:
        """Take in the rows of one file that the engine reads.

        `rows_in` is how many it is known to have; the answer, how many were found in it.
        """
        self.rows_in[part] += rows_in
        contract = replace(self.contract, typed=relation.typed)
        carried = [f"{relation.line} AS __line", f"{relation.raw} AS __raw"]
        converted = contract.converted(relation.texts, carried, relation.sql)
        [(landed,)] = self.cursor.execute(
            f"INSERT INTO {quote(self.tables.rows)} SELECT {contract.values}, {part}"
            f" FROM ({converted}) WHERE {contract.fits}"
        ).fetchall()
        if landed == rows_in:
            return rows_in
        path = quote_text(self.files[part].path)
        [(aside,)] = self.cursor.execute(
            f"INSERT INTO {quote(self.tables.quarantine)} SELECT {path}, __line, __raw,"
            f" {contract.first_column}, {contract.reason}, {part}"
            f" FROM ({converted}) WHERE NOT ({contract.fits})"
        ).fetchall()
        return int(landed) + int(aside)

    def finish(self) -> None:
        """Land what is left."""
        self._land()
        if self._set_aside:
            batch = _arrow().quarantine_batch(self._set_aside)
            self._insert(self.tables.quarantine, batch, "SELECT * FROM {batch}")
            self._set_aside.clear()

    def counted(self, table: str) -> Counter[int]:
        """Rows of a table by part, counted by the engine."""
        found = self.cursor.execute(
            f"SELECT {PART_COLUMN}, count(*) FROM {quote(table)} GROUP BY ALL"
        ).fetchall()
        return Counter(dict(found))

    def _create(self, table: str, columns: Sequence[str]) -> None:
        listed = ", ".join([*columns, f"{PART_COLUMN} INTEGER"])
        self.cursor.execute(f"CREATE OR REPLACE TEMP TABLE {quote(table)} ({listed})")

    def _quarantine(self, part: int, row: RawRow, column: str, reason: str) -> None:
        path = self.files[part].path
        self._set_aside.append((path, row.line, row.raw, column or None, reason, part))

    def _land(self) -> None:
        if not self._batch:
            return
        batch = _arrow().text_batch(self._batch)
        names = [f"f{index}" for index in range(len(self.source.columns))]
        contract = self.contract
        converted = contract.converted(names, ["__row", PART_COLUMN], "{batch}")
        landed = self._insert(
            self.tables.rows,
            batch,
            f"SELECT {contract.values}, {PART_COLUMN} FROM ({converted}) WHERE {contract.fits}",
        )
        if landed < len(self._batch):
            self._explain(batch, converted)
        self._batch.clear()

    def _explain(self, batch: pa.Table, converted: str) -> None:
        """Set aside the rows of the batch that do not fit, each with the reason."""
        contract = self.contract
        misfits = self._execute(
            batch,
            f"SELECT __row, {contract.first_column}, {contract.reason}"
            f" FROM ({converted}) WHERE NOT ({contract.fits})",
        )
        for index, column, reason in misfits:
            part, row = self._batch[index]
            self._quarantine(part, row, column, reason)

    def _insert(self, table: str, batch: pa.Table, select: str) -> int:
        """Add the rows of a SELECT over the batch; how many they are."""
        [(count,)] = self._execute(batch, f"INSERT INTO {quote(table)} {select}")
        return int(count)

    def _execute(self, batch: pa.Table, sql: str) -> list[tuple[Any, ...]]:
        name = f"__batch_{self.tables.rows}"
        self.cursor.register(name, batch)
        try:
            return self.cursor.execute(sql.replace("{batch}", quote(name))).fetchall()
        finally:
            self.cursor.unregister(name)


def _arrow() -> ModuleType:
    # Imported once rows come as text: with numpy it costs 0.2 s, and Parquet has no need of it.
    return importlib.import_module("headrace.sources.batches")

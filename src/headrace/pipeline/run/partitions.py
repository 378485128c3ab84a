"""Builds the cells of a partitioned model: takes cells that are missing, gives them stored.

A SQL model that is local gives the same rows for several partitions at once as for one after the
other, so what is missing is built in as few queries as fit; cells that are built together share a
file. A model that looks back, and a function, get one partition at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeAlias

from headrace.base.errors import ModelError
from headrace.base.names import listed, quote, quote_text
from headrace.base.partitions import Split, spelled
from headrace.base.tables import PART_COLUMN, Cell, Schema, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql, label_sql, within_sql
from headrace.pipeline.compile.graph import Locality, Relation
from headrace.pipeline.plan.addresses import window
from headrace.pipeline.plan.plans import Cells, NamedCell
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.run.sorting import in_order
from headrace.pipeline.run.storing import NewCell, Target
from headrace.store.data import StoredCell
from headrace.store.store import Store

# Of partitions that are read one by one, from so many on it pays to sort the rows of all first.
_MANY = 16

Selected: TypeAlias = AbstractContextManager[tuple[str, Schema]]
"""A SELECT of a model's rows and their columns, for as long as the `with` statement lasts."""


@dataclass(frozen=True, slots=True)
class CellBuilder:
    """Builds cells of one model.

    Attributes:
        relation: the model; it has a split and a locality.
        inputs: table -> version, for each of its inputs.
        select: makes the SELECT of the model's rows from what stands under the inputs' names.
        one_by_one: whether each partition needs a call of its own.
        pace: how much is built before it is stored.
    """

    engine: DuckDBEngine
    store: Store
    relation: Relation
    inputs: Mapping[str, Version]
    select: Callable[[], Selected]
    one_by_one: bool
    pace: Pace

    def build(self, missing: Cells) -> Iterator[StoredCell]:
        """Build some cells of the model, and store them, a few at a time.

        Raises:
            ModelError: a row has no partition, or one that is not being built.
        """
        index = _indexed(self.inputs, self._locality, self._split)
        for cells in _portions(missing, index, self.pace.rows_at_once):
            if not self.one_by_one:
                yield from self._at_once(cells, index)
            elif len(cells) < _MANY:
                yield from self.one_after_the_other(cells)
            else:
                with in_order(self.engine, self.store, self._needed(cells, index)) as inputs:
                    yield from replace(self, inputs=inputs).one_after_the_other(cells)

    @property
    def _split(self) -> Split:
        assert self.relation.split is not None
        return self.relation.split

    @property
    def _locality(self) -> Locality:
        assert self.relation.locality is not None
        return self.relation.locality

    def _at_once(self, cells: Cells, index: _Index) -> list[StoredCell]:
        with self._reading(cells, index), self.select() as (sql, schema):
            return self._keep(sql, schema, cells)

    def one_after_the_other(self, cells: Cells) -> Iterator[StoredCell]:
        """Gather the rows of one partition after the other; from time to time, store them."""
        index = _indexed(self.inputs, self._locality, self._split)
        found: Schema | None = None
        ready: list[NamedCell] = []
        until = time.monotonic() + self.pace.seconds_at_once
        for cell in cells:
            try:
                found = self._gather(cell, index, found, anew=not ready)
            except ModelError:
                # The partitions before it are not lost to the next attempt, or to the next run.
                self._keep_gathered(found, ready)
                raise
            ready.append(cell)
            if time.monotonic() >= until:
                yield from self._keep_gathered(found, ready)
                ready, until = [], time.monotonic() + self.pace.seconds_at_once
        yield from self._keep_gathered(found, ready)

    def _gather(
        self, cell: NamedCell, index: _Index, found: Schema | None, *, anew: bool
    ) -> Schema:
        """Add the rows of one partition to those gathered, or begin with them; their columns."""
        cursor, label = self.engine.cursor(), cell.partition or ""
        with self._reading((cell,), index), self.select() as (sql, schema):
            self._require_same(found, schema, label)
            if anew:
                columns = "".join(f"{quote(each.name)} {each.type}, " for each in schema)
                columns += f"{PART_COLUMN} VARCHAR"
                cursor.execute(f"CREATE OR REPLACE TEMP TABLE {self._gathered} ({columns})")
            self._require_columns(schema)
            within = within_sql(self._split, schema, [label])
            # A row of no partition is kept, to be refused.
            where = f" WHERE ({within}) IS NOT FALSE" if self._locality.lookback else ""
            rows = f"SELECT *, {quote_text(label)} FROM ({sql}\n){where}"
            cursor.execute(f"INSERT INTO {self._gathered} {rows}")
        return schema

    def _keep_gathered(self, found: Schema | None, ready: Sequence[NamedCell]) -> list[StoredCell]:
        """Store the cells that are ready, if any, and gather no more with them."""
        if found is None or not ready:
            return []
        try:
            self._require_own(found)
            rows = f"SELECT * EXCLUDE ({PART_COLUMN}) FROM {self._gathered}"
            return self._keep(rows, found, tuple(ready))
        finally:
            self.engine.cursor().execute(f"DROP TABLE IF EXISTS {self._gathered}")

    @property
    def _gathered(self) -> str:
        return quote(f"__cells_{self.relation.name}")

    def _reading(self, cells: Cells, index: _Index) -> AbstractContextManager[None]:
        """Let the inputs hold only what the given cells need."""
        return self.engine.attached(self._needed(cells, index).values(), self.store.data_root)

    def _needed(self, cells: Cells, index: _Index) -> dict[str, Version]:
        """Input -> its version, with only what the given cells need."""
        wanted = {
            each
            for cell in cells
            for each in window(cell.partition or "", self._split, self._locality.lookback)
        }
        return {
            name: self.inputs[name].only(
                [cell for each in sorted(wanted) for cell in held.get(each, ())]
            )
            for name, held in index.items()
        }

    def _keep(self, sql: str, schema: Schema, cells: Cells) -> list[StoredCell]:
        self._require_columns(schema)
        group = group_sql(self._split, schema)
        if self._split.by == "bucket":
            sql = f"SELECT *, {group} AS {PART_COLUMN} FROM ({sql}\n)"
            group = PART_COLUMN
        target = Target(self.engine, self.store, self.relation.name, schema)
        staged = self.store.new_data_path(self.relation.name)
        written = self.engine.write(f"SELECT * FROM ({sql}\n) ORDER BY {group}", staged)
        rows = self.engine.partition_rows(staged, self._split, schema) if written.rows else {}
        self._require_partitions(rows, cells)
        return target.record(staged, written.rows, [self._new(cell, rows) for cell in cells])

    def _new(self, cell: NamedCell, rows: Mapping[str | None, int]) -> NewCell:
        part = int(cell.partition or 0) if self._split.by == "bucket" else None
        return NewCell(
            cell.address, part=part, rows=rows.get(cell.partition, 0), partition=cell.partition
        )

    def _require_partitions(self, rows: Mapping[str | None, int], cells: Cells) -> None:
        column = f"{self.relation.name}.{', '.join(self._split.columns)}"
        if None in rows:
            raise ModelError(
                f"{self.relation.place}: {column} is NULL, or no time that a partition can hold, in"
                f" {rows[None]:,} rows; expected a value, because the table is partitioned by it;"
                " filter such rows out, or give them a value with COALESCE"
            )
        asked = [cell.partition or "" for cell in cells]
        self._require_none([each or "" for each in rows.keys() - set(asked)], asked)

    def _require_own(self, schema: Schema) -> None:
        """Make sure that no call returned rows of a partition that another call is to return."""
        label = label_sql(self._split, "g")
        found = (
            self.engine.cursor()
            .execute(
                f"SELECT {PART_COLUMN}, list({label}) FROM (SELECT DISTINCT {PART_COLUMN},"
                f" {group_sql(self._split, schema)} AS g FROM {self._gathered})"
                f" WHERE {label} <> {PART_COLUMN} GROUP BY 1 ORDER BY 1"
            )
            .fetchall()
        )
        for asked, others in found:
            self._require_none(others, [asked])

    def _require_none(self, others: Sequence[str], asked: Sequence[str]) -> None:
        if others:
            raise ModelError(
                f"{self.relation.place}: {self.relation.name} returned rows of"
                f" {spelled(sorted(others), self._split)} for the partition"
                f" {spelled(asked, self._split)}; expected rows of the partition that it was asked"
                " for; filter the others out"
            )

    def _require_columns(self, schema: Schema) -> None:
        """Make sure that the columns of a function, known only by now, hold the partition."""
        names = [column.name for column in schema]
        for column in self._split.columns:
            if column.lower() not in {name.lower() for name in names}:
                raise ModelError(
                    f"{self.relation.place}: {self.relation.name} has no column `{column}`, by"
                    f" which it is partitioned; its columns are {listed(names)}"
                )

    def _require_same(self, before: Schema | None, now: Schema, label: str) -> None:
        if before is not None and before != now:
            raise ModelError(
                f"{self.relation.place}: {self.relation.name} returned for {label} the columns"
                f" {_columns(now)}; expected {_columns(before)}, as for the partition before;"
                " declare `columns`"
            )


_Index: TypeAlias = dict[str, dict[str, list[Cell]]]


def _indexed(inputs: Mapping[str, Version], locality: Locality, split: Split) -> _Index:
    """Input -> partition of the model -> the input's cells that lie in it."""
    index: _Index = {}
    for name, need in locality.inputs.items():
        if need == "same":
            cells = index.setdefault(name, {})
            for cell in inputs[name].cells:
                cells.setdefault(split.holding(cell.partition or ""), []).append(cell)
    return index


def _portions(missing: Cells, index: _Index, rows_at_once: int) -> Iterator[Cells]:
    """The cells that are to be built together, in order."""
    portion: list[NamedCell] = []
    rows = 0
    for cell in missing:
        label = cell.partition or ""
        own = sum(each.rows for cells in index.values() for each in cells.get(label, ()))
        if portion and rows + own > rows_at_once:
            yield tuple(portion)
            portion, rows = [], 0
        portion.append(cell)
        rows += own
    if portion:
        yield tuple(portion)


def _columns(schema: Schema) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in schema)

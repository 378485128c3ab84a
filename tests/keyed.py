"""Keyed copies for tests: a store with tables of cells, contracts by hand, and the plain answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from headrace.base.access import PUBLIC
from headrace.base.hashing import hash_bytes
from headrace.base.tables import Cell, Column, DataFile, Schema, Version
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.engines.text_rows import json_row_sql
from headrace.observe.events import CopyFinished, Event
from headrace.pipeline.run.keyed_copies import CopyBuilder
from headrace.serve.keyed.reader import KeyedReader
from headrace.store.keyed_copies import Item, Meta, shared_copy
from headrace.store.keyed_folder import Copy
from headrace.store.snapshots import EndpointContract, KeyedQuery, Manifest, Parameter, Snapshot
from headrace.store.store import Store

LIMIT_BYTES = 1 << 30
NOTHING = Snapshot({}, Manifest("shop"))


@dataclass
class Shelf:
    """A store whose tables are made from SELECTs, one a cell."""

    store: Store
    engine: DuckDBEngine
    events: list[CopyFinished] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def open(cls, root: Path) -> Iterator[Shelf]:
        engine = DuckDBEngine(threads=1)
        try:
            yield cls(Store.open(root), engine)
        finally:
            engine.close()

    def cell(self, table: str, sql: str) -> tuple[Cell, DataFile | None, Schema]:
        """A cell with the rows of a SELECT."""
        staged = self.store.new_data_path(table)
        schema = described(self.engine.cursor(), sql)
        written = self.engine.write(sql, staged)
        file = self.store.keep_file(table, staged, written.rows) if written.rows else None
        path = file.path if file else ""
        address = hash_bytes(sql.encode())
        cell = Cell(address, "", path, None, written.rows, written.rows, "2026-01-01T00:00:00Z")
        return cell, file, schema

    def version(self, table: str, *selects: str) -> Version:
        """A table with a cell for each SELECT."""
        cells = [self.cell(table, sql) for sql in selects]
        files = tuple(file for _, file, _ in cells if file)
        return Version(table, "model", "r", cells[0][2], tuple(c for c, _, _ in cells), files)

    def contract(
        self, versions: Sequence[Version], keyed: KeyedQuery, columns: Schema, sql: str = ""
    ) -> EndpointContract:
        """An endpoint over some tables."""
        return EndpointContract(
            name="listed",
            path="/listed",
            recipe="r",
            sql=sql or keyed.sql,
            tables=tuple(version.table for version in versions),
            parameters=(),
            columns=columns,
            limit=1000,
            max_limit=1000,
            keyed=keyed,
            access=PUBLIC,
        )

    def with_parameters(self, contract: EndpointContract, names: Sequence[str]) -> EndpointContract:
        """An endpoint with query parameters of these names."""
        parameters = [Parameter(name, "query", "VARCHAR", required=True) for name in names]
        return replace(contract, parameters=tuple(parameters))

    def snapshot(self, versions: Sequence[Version], *contracts: EndpointContract) -> Snapshot:
        """A snapshot of some tables and endpoints."""
        return Snapshot({each.table: each for each in versions}, Manifest("shop", contracts))

    def build(
        self,
        snapshot: Snapshot,
        before: Snapshot = NOTHING,
        *,
        limit_bytes: int = LIMIT_BYTES,
        largest_change: float = 0.0,
    ) -> None:
        """Make the copies that are missing; each anew, unless `largest_change` allows more."""
        builder = CopyBuilder(
            self.store, self.engine, snapshot, before, limit_bytes, largest_change
        )
        builder.build_all(self.store.keyed.missing(snapshot, limit_bytes), self._observe)

    def copy(self, snapshot: Snapshot) -> Copy:
        """The copy of a snapshot's only endpoint."""
        [contract] = snapshot.manifest.endpoints
        found = self.store.keyed_copy(contract, snapshot)
        assert isinstance(found, Copy), self.events[-1:]
        return found

    @contextlib.contextmanager
    def reader(self, snapshot: Snapshot) -> Iterator[KeyedReader]:
        """The rows of a snapshot's only endpoint."""
        [contract] = snapshot.manifest.endpoints
        reader = KeyedReader.open(self.copy(snapshot).path, contract)
        try:
            yield reader
        finally:
            reader.close()

    def answer(
        self,
        versions: Sequence[Version],
        sql: str,
        columns: Schema,
        values: Mapping[str, object],
    ) -> list[bytes]:
        """What DuckDB answers: the rows of a SELECT as JSON objects, in order."""
        with self.engine.attached(versions, self.store.data_root):
            found = self.engine.cursor().execute(
                f"SELECT {json_row_sql(columns)} FROM ({sql}\n)", dict(values) or None
            )
            return [row.encode() for (row,) in found.fetchall()]

    def _observe(self, event: Event) -> None:
        assert isinstance(event, CopyFinished)
        self.events.append(event)


def content(path: Path) -> tuple[Meta, list[Item]]:
    """What is in a copy: what it says of itself, and all rows under their keys."""
    with shared_copy(path) as copy, copy.env.begin() as txn:
        return copy.meta, list(txn.cursor(copy.rows).iternext(True, True))


def columns(**types: str) -> Schema:
    """Columns by name."""
    return tuple(Column(name, type_name) for name, type_name in types.items())

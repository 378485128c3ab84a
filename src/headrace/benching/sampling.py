"""Samples tables: takes a snapshot, gives rows of chosen columns as a client would write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from headrace.base.names import quote
from headrace.engines.duckdb import DuckDBEngine
from headrace.store.snapshots import Snapshot

# What DuckDB's own text of a value is not, for a client who writes one.
_WRITTEN = {
    "TIMESTAMP WITH TIME ZONE": "strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
    "BLOB": "base64({})",
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """A value of a column, to put in order with others of it, and as a client writes it."""

    value: Any  # whatever DuckDB gives: values of one column compare
    text: str


SampledRow: TypeAlias = tuple[Sampled, ...]


class Sampler:
    """The tables of a snapshot; the same rows for the same seed."""

    def __init__(
        self, engine: DuckDBEngine, snapshot: Snapshot, data_root: Path, seed: int, count: int
    ) -> None:
        """Use `sampling`."""
        self.seed = seed
        self.count = count
        self._engine = engine
        self._snapshot = snapshot
        self._data_root = data_root

    def has(self, column: str) -> bool:
        """Whether there is a column of that "table.column"."""
        table, _, name = column.partition(".")
        version = self._snapshot.tables.get(table)
        return version is not None and any(each.name == name for each in version.schema)

    def rows(self, table: str, columns: Sequence[tuple[str, str]]) -> list[SampledRow]:
        """At most `count` rows of a table, each as likely as any other.

        Args:
            table: its name.
            columns: names, each with the SQL type that its values are wanted in. Rows in which one
                of them is NULL, or no value of that type, are left out.

        Raises:
            duckdb.Error: a data file cannot be read.
        """
        self._engine.attach(self._snapshot.tables[table], self._data_root)
        fields = ", ".join(
            f"{quote(name)} AS v{number}, {_written(name, type_name)} AS t{number}"
            for number, (name, type_name) in enumerate(columns)
        )
        known = " AND ".join(f"t{number} IS NOT NULL" for number in range(len(columns)))
        found = self._engine.rows(
            f"SELECT * FROM (SELECT {fields} FROM {quote(table)}) WHERE {known}"
            f" USING SAMPLE reservoir({self.count:d} ROWS) REPEATABLE ({self.seed:d})",
            self.count,
        )
        return [
            tuple(Sampled(row[f"v{at}"], str(row[f"t{at}"])) for at in range(len(columns)))
            for row in found
        ]


@contextmanager
def sampling(snapshot: Snapshot, data_root: Path, seed: int, count: int) -> Iterator[Sampler]:
    """A sampler of a snapshot, whose files must stay where they are as long as it is open.

    Args:
        snapshot: whose tables.
        data_root: where their files are.
        seed: of chance, from 0.
        count: rows of a sample at most.
    """
    # One thread: which rows are drawn must not depend on who was faster.
    with closing(DuckDBEngine(threads=1)) as engine:
        yield Sampler(engine, snapshot, data_root, seed, count)


def _written(column: str, type_name: str) -> str:
    cast = f"TRY_CAST({quote(column)} AS {type_name})"
    return _WRITTEN.get(type_name, "CAST({} AS VARCHAR)").format(cast)

"""What an engine must do: bind a query, read tables, write a query's rows as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.base.tables import Schema, Version


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A Parquet file that an engine has written; not yet durable."""

    path: Path
    rows: int
    size_bytes: int


class Engine(Protocol):
    """One place where SQL runs. `dialect` names its SQL; `version` enters every recipe."""

    dialect: str
    version: str

    def describe(self, sql: str, tables: Mapping[str, Schema]) -> Schema:
        """The columns of a SELECT over empty tables of the given schemas. Runs nothing."""
        ...

    def attach(self, version: Version, data_root: Path) -> None:
        """Make a table's rows readable under its name, replacing what had the name before."""
        ...

    def write(self, sql: str, path: Path) -> WrittenFile:
        """Write the rows of a SELECT over attached tables to a new Parquet file."""
        ...

    def rows(self, sql: str, limit: int) -> list[dict[str, object]]:
        """At most `limit` rows of a SELECT over attached tables, as column -> Python value."""
        ...

    def close(self) -> None:
        """Give back memory and temporary files."""
        ...

"""A folder with raw files and a contract, read by the code under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.base.declarations import ColumnContract, FileFormat, Source
from headrace.base.errors import Place
from headrace.base.types import parse_type
from headrace.engines.duckdb import DuckDBEngine
from headrace.sources.files import Fingerprints, find_files
from headrace.sources.reading import FileOutcome, read_files

PLACE = Place("sources/t.yaml", 1)


def contract(name: str, type_text: str = "text", **rules: Any) -> ColumnContract:
    """A column as a source's file would declare it."""
    return ColumnContract(name, parse_type(type_text), PLACE, **rules)


def source(
    *columns: ColumnContract, files: str = "*.csv", kind: str = "csv", **options: Any
) -> Source:
    """A source with these columns; `options` are those of `FileFormat`."""
    format_ = FileFormat(kind, **options)  # type: ignore[arg-type]  # any kind a test names
    return Source("t", PLACE, (files,), format_, columns)


@dataclass(frozen=True)
class Loaded:
    """What came out: rows in order, quarantine by line, and the outcome of each file."""

    rows: list[tuple[Any, ...]]
    quarantine: list[tuple[Any, ...]]
    outcomes: tuple[FileOutcome, ...] = field(repr=False)

    @property
    def reasons(self) -> list[tuple[int, str | None, str]]:
        """Line, column and reason of each row that was set aside."""
        return [(line, column, reason) for _, line, _, column, reason in self.quarantine]


def load(root: Path, declaration: Source, files: Mapping[str, bytes | str] = {}) -> Loaded:
    """Write the files into `root` and read the source."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = find_files(root, declaration, Fingerprints(root / "fingerprints.cache"))
    with closing(DuckDBEngine(threads=2)) as engine:
        outcomes = read_files(engine, root, declaration, found, "rows", "aside")
        names = ", ".join(f'"{column.name}"' for column in declaration.columns)
        return Loaded(
            _rows(engine, f"SELECT {names} FROM rows ORDER BY __cell, rowid"),
            _rows(engine, "SELECT * EXCLUDE __cell FROM aside ORDER BY __cell, line"),
            outcomes,
        )


def _rows(engine: DuckDBEngine, sql: str) -> list[tuple[Any, ...]]:
    return engine.cursor().execute(sql).fetchall()


def each_row(loaded: Loaded) -> Iterator[Any]:
    """The single column of a table with one."""
    return (row[0] for row in loaded.rows)

"""Reads a source's raw files by its contract: gives tables of rows and of quarantine, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.hashing import hash_file
from headrace.base.tables import RawFile
from headrace.engines.duckdb import DuckDBEngine
from headrace.sources.csv_files import CsvFile, inspect_csv, land_csv
from headrace.sources.excel_files import read_excel
from headrace.sources.files import changed_while_read
from headrace.sources.json_files import read_json, read_ndjson
from headrace.sources.landing import Landing, RawRow, Tables
from headrace.sources.parquet_files import land_parquet

_MAX_ERRORS = 20
T = TypeVar("T")
Rows: TypeAlias = Callable[[Path, Source, RawFile], Iterator[RawRow]]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What one raw file gave: `rows_in == rows + quarantined`.

    `part` is the value of `__cell` that its rows carry in both tables.
    """

    file: RawFile
    part: int
    rows_in: int
    rows: int
    quarantined: int


def read_files(
    engine: DuckDBEngine,
    root: Path,
    source: Source,
    files: Sequence[RawFile],
    table: str,
    quarantine: str,
) -> tuple[FileOutcome, ...]:
    """Read raw files into two new temporary tables of this thread's cursor.

    Args:
        engine: makes the tables.
        root: what the files' paths are relative to.
        source: the contract and the read options.
        files: as `find_files` gave them; files that are different by now are refused.
        table: receives the rows that fit: the contract's columns, and `__cell`.
        quarantine: receives the others: the columns of `QUARANTINE_SCHEMA`, and `__cell`.

    Returns:
        One outcome for each file, in the order of `files`.

    Raises:
        SourceError: files that cannot be read by the contract at all: all of them are named.
    """
    landing = Landing(engine.cursor(), source, Tables(table, quarantine), files)
    landing.create()
    _READERS[source.format.kind](root, landing)
    landing.finish()
    _require_unchanged(root, files)
    return _outcomes(landing)


def _outcomes(landing: Landing) -> tuple[FileOutcome, ...]:
    rows = landing.counted(landing.tables.rows)
    quarantined = landing.counted(landing.tables.quarantine)
    outcomes = tuple(
        FileOutcome(file, part, landing.rows_in[part], rows[part], quarantined[part])
        for part, file in enumerate(landing.files)
    )
    for each in outcomes:
        assert each.rows_in == each.rows + each.quarantined, f"{each.file.path}: rows got lost"
        known = landing.misfits.get(each.part, each.quarantined)
        assert each.quarantined == known, f"{each.file.path}: other rows were set aside"
    return outcomes


def _require_unchanged(root: Path, files: Sequence[RawFile]) -> None:
    for file in files:
        path = root / file.path
        if not path.is_file() or hash_file(path) != file.sha256:
            raise changed_while_read(file.path)


def _each(files: Sequence[RawFile], act: Callable[[RawFile, int], T]) -> list[T]:
    """Do something for each file and its part; if that fails for some, say so for all of them."""
    done: list[T] = []
    failures: list[SourceError] = []
    for part, file in enumerate(files):
        try:
            done.append(act(file, part))
        except SourceError as exc:
            failures.append(exc)
    if failures:
        more = len(failures) - _MAX_ERRORS
        shown = [str(each) for each in failures[:_MAX_ERRORS]]
        shown += [f"and {more} more files"] if more > 0 else []
        raise SourceError("\n".join(shown)) from ExceptionGroup("files", failures)
    return done


def _csv(root: Path, landing: Landing) -> None:
    def inspect(file: RawFile, part: int) -> CsvFile:
        return inspect_csv(root, landing.source, file, part)

    land_csv(landing, _each(landing.files, inspect))


def _parquet(root: Path, landing: Landing) -> None:
    def land(file: RawFile, part: int) -> None:
        land_parquet(root, landing, file, part)

    _each(landing.files, land)


def _row_by_row(rows: Rows) -> Callable[[Path, Landing], None]:
    def read(root: Path, landing: Landing) -> None:
        def land(file: RawFile, part: int) -> None:
            landing.take(part, rows(root, landing.source, file))

        _each(landing.files, land)

    return read


_READERS: dict[str, Callable[[Path, Landing], None]] = {
    "csv": _csv,
    "json": _row_by_row(read_json),
    "ndjson": _row_by_row(read_ndjson),
    "excel": _row_by_row(read_excel),
    "parquet": _parquet,
}

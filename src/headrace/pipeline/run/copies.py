"""Takes large Parquet files of a source as they are: gives copies of them as its data files.

Reading a file into a table and writing it again costs many times what looking through it does. A
file that needs no change, no row of which is set aside, is copied byte by byte. What is checked is
the copy, so that nothing that happens to the raw file later is of account.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.hashing import hash_file
from headrace.base.tables import Batch, RawFile
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql, within_sql
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.plan.plans import SourceFiles
from headrace.pipeline.plan.versions import known_schema
from headrace.pipeline.run.pieces import Piece, column_names, pieces_of
from headrace.pipeline.run.storing import NewCell, StagedFile, Target
from headrace.sources.files import changed_while_read
from headrace.sources.parquet_files import copied_rows, rows_that_fit
from headrace.store.data import StoredCell
from headrace.store.store import Store

# Smaller files are worth gathering in one: each data file costs a sync, and an open in each query.
LEAST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a raw file in staging, that holds rows of the source and nothing else.

    `pieces` are what it gives to each partition; () in a source without partitions.
    """

    file: RawFile
    path: Path
    rows: int
    pieces: Sequence[Piece]


@contextmanager
def staged_copies(
    engine: DuckDBEngine, store: Store, root: Path, source: Relation, files: Iterable[RawFile]
) -> Iterator[list[Copy]]:
    """Copies of those of a source's raw files that can be data files as they are.

    Whichever of them is not kept is gone when the block ends, however it ends.

    Raises:
        SourceError: a file changed since it was found, or a row's partition is none.
    """
    copies: list[Copy] = []
    try:
        for file in _large_files(source, files):
            copy = _copy(engine, store, root, source, file)
            copies += [] if copy is None else [copy]
        yield copies
    finally:
        for copy in copies:
            copy.path.unlink(missing_ok=True)


def _large_files(source: Relation, files: Iterable[RawFile]) -> list[RawFile]:
    """Those that may be worth a copy."""
    declaration = source.declaration
    assert isinstance(declaration, Source)
    # The bucket of a row is a column that only a file of our own has.
    by_bucket = source.split is not None and source.split.by == "bucket"
    if declaration.format.kind != "parquet" or declaration.derive or by_bucket:
        return []
    return [file for file in files if file.size_bytes >= LEAST_BYTES]


def _copy(
    engine: DuckDBEngine, store: Store, root: Path, source: Relation, file: RawFile
) -> Copy | None:
    staged = store.new_data_path(source.name)
    try:
        shutil.copyfile(root / file.path, staged)
        if hash_file(staged) != file.sha256:
            raise changed_while_read(file.path)
        copy = _looked_through(engine, source, file, staged)
    except (OSError, duckdb.Error, SourceError) as exc:
        staged.unlink(missing_ok=True)
        if isinstance(exc, duckdb.InterruptException | duckdb.OutOfMemoryException | SourceError):
            raise
        return None  # reading it says what is wrong with it
    if copy is None:
        staged.unlink()
    return copy


def _looked_through(
    engine: DuckDBEngine, source: Relation, file: RawFile, staged: Path
) -> Copy | None:
    """The copy, if it fits; every value of it has been read then."""
    assert isinstance(source.declaration, Source)
    rows = rows_that_fit(engine.cursor(), staged, source.declaration)
    if rows is None:
        return None
    scan = copied_rows(staged)
    if source.split is not None:
        return Copy(file, staged, rows, pieces_of(engine, source, scan, "0", [file.path]))
    columns = column_names(known_schema(source))
    engine.cursor().execute(f"SELECT bit_xor(hash({columns})) FROM {scan}").fetchall()
    return Copy(file, staged, rows, ())


def keep_copies(
    target: Target,
    source: Relation,
    copies: Sequence[Copy],
    addresses: Mapping[RawFile, str],
    files: SourceFiles,
) -> SourceFiles:
    """Make copies data files, and add their cells to what the source is made of."""
    if source.split is None:
        staged = [
            StagedFile(
                copy.path,
                copy.rows,
                [NewCell(addresses[copy.file], copy.file.path, rows=copy.rows)],
            )
            for copy in copies
        ]
        made = target.record_all(staged)
        return replace(files, built={**files.built, **{c.cell.address: (c,) for c in made}})
    stored = target.store.find_cells(source.name)
    staged = [part for copy in copies for part in _new_cells(target, source, copy, stored)]
    batches = [
        Batch(
            addresses[copy.file],
            copy.file.path,
            copy.rows,
            tuple(piece.address for piece in copy.pieces),
        )
        for copy in copies
    ]
    cells = stored | {c.cell.address: c for c in target.record_all(staged, batches)}
    return files.with_batches(batches, cells)


def _new_cells(
    target: Target, source: Relation, copy: Copy, stored: Mapping[str, StoredCell]
) -> list[StagedFile]:
    """The file that holds what is new in a copy: itself, or a smaller one of few partitions."""
    new = [piece for piece in copy.pieces if piece.address not in stored]
    rows = sum(piece.rows for piece in new)
    cells = [
        NewCell(each.address, copy.file.path, rows=each.rows, partition=each.partition)
        for each in new
    ]
    if rows * 2 > copy.rows:
        return [StagedFile(copy.path, copy.rows, cells)]
    path = _extract(target, source, copy, [piece.partition for piece in new]) if new else None
    copy.path.unlink()
    return [StagedFile(path, rows, cells)] if path else []


def _extract(target: Target, source: Relation, copy: Copy, labels: Sequence[str]) -> Path:
    split, schema = source.split, target.schema
    assert split is not None
    path = target.store.new_data_path(source.name)
    target.engine.write(
        f"SELECT {column_names(schema)} FROM {copied_rows(copy.path)}"
        f" WHERE {within_sql(split, schema, labels)} ORDER BY {group_sql(split, schema)}",
        path,
    )
    return path

"""Builds a source: reads the raw files that are new, stores rows and quarantine as cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import quote
from headrace.base.partitions import BUCKETS, Split
from headrace.base.tables import PART_COLUMN, Batch, RawFile, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.sources import FILE_PARAMETER
from headrace.pipeline.plan.addresses import quarantine_address
from headrace.pipeline.plan.planning import partitioned_cells
from headrace.pipeline.plan.plans import SourceFiles
from headrace.pipeline.plan.versions import assemble, known_schema
from headrace.pipeline.run.copies import Copy, keep_copies, staged_copies
from headrace.pipeline.run.pieces import Piece, column_names, of_pieces, pieces_of
from headrace.pipeline.run.storing import NewCell, StagedFile, Target
from headrace.sources.reading import FileOutcome, read_files
from headrace.store.data import StoredCell
from headrace.store.store import Store


def build_source(
    engine: DuckDBEngine,
    store: Store,
    root: Path,
    source: Relation,
    quarantine: Relation,
    files: SourceFiles,
) -> tuple[Version, Version]:
    """The next version of a source, and of its quarantine.

    Args:
        engine: reads the files.
        store: receives the cells.
        root: the project's folder, that the files' paths are relative to.
        source: the source.
        quarantine: what holds the rows that do not fit.
        files: every file of the next version; only those not built yet are read.

    Raises:
        SourceError: a file cannot be read by its contract at all, or a row's partition is none.
    """
    rows, aside = f"__rows_{source.name}", f"__aside_{source.name}"
    addresses = {file: each for each, file in files.files}
    with (
        _dropped_tables(engine, rows, aside),
        staged_copies(engine, store, root, source, files.unread) as copies,
    ):
        copied = {copy.file for copy in copies}
        others = [file for file in files.unread if file not in copied]
        outcomes = _read_others(engine, root, source, others, rows, aside)
        # The quarantine first: a file counts as read once its cell of the source is recorded.
        target = Target(engine, store, quarantine.name, known_schema(quarantine))
        set_aside = _keep_aside(target, aside, addresses, outcomes, copies)
        read = _Read(engine, store, source, addresses, rows, outcomes)
        if copies:
            files = keep_copies(read.target, source, copies, addresses, files)
        if outcomes:
            files = read.partitions(files) if source.split else read.whole(files)
    quarantined = dict(files.quarantined) | {cell.cell.address: cell for cell in set_aside}
    wanted = [address for address, _ in files.files]
    return (
        _version(source, files),
        assemble(quarantine, (quarantined[quarantine_address(each)] for each in wanted)),
    )


@contextmanager
def _dropped_tables(engine: DuckDBEngine, *names: str) -> Iterator[None]:
    """Tables of a block that are gone when it ends, however it ends."""
    try:
        yield
    finally:
        for name in names:
            engine.cursor().execute(f"DROP TABLE IF EXISTS {quote(name)}")


def _read_others(
    engine: DuckDBEngine,
    root: Path,
    source: Relation,
    files: Sequence[RawFile],
    rows: str,
    aside: str,
) -> Sequence[FileOutcome]:
    """Read files into the table `rows`, with the columns that the contract derives."""
    declaration = source.declaration
    assert isinstance(declaration, Source)
    outcomes = read_files(engine, root, declaration, files, rows, aside)
    _derive(engine, source, rows, outcomes)
    _require_derived(engine, source, rows, outcomes)
    return outcomes


def _keep_aside(
    target: Target,
    aside: str,
    addresses: Mapping[RawFile, str],
    outcomes: Sequence[FileOutcome],
    copies: Sequence[Copy],
) -> list[StoredCell]:
    """Store what the files gave to the quarantine: a cell each, most often without rows."""
    found = [(each.file, each.part, each.quarantined) for each in outcomes]
    found += [(copy.file, 0, 0) for copy in copies]
    cells = [
        NewCell(quarantine_address(addresses[file]), file.path, part, rows)
        for file, part, rows in found
    ]
    if not any(rows for _, _, rows in found):
        return target.record_all([StagedFile(None, 0, cells)])
    return target.keep(f"SELECT * FROM {quote(aside)} ORDER BY {PART_COLUMN}, line, rowid", cells)


def _derive(
    engine: DuckDBEngine, source: Relation, rows: str, outcomes: Sequence[FileOutcome]
) -> None:
    """Add the columns that the contract derives; one that cannot be computed is NULL."""
    declaration, schema = source.declaration, known_schema(source)
    assert isinstance(declaration, Source)
    types = {column.name: column.type for column in schema}
    for column in declaration.derive:
        name, kind = quote(column.name), types[column.name]
        engine.cursor().execute(f"ALTER TABLE {quote(rows)} ADD COLUMN {name} {kind}")
    for column in declaration.derive:
        value = f"TRY(CAST(({column.sql}\n) AS {types[column.name]}))"
        update = f"UPDATE {quote(rows)} SET {quote(column.name)} = {value}"
        if "$" not in column.sql:
            engine.cursor().execute(update)
            continue
        for outcome in outcomes:
            engine.cursor().execute(
                f"{update} WHERE {PART_COLUMN} = {outcome.part} AND ${FILE_PARAMETER} IS NOT NULL",
                {FILE_PARAMETER: outcome.file.path},
            )


def _require_derived(
    engine: DuckDBEngine, source: Relation, rows: str, outcomes: Sequence[FileOutcome]
) -> None:
    """Make sure that no row lacks the key or the cursor, where these are derived.

    Raises:
        SourceError: one does; nobody could say which row of a key holds.
    """
    declaration = source.declaration
    assert isinstance(declaration, Source)
    needed = {each.lower() for each in (*declaration.key, declaration.cursor)}
    for column in declaration.derive:
        if not declaration.cursor or column.name.lower() not in needed:
            continue
        lacking = engine.cursor().execute(
            f"SELECT {PART_COLUMN}, count(*) FROM {quote(rows)}"
            f" WHERE {quote(column.name)} IS NULL GROUP BY 1 ORDER BY 1 LIMIT 1"
        )
        for part, count in lacking.fetchall():
            raise SourceError(
                f"{outcomes[part].file.path}: {count:,} of its rows have no"
                f" {declaration.name}.{column.name}, which is derived; expected a value in each;"
                " give what it derives from the rule `not_null`, or name the file as the expression"
                " expects"
            )


def _version(source: Relation, files: SourceFiles) -> Version:
    cells = {cell.cell.address: cell for each in files.built.values() for cell in each}
    if source.split is None:
        return assemble(source, (cells[address] for address, _ in files.files))
    return assemble(source, (cells[each.address] for each in partitioned_cells(files)), files)


@dataclass(frozen=True, slots=True)
class _Read:
    """Raw files that have been read into the table `rows`, and are to be stored."""

    engine: DuckDBEngine
    store: Store
    source: Relation
    addresses: Mapping[RawFile, str]
    rows: str
    outcomes: Sequence[FileOutcome]

    @property
    def target(self) -> Target:
        """Where the cells go."""
        return Target(self.engine, self.store, self.source.name, known_schema(self.source))

    def whole(self, files: SourceFiles) -> SourceFiles:
        """Store one cell a file."""
        stored = self.target.keep(
            # By rowid, too: a sort need not keep the order of equal rows.
            f"SELECT {column_names(known_schema(self.source))}, {PART_COLUMN}"
            f" FROM {quote(self.rows)} ORDER BY {PART_COLUMN}, rowid",
            [
                NewCell(
                    self.addresses[each.file], each.file.path, each.part, each.rows, each.rows_in
                )
                for each in self.outcomes
            ],
        )
        return replace(files, built={**files.built, **{c.cell.address: (c,) for c in stored}})

    def partitions(self, files: SourceFiles) -> SourceFiles:
        """Store one cell a file and partition, but for those whose rows are stored already."""
        split = self.source.split
        assert split is not None
        paths = [outcome.file.path for outcome in self.outcomes]
        pieces = pieces_of(self.engine, self.source, quote(self.rows), PART_COLUMN, paths)
        stored = self.store.find_cells(self.source.name)
        new = [piece for piece in pieces if piece.address not in stored]
        batches = self._batches(pieces)
        made = self.target.keep(
            self._select(split, new, everything=len(new) == len(pieces)),
            [self._cell(piece, split) for piece in new],
            batches,
        )
        cells = stored | {cell.cell.address: cell for cell in made}
        return files.with_batches(batches, cells)

    def _batches(self, pieces: Sequence[Piece]) -> list[Batch]:
        cells: dict[int, list[str]] = {outcome.part: [] for outcome in self.outcomes}
        for piece in pieces:
            cells[piece.part].append(piece.address)
        return [
            Batch(self.addresses[each.file], each.file.path, each.rows_in, tuple(cells[each.part]))
            for each in self.outcomes
        ]

    def _cell(self, piece: Piece, split: Split) -> NewCell:
        part = piece.part
        if split.by == "bucket":
            part = part * BUCKETS + int(piece.partition)
        path = self.outcomes[piece.part].file.path
        return NewCell(piece.address, path, part, piece.rows, piece.rows, partition=piece.partition)

    def _select(self, split: Split, new: Sequence[Piece], *, everything: bool) -> str:
        """A SELECT of the rows of the new pieces, those of a partition together."""
        schema = known_schema(self.source)
        group, number = group_sql(split, schema), PART_COLUMN
        columns = column_names(schema)
        if split.by == "bucket":
            number = f"CAST({PART_COLUMN} * {BUCKETS} + {group} AS INTEGER)"
        by_file: dict[int, list[str]] = {}
        for piece in new:
            by_file.setdefault(piece.part, []).append(piece.partition)
        where = "" if everything else f" WHERE {of_pieces(split, schema, by_file) or 'false'}"
        return (
            f"SELECT {columns}, {number} AS {PART_COLUMN} FROM {quote(self.rows)}{where}"
            f" ORDER BY {group}, {quote(self.rows)}.{PART_COLUMN}, rowid"
        )

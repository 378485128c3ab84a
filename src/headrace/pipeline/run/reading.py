"""Builds a source: reads the raw files that are new, stores rows and quarantine as cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import quote
from headrace.base.partitions import BUCKETS, Split
from headrace.base.tables import PART_COLUMN, Batch, RawFile, Schema, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql, label_sql, within_sql
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.sources import FILE_PARAMETER
from headrace.pipeline.plan.addresses import quarantine_address
from headrace.pipeline.plan.planning import partitioned_cells
from headrace.pipeline.plan.plans import SourceFiles
from headrace.pipeline.plan.versions import assemble, known_schema
from headrace.pipeline.run.storing import NewCell, Target
from headrace.sources.reading import FileOutcome, read_files
from headrace.sources.recipe import piece_address
from headrace.store.store import Store

# Each costs an entry in every snapshot: a table has more only by mistake.
MOST_CELLS = 200_000


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
    declaration = source.declaration
    assert isinstance(declaration, Source)
    rows, aside = f"__rows_{source.name}", f"__aside_{source.name}"
    outcomes = read_files(engine, root, declaration, files.unread, rows, aside)
    _derive(engine, source, rows, outcomes)
    read = _Read(engine, store, source, {file: each for each, file in files.files}, rows, outcomes)
    # The quarantine first: a file counts as read once its cell of the source is recorded.
    set_aside = Target(engine, store, quarantine.name, known_schema(quarantine)).keep(
        f"SELECT * FROM {quote(aside)} ORDER BY {PART_COLUMN}, line, rowid",
        [
            NewCell(
                quarantine_address(read.addresses[outcome.file]),
                outcome.file.path,
                outcome.part,
                outcome.quarantined,
            )
            for outcome in outcomes
        ],
    )
    files = read.partitions(files) if source.split else read.whole(files)
    for table in (rows, aside):
        engine.cursor().execute(f"DROP TABLE {quote(table)}")
    quarantined = dict(files.quarantined) | {cell.cell.address: cell for cell in set_aside}
    wanted = [address for address, _ in files.files]
    return (
        _version(source, files),
        assemble(quarantine, (quarantined[quarantine_address(each)] for each in wanted)),
    )


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


def _names(schema: Schema) -> str:
    return ", ".join(quote(column.name) for column in schema)


def _version(source: Relation, files: SourceFiles) -> Version:
    cells = {cell.cell.address: cell for each in files.built.values() for cell in each}
    if source.split is None:
        return assemble(source, (cells[address] for address, _ in files.files))
    return assemble(source, (cells[each.address] for each in partitioned_cells(files)), files)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rows of one raw file in one partition; `part` is the file's in the landed rows."""

    part: int
    partition: str
    rows: int
    address: str


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
            f"SELECT {_names(known_schema(self.source))}, {PART_COLUMN} FROM {quote(self.rows)}"
            f" ORDER BY {PART_COLUMN}, rowid",
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
        pieces = self._pieces(split)
        stored = self.store.find_cells(self.source.name)
        new = [piece for piece in pieces if piece.address not in stored]
        batches = self._batches(pieces)
        made = self.target.keep(
            self._select(split, new, everything=len(new) == len(pieces)),
            [self._cell(piece, split) for piece in new],
            batches,
        )
        cells = stored | {cell.cell.address: cell for cell in made}
        built = {batch.address: tuple(cells[each] for each in batch.cells) for batch in batches}
        known = {batch.address: batch for batch in batches}
        return replace(files, built={**files.built, **built}, batches={**files.batches, **known})

    def _pieces(self, split: Split) -> list[_Piece]:
        """What each file gave to each partition; named by its rows, in whatever order they are.

        Raises:
            SourceError: a row has no partition, or there are too many.
        """
        schema = known_schema(self.source)
        columns = _names(schema)
        found = self.engine.cursor().execute(
            f"SELECT {PART_COLUMN}, {label_sql(split, 'g')} AS label, n, CAST(h AS VARCHAR),"
            f" CAST(i AS VARCHAR) FROM (SELECT {PART_COLUMN}, {group_sql(split, schema)} AS g,"
            # Two sums, because one would be the same for 2^64 sets of rows by mere chance.
            f" count(*) AS n, sum(hash({columns})) AS h, sum(hash('', {columns})) AS i"
            f" FROM {quote(self.rows)} GROUP BY ALL) ORDER BY 1, 2"
        )
        pieces = []
        for part, label, rows, *content in found.fetchall():
            path = self.outcomes[part].file.path
            if label is None:
                raise self._no_partition(path, rows, split)
            own = "" if self._is_replaced else path
            address = piece_address(self.source.recipe, own, label, [rows, *content])
            pieces.append(_Piece(part, label, rows, address))
        if len(pieces) > MOST_CELLS:
            raise self._too_many(len(pieces), split)
        return pieces

    @property
    def _is_replaced(self) -> bool:
        """Whether a file takes the place of the one before, so that there is only ever one."""
        declaration = self.source.declaration
        assert isinstance(declaration, Source)
        return declaration.mode == "snapshot" and not declaration.history

    def _no_partition(self, path: str, rows: int, split: Split) -> SourceError:
        column = f"{self.source.name}.{split.columns[0]}"
        return SourceError(
            f"{path}: {rows:,} of its rows have no {column}, or one before the year 1 or after"
            f" 9999; expected a value that lies in a partition by {split.by}; give the column, or"
            " what it derives from, rules such as `not_null`, `min` and `max`, so that such rows go"
            " to quarantine"
        )

    def _too_many(self, count: int, split: Split) -> SourceError:
        return SourceError(
            f"{self.source.place}: {self.source.name} would have {count:,} cells, by {split};"
            f" expected at most {MOST_CELLS:,}; partition it by a column of fewer values, or to a"
            " coarser grain"
        )

    def _batches(self, pieces: Sequence[_Piece]) -> list[Batch]:
        cells: dict[int, list[str]] = {outcome.part: [] for outcome in self.outcomes}
        for piece in pieces:
            cells[piece.part].append(piece.address)
        return [
            Batch(self.addresses[each.file], each.file.path, each.rows_in, tuple(cells[each.part]))
            for each in self.outcomes
        ]

    def _cell(self, piece: _Piece, split: Split) -> NewCell:
        part = piece.part
        if split.by == "bucket":
            part = part * BUCKETS + int(piece.partition)
        path = self.outcomes[piece.part].file.path
        return NewCell(piece.address, path, part, piece.rows, piece.rows, partition=piece.partition)

    def _select(self, split: Split, new: Sequence[_Piece], *, everything: bool) -> str:
        """A SELECT of the rows of the new pieces, those of a partition together."""
        schema = known_schema(self.source)
        group, number = group_sql(split, schema), PART_COLUMN
        columns = _names(schema)
        if split.by == "bucket":
            number = f"CAST({PART_COLUMN} * {BUCKETS} + {group} AS INTEGER)"
        by_file: dict[int, list[str]] = {}
        for piece in new:
            by_file.setdefault(piece.part, []).append(piece.partition)
        where = "" if everything else f" WHERE {_of_pieces(split, schema, by_file) or 'false'}"
        return (
            f"SELECT {columns}, {number} AS {PART_COLUMN} FROM {quote(self.rows)}{where}"
            f" ORDER BY {group}, {quote(self.rows)}.{PART_COLUMN}, rowid"
        )


def _of_pieces(split: Split, schema: Schema, by_file: Mapping[int, Sequence[str]]) -> str:
    return " OR ".join(
        f"({PART_COLUMN} = {part} AND {within_sql(split, schema, labels)})"
        for part, labels in by_file.items()
    )

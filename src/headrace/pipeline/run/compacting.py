"""Compacts tables: takes cells that are spread over many files, gives the same cells in few.

What an environment shows stays the same, row by row and in all of its addresses; only the places of
the rows change. Nothing is published before the copy has been compared with what it is a copy of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import duckdb

from headrace.base.clock import format_time
from headrace.base.errors import Conflict, StoreError
from headrace.base.names import quote
from headrace.base.partitions import BUCKETS, Split
from headrace.base.tables import PART_COLUMN, Cell, DataFile, Schema, Version
from headrace.engines.duckdb import DuckDBEngine, files_sql, version_sql
from headrace.engines.partition_sql import group_sql, label_sql
from headrace.pipeline.plan.compaction import (
    LIMITS,
    Compaction,
    Limits,
    compaction_of,
    live_rows,
    published_versions,
)
from headrace.store.store import Store

_NAMED = 3
_REMEDY = (
    "nothing was published; `headrace doctor --verify` finds a damaged file, and `headrace gc"
    " --no-compact` leaves all tables as they are"
)


@dataclass(frozen=True, slots=True)
class CompactedTable:
    """One table of an environment, and how many data files it has had and has."""

    table: str
    files_before: int
    files_after: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done in one environment.

    Attributes:
        environment: its name.
        snapshot: number of the snapshot that was published; None when none was.
        tables: those whose files are others now, or would be.
        message: why nothing was published, in words.
    """

    environment: str
    snapshot: int | None
    tables: tuple[CompactedTable, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the rows of a cell are: the data file, and the value of `__cell` in it."""

    file: DataFile
    part: int


_Moved: TypeAlias = dict[tuple[str, str], _Place]
"""(data file, address of a cell) -> where the cell's rows have been copied to."""


def compact(store: Store, engine: DuckDBEngine, limits: Limits = LIMITS) -> list[Compacted]:
    """Rewrite what is worth it of every environment's head, and publish it there.

    What a run publishes meanwhile is kept: of that, too, the cells are moved that were copied.

    Raises:
        StoreError: a file cannot be read or written, or a copy does not hold what it should;
            nothing was published.
    """
    moved: _Moved = {}
    with store.hold():  # another gc must not take the copies for unneeded
        published = published_versions(store)
        live = live_rows(version for versions in published.values() for version in versions)
        for versions in published.values():
            for version in versions:
                # What another environment shows as well is copied once.
                if found := compaction_of(_relocated(version, moved), live, limits):
                    moved |= _rewrite(store, engine, found)
    done = [_publish(store, environment, moved) for environment in published]
    return [each for each in done if each.tables]


def _rewrite(store: Store, engine: DuckDBEngine, compaction: Compaction) -> _Moved:
    version, moved = compaction.version, _Moved()
    try:
        for cells in compaction.groups:
            moved |= _Copy(store, engine, version, cells).make()
    except duckdb.Error as exc:
        reason = str(exc).partition("\n")[0]
        raise StoreError(
            f"{version.table}: cannot be compacted ({reason}); expected its data files as they were"
            f" written, and room for a copy; {_REMEDY}"
        ) from exc
    return moved


@dataclass(frozen=True, slots=True)
class _Copy:
    """Some cells of a version, to be copied to one new data file."""

    store: Store
    engine: DuckDBEngine
    version: Version
    cells: Sequence[Cell]

    def make(self) -> _Moved:
        """Write the file, compare it, and note which cells it holds."""
        table, schema = self.version.table, self.version.schema
        staged = self.store.new_data_path(table)
        parts = _parts(self.cells, self.version.split)
        self._gather(parts)
        written = self.engine.write(self._select(), staged)
        self.engine.cursor().execute(f"DROP TABLE {self._gathered}")
        self._require_same(staged, written.rows, parts)
        file = self.store.keep_file(table, staged, written.rows)
        moved_at = format_time(self.store.clock.now())
        cells = self._placed(file.path, parts)
        self.store.record_cells(table, schema, cells, [file], moved_at=moved_at)
        return {
            (cell.file, cell.address): _Place(file, part)
            for cell, part in zip(self.cells, parts, strict=True)
        }

    def _placed(self, file: str, parts: Sequence[int]) -> tuple[Cell, ...]:
        pairs = zip(self.cells, parts, strict=True)
        return tuple(replace(cell, file=file, part=part) for cell, part in pairs)

    @property
    def _gathered(self) -> str:
        return quote(f"__compacted_{self.version.table}")

    def _gather(self, parts: Sequence[int]) -> None:
        """Bring the rows together, each with its new part, its cell's position and its own row."""
        columns = [f"c{i} {column.type}" for i, column in enumerate(self.version.schema)]
        columns += ["part INTEGER", "position INTEGER", "row BIGINT"]
        cursor = self.engine.cursor()
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {self._gathered} ({', '.join(columns)})")
        by_file: dict[str, list[int]] = {}
        for position, cell in enumerate(self.cells):
            by_file.setdefault(cell.file, []).append(position)
        for path, positions in by_file.items():
            cells = [self.cells[position] for position in positions]
            cursor.execute(
                f"INSERT INTO {self._gathered} {self._rows_sql(path, cells)}",
                {
                    "parts": [cell.part for cell in cells],
                    "labels": [_label(cell, self.version.split) for cell in cells],
                    "new_parts": [parts[position] for position in positions],
                    "positions": positions,
                },
            )

    def _rows_sql(self, path: str, cells: Sequence[Cell]) -> str:
        """A SELECT of the rows of some cells of one file, with where they are to go."""
        schema, split = self.version.schema, self.version.split
        own = [f"c{i}" for i in range(len(schema))]
        columns = [f"{quote(each.name)} AS {name}" for each, name in zip(schema, own, strict=True)]
        held = any(cell.part is not None for cell in cells)
        part = PART_COLUMN if held else "CAST(NULL AS INTEGER)"
        group, label = _group(split, schema), _label_sql(split)
        source = files_sql([self.store.data_root / path])
        return f"""
            WITH moves AS (
                SELECT unnest(CAST($parts AS INTEGER[])) AS part,
                    unnest(CAST($labels AS VARCHAR[])) AS label,
                    unnest(CAST($new_parts AS INTEGER[])) AS new_part,
                    unnest(CAST($positions AS INTEGER[])) AS position
            ), found AS (
                SELECT DISTINCT {part} AS p, {group} AS g FROM {source}
            ), places AS (
                SELECT p, g, new_part, position FROM found JOIN moves
                ON p IS NOT DISTINCT FROM part AND {label} IS NOT DISTINCT FROM label
            ), own AS (
                SELECT {", ".join(columns)}, {part} AS p, {group} AS g, row_number() OVER () AS row
                FROM {source}
            )
            SELECT {", ".join(own)}, new_part, position, row FROM own JOIN places
            ON own.p IS NOT DISTINCT FROM places.p AND own.g IS NOT DISTINCT FROM places.g
        """

    def _select(self) -> str:
        """The rows as they are written: cell after cell, each in the order that it had."""
        columns = ", ".join(
            f"c{i} AS {quote(column.name)}" for i, column in enumerate(self.version.schema)
        )
        table = self._gathered
        return (
            f"SELECT {columns}, part AS {PART_COLUMN} FROM {table}"
            f" ORDER BY {table}.position, {table}.row"
        )

    def _require_same(self, staged: Path, rows: int, parts: Sequence[int]) -> None:
        """Make sure that the copy holds each cell's rows, and together the rows that there were.

        Raises:
            StoreError: it does not; the copy is gone.
        """
        copied = self._placed(staged.name, parts)
        copy = replace(
            self.version,
            cells=copied,
            files=(DataFile(staged.name, rows, size_bytes=0, sha256=""),),
        )
        original = self.version.only(self.cells)
        expected = Counter(
            {(cell.part, _label(cell, self.version.split)): cell.rows for cell in copied}
        )
        found = self._counted(staged)
        before = self._content(original, self.store.data_root)
        if found == expected and before == self._content(copy, staged.parent):
            return
        staged.unlink()
        raise StoreError(
            f"{self.version.table}: its copy has {rows:,} rows in {len(found):,} cells; expected"
            f" the {expected.total():,} rows in {len(expected):,} cells, and the same values, that"
            f" its {len(original.files):,} data files hold; {_REMEDY}"
        )

    def _content(self, version: Version, root: Path) -> tuple[int, str, str]:
        """Rows, and two sums over all of them that do not depend on their order."""
        columns = ", ".join(quote(column.name) for column in version.schema)
        [found] = (
            self.engine.cursor()
            .execute(
                f"SELECT count(*), CAST(sum(hash({columns})) AS VARCHAR),"
                f" CAST(sum(hash('', {columns})) AS VARCHAR)"
                f" FROM ({version_sql(version, root)}\n)"
            )
            .fetchall()
        )
        return found[0], found[1], found[2]

    def _counted(self, staged: Path) -> Counter[tuple[int | None, str | None]]:
        """Part and partition -> rows of the copy."""
        schema, split = self.version.schema, self.version.split
        found = self.engine.cursor().execute(
            f"SELECT part, {_label_sql(split)}, n FROM (SELECT {PART_COLUMN} AS part,"
            f" {_group(split, schema)} AS g, count(*) AS n FROM {files_sql([staged])} GROUP BY ALL)"
        )
        return Counter({(part, label): rows for part, label, rows in found.fetchall()})


def _parts(cells: Sequence[Cell], split: Split | None) -> list[int]:
    """A new part for each cell: with the partition it names the cell, in buckets by itself.

    The cells of different partitions share a part, so that a condition for many of them is short.
    """
    seen: Counter[str | None] = Counter()
    parts: list[int] = []
    for cell in cells:
        number = seen[cell.partition]
        seen[cell.partition] += 1
        is_bucket = split is not None and split.by == "bucket"
        parts.append(number * BUCKETS + int(cell.partition or 0) if is_bucket else number)
    return parts


def _by_part_alone(split: Split | None) -> bool:
    return split is None or split.by == "bucket"


def _label(cell: Cell, split: Split | None) -> str | None:
    return None if _by_part_alone(split) else cell.partition


def _group(split: Split | None, schema: Schema) -> str:
    if split is None or _by_part_alone(split):
        return "CAST(NULL AS VARCHAR)"
    return group_sql(split, schema)


def _label_sql(split: Split | None) -> str:
    return "g" if split is None or _by_part_alone(split) else label_sql(split, "g")


def _relocated(version: Version, moved: Mapping[tuple[str, str], _Place]) -> Version:
    """A version whose cells are read from where they have been copied to."""
    files = {file.path: file for file in version.files}
    cells: list[Cell] = []
    for cell in version.cells:
        place = moved.get((cell.file, cell.address))
        if place is None:
            cells.append(cell)
        else:
            files[place.file.path] = place.file
            cells.append(replace(cell, file=place.file.path, part=place.part))
    if cells == list(version.cells):
        return version
    # In the order in which a plan puts a version together: then it finds nothing to do.
    paths = dict.fromkeys(cell.file for cell in cells if cell.file)
    return replace(version, cells=tuple(cells), files=tuple(files[path] for path in paths))


def _publish(store: Store, environment: str, moved: _Moved) -> Compacted:
    """Publish a head once more with its cells in their new places, unless that disturbs a run.

    A run that finds another head at its end than at its start fails; so none may be going on.
    """
    with store.alone() as idle:
        head = store.head(environment)
        assert head is not None, "an environment never loses its head"
        snapshot = store.snapshot(head)
        tables = {name: _relocated(version, moved) for name, version in snapshot.tables.items()}
        done = tuple(
            CompactedTable(name, len(before.files), len(tables[name].files))
            for name, before in sorted(snapshot.tables.items())
            if tables[name] is not before
        )
        if not done:
            return Compacted(environment, None, ())
        if not idle:
            return Compacted(environment, None, done, "a run has begun meanwhile")
        try:
            ref = store.publish(
                environment,
                replace(snapshot, tables=tables),
                parent=head.number,
                reason=f"compacted {_named([each.table for each in done])}",
            )
        except Conflict:
            return Compacted(environment, None, done, "somebody has published meanwhile")
    return Compacted(environment, ref.number, done)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more

"""Says where compacting pays: takes the versions that are published, gives the files to rewrite.

Each run adds a file to the tables that it builds, and a corrected cell leaves its old rows behind
in a file that it shares. Every file costs time to read, every such row costs disk space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.base.tables import PART_COLUMN, Cell, DataFile, Version
from headrace.store.store import Store


@dataclass(frozen=True, slots=True)
class Limits:
    """When compacting pays, and how large the new files may be; see docs/decisions.md.

    Attributes:
        small_files: a table may have so many files that are less than half full.
        superseded_bytes: so many may be superseded in them, whatever their share.
        file_bytes, file_rows: a full file; only a single cell makes a larger one.
        full_files: a table that would fill more of them gets larger ones instead.
    """

    small_files: int = 50
    superseded_bytes: int = 10_000_000
    file_bytes: int = 256_000_000
    file_rows: int = 20_000_000
    full_files: int = 25


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Compaction:
    """What of a table is to be rewritten.

    Attributes:
        version: the table as it is published.
        files: the data files that it will not need any more.
        groups: the cells that are in them; those of a group get one new file, in this order.
        superseded_bytes: of `files`, about so many hold rows that no environment shows.
    """

    version: Version
    files: tuple[DataFile, ...]
    groups: tuple[tuple[Cell, ...], ...]
    superseded_bytes: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the files to rewrite."""
        return sum(file.size_bytes for file in self.files)


def published_versions(store: Store) -> dict[str, tuple[Version, ...]]:
    """Environment -> the tables that its head shows."""
    heads = {name: store.head(name) for name in store.environments()}
    return {
        name: tuple(store.snapshot(head).tables.values()) for name, head in heads.items() if head
    }


def compactions(store: Store, limits: Limits = LIMITS) -> dict[str, tuple[Compaction, ...]]:
    """Environment -> what of its tables is worth rewriting. Reads snapshots, and no rows."""
    published = published_versions(store)
    live = live_rows(version for versions in published.values() for version in versions)
    found = {
        name: tuple(each for version in versions if (each := compaction_of(version, live, limits)))
        for name, versions in published.items()
    }
    return {name: each for name, each in found.items() if each}


def live_rows(versions: Iterable[Version]) -> dict[str, int]:
    """Path of a data file -> how many of its rows any of the versions reads."""
    cells = {(cell.file, cell.address): cell.rows for version in versions for cell in version.cells}
    live: dict[str, int] = {}
    for (file, _), rows in cells.items():
        live[file] = live.get(file, 0) + rows
    return live


def compaction_of(
    version: Version, live: Mapping[str, int], limits: Limits = LIMITS
) -> Compaction | None:
    """What of a table is worth rewriting; None when nothing is.

    Files that are at least half full, and at least half in use, are left alone.

    Args:
        version: the table.
        live: path -> rows in use; a file that is not there is in use as a whole.
        limits: when it pays.
    """
    if any(column.name.lower() == PART_COLUMN for column in version.schema):
        return None  # a model's own column: its cells could not be told apart in one file
    full = _Full.of(version, limits)
    used = {
        file.path: min(1.0, live.get(file.path, file.rows) / file.rows) for file in version.files
    }
    files = tuple(file for file in version.files if full.share(file) < 0.5 or used[file.path] < 0.5)
    size_bytes = sum(file.size_bytes for file in files)
    superseded = round(sum(file.size_bytes * (1 - used[file.path]) for file in files))
    too_many = len(files) > limits.small_files
    wasteful = superseded > max(limits.superseded_bytes, size_bytes / 2)
    if not too_many and not wasteful:
        return None
    return Compaction(version, files, _groups(version, files, full), superseded)


@dataclass(frozen=True, slots=True)
class _Full:
    """How large a file of one table is when it is full."""

    size_bytes: float
    rows: float

    @classmethod
    def of(cls, version: Version, limits: Limits) -> _Full:
        return cls(
            max(limits.file_bytes, version.size_bytes / limits.full_files),
            max(limits.file_rows, version.rows / limits.full_files),
        )

    def share(self, file: DataFile, rows: int | None = None) -> float:
        """How full a file would be with so many rows of another, by default with all."""
        part = 1.0 if rows is None else rows / file.rows
        return part * max(file.size_bytes / self.size_bytes, file.rows / self.rows)


def _groups(
    version: Version, files: Iterable[DataFile], full: _Full
) -> tuple[tuple[Cell, ...], ...]:
    by_path = {file.path: file for file in files}
    groups: list[list[Cell]] = [[]]
    filled = 0.0
    for cell in version.cells:
        if cell.file not in by_path:
            continue
        share = full.share(by_path[cell.file], cell.rows)
        if groups[-1] and filled + share > 1:
            groups.append([])
            filled = 0.0
        groups[-1].append(cell)
        filled += share
    return tuple(map(tuple, groups))

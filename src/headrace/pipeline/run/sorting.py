"""Sorts what is read partition by partition: takes versions, gives the same rows in sorted files.

A raw file that became a data file as it is has its rows in any order, so that each partition read
alone costs a look through all of it. Whoever reads many of them sorts the rows once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from headrace.base.tables import DataFile, Version
from headrace.engines.duckdb import DuckDBEngine, version_sql
from headrace.engines.partition_sql import group_sql
from headrace.store.store import Store


@contextmanager
def in_order(
    engine: DuckDBEngine, store: Store, versions: Mapping[str, Version]
) -> Iterator[dict[str, Version]]:
    """Versions with the same cells, whose files are sorted by partition; gone after the `with`."""
    made: dict[str, Version] = {}
    try:
        for name, version in versions.items():
            made[name] = _sorted(engine, store, version) if _is_mixed(version) else version
        yield made
    finally:
        for name, version in made.items():
            if version is not versions[name]:
                (store.data_root / version.files[0].path).unlink(missing_ok=True)


def _is_mixed(version: Version) -> bool:
    """Whether rows of a file may be in any order: the files of our own are sorted."""
    by_bucket = version.split is not None and version.split.by == "bucket"
    taken_as_it_is = any(cell.part is None and cell.file for cell in version.cells)
    return version.kind == "source" and not by_bucket and taken_as_it_is


def _sorted(engine: DuckDBEngine, store: Store, version: Version) -> Version:
    assert version.split is not None
    staged = store.new_data_path(version.table)
    rows = version_sql(version, store.data_root)
    group = group_sql(version.split, version.schema)
    written = engine.write(f"SELECT * FROM ({rows}) ORDER BY {group}", staged)
    # An absolute path stays what it is below the folder of data.
    file = DataFile(str(staged.absolute()), written.rows, written.size_bytes, "")
    cells = (
        replace(cell, file=file.path if cell.rows else "", part=None) for cell in version.cells
    )
    return replace(version, cells=tuple(cells), files=(file,))

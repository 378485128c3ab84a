"""What planning costs as a table's cells grow to 100,000: gives figures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import HEADRACE, Figure, median, run
from benchmarks.workloads import write_files, write_parquet

_TIMES = 5
# By the hour: the rows as they came, and the newest of each key, are a cell an hour each.
_SOURCE = """\
files: data/*.parquet
key: id
cursor: at
partition: {column: at, by: hour}
columns: {id: bigint, at: timestamp}
"""
_ROWS = "SELECT i AS id, TIMESTAMP '2020-01-01' + i * INTERVAL 1 HOUR AS at FROM range({}) AS t(i)"


def many_cells(folder: Path) -> Iterator[Figure]:
    """A plan with nothing changed, over 1,000, 10,000 and 100,000 cells."""
    for cells in (1_000, 10_000, 100_000):
        project = folder / f"cells{cells}"
        write_files(project, {"headrace.toml": 'name = "cells"\n', "sources/seen.yaml": _SOURCE})
        write_parquet(project / "data" / "seen.parquet", _ROWS.format(cells // 2))
        run([HEADRACE, "run"], project)
        cost = median(partial(run, [HEADRACE, "plan"], project), _TIMES)
        limit = "2 s CPU" if cells == 100_000 else ""
        kept = cost.cpu_seconds < 2
        yield Figure(f"{cells:,} cells, plan, nothing changed", cost, limit, kept)

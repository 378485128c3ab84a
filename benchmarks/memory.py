"""Whether a table four times as large as the memory limit is built within it: gives figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import HEADRACE, Figure, run
from benchmarks.workloads import write_files, write_parquet

LIMIT_MB, MARGIN_MB = 256, 64
ROWS = 8_000_000
_SETTINGS = 'name = "large"\n[run]\nmemory_limit = "{}MB"\n'
# 36 bytes of numbers and references and 96 of text a row: 1.06 GB in memory. `k` is unsigned, so
# that the file cannot be taken as it is, and goes the longer way through a table.
_ROWS = """\
SELECT i AS id, hash(i) % 100000000 AS k, md5('a' || i) || md5('b' || i) || md5('c' || i) AS text,
  DATE '2020-01-01' + CAST(hash(i) % 1000 AS INTEGER) AS day
FROM range({rows}) AS t(i)"""
_MODELS = {
    "landed_sorted": "SELECT * FROM events ORDER BY k, id",
    "grouped": "SELECT text, count(*) AS n, max(id) AS newest FROM events GROUP BY text",
    "by_day": "/*\npartition: {column: day, by: day}\n*/\nSELECT * FROM events",
}
_SOURCE = """\
files: data/*.parquet
columns: {id: bigint, k: bigint, text: text, day: {type: date, not_null: true}}
partition: {column: day, by: day}
"""


def large_table(folder: Path) -> Iterator[Figure]:
    """Landing, sorting, grouping and partitioning 1.06 GB with 256 MB of memory."""
    idle, project = folder / "idle", folder / "large"
    write_files(
        idle, {"headrace.toml": _SETTINGS.format(LIMIT_MB), "models/m.sql": "SELECT 1 AS i\n"}
    )
    base = run([HEADRACE, "run"], idle).memory_bytes
    files = {f"models/{name}.sql": f"{sql}\n" for name, sql in _MODELS.items()}
    files |= {"headrace.toml": _SETTINGS.format(LIMIT_MB), "sources/events.yaml": _SOURCE}
    write_files(project, files)
    write_parquet(project / "data" / "events.parquet", _ROWS.format(rows=ROWS))
    cost = run([HEADRACE, "run"], project)
    beyond = (cost.memory_bytes - base) / 1e6
    limit = (
        f"{LIMIT_MB} MB + {MARGIN_MB} MB beyond an idle run's {base / 1e6:.0f} (is {beyond:.0f})"
    )
    kept = beyond <= LIMIT_MB + MARGIN_MB
    yield Figure("1.06 GB built with `memory_limit` 256 MB", cost, limit, kept)

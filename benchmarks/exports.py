"""How fast a million rows are written in each format, and what memory that takes: gives figures."""

from __future__ import annotations

import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast, get_args

import duckdb
import msgspec
import pyarrow as pa

from benchmarks.measuring import Cost, Figure
from benchmarks.workloads import write_parquet
from headrace.base.tables import Schema
from headrace.engines.duckdb import described, files_sql, open_duckdb
from headrace.serve.formats.forms import Ending, Form, pieces

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ROWS, SMALL_ROWS = 1_000_000, 50
TIMES, SMALL_TIMES = 3, 200
GROWTH_MB = 100
_RAW_ROWS = 8 * 2048
# Megabytes in a second of CPU: with one thread, that is the time without other programs' share.
LIMITS: dict[str, int] = {"json": 100, "ndjson": 100, "csv": 100, "arrow": 250}
_SELECT = """\
SELECT i AS id, CAST(hash(i) % 1000 AS INTEGER) AS store, CAST(hash(i) % 100000 AS DECIMAL(12,2))
    / 100 AS amount, (hash(i) % 1000000) / 7.0 AS ratio,
  DATE '2020-01-01' + CAST(hash(i) % 1500 AS INTEGER) AS day,
  TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS sold_at,
  'customer ' || hash(i) % 50000 AS customer, i % 2 = 0 AS paid
FROM range({rows}) AS t(i)"""


@dataclass(frozen=True, slots=True)
class Export:
    """One export: CPU and wall time, the time of the first piece, bytes, growth of memory."""

    cpu_seconds: float
    wall_seconds: float
    first_seconds: float
    size_bytes: int
    growth_bytes: int

    @property
    def rate(self) -> float:
        """Megabytes in a second of CPU."""
        return self.size_bytes / self.cpu_seconds / 1e6


def exports(folder: Path) -> Iterator[Figure]:
    """Each format, an Arrow stream by pyarrow alone, and small answers against the bare query."""
    file = folder / "exports.parquet"
    write_parquet(file, _SELECT.format(rows=ROWS))
    raw = _median("raw", file)
    yield _figure("Arrow stream, raw DuckDB", raw)
    for ending in get_args(Ending):
        found = _median(ending, file)
        yield _export_figure(ending, found, raw)
    bare, small = (statistics.median(each) for each in _small(file))
    limit = f"1.25 × the bare query, rows as tuples (is {small / bare:.2f} ×)"
    cost = Cost(small * SMALL_TIMES, small * SMALL_TIMES, 0)
    yield Figure(f"{SMALL_TIMES} answers of {SMALL_ROWS} rows", cost, limit, small < 1.25 * bare)


def _export_figure(ending: str, found: Export, raw: Export) -> Figure:
    growth = found.growth_bytes / 1e6
    least = LIMITS.get(ending, 0)
    kept = growth < GROWTH_MB and found.rate >= least
    limit = f"{least} MB/s (is {found.rate:.0f}), " if least else f"(is {found.rate:.0f} MB/s), "
    if ending == "arrow":
        share = found.rate / raw.rate
        kept = growth < GROWTH_MB and (found.rate >= least or share >= 0.7)
        limit = f"{least} MB/s or 70 % of raw (is {found.rate:.0f}, {share:.0%}), "
    first = f", first piece after {found.first_seconds * 1e3:.0f} ms"
    return _figure(
        f"{ROWS:,} rows as {ending}",
        found,
        f"{limit}+{GROWTH_MB} MB (is {growth:.0f}){first}",
        kept,
    )


def _figure(workload: str, found: Export, limit: str = "", kept: bool = True) -> Figure:
    cost = Cost(found.cpu_seconds, found.wall_seconds, found.growth_bytes)
    return Figure(workload, cost, limit, kept)


def _median(what: str, file: Path) -> Export:
    """The export with the median rate, each in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.exports", what, str(file)]
    found = [
        msgspec.json.decode(
            subprocess.run(command, capture_output=True, check=True).stdout, type=Export
        )
        for _ in range(TIMES)
    ]
    return sorted(found, key=lambda each: each.rate)[TIMES // 2]


def _export(what: str, file: Path) -> Export:
    """Write all rows of a file to nowhere."""
    sql = f"SELECT * FROM {files_sql([file])}"
    with open_duckdb({"threads": 1}) as connection, Path(os.devnull).open("wb") as out:
        columns = described(connection, sql)
        # What is loaded once in the life of a process is no cost of an answer.
        _written(what, connection, f"{sql} LIMIT 10", columns, out)
        before = _peak_bytes()
        cpu, started = time.process_time(), time.monotonic()
        size_bytes, first_seconds = _written(what, connection, sql, columns, out)
        cpu, wall = time.process_time() - cpu, time.monotonic() - started
        return Export(cpu, wall, first_seconds, size_bytes, _peak_bytes() - before)


def _written(
    what: str, connection: duckdb.DuckDBPyConnection, sql: str, columns: Schema, out: IO[bytes]
) -> tuple[int, float]:
    """Bytes, and seconds until the first of them were there."""
    started, size_bytes, first_seconds = time.monotonic(), 0, 0.0
    if what == "raw":
        counted = _Counted(out)
        reader = connection.sql(sql).to_arrow_reader(_RAW_ROWS)
        with pa.ipc.new_stream(counted, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        return counted.size_bytes, 0.0
    for piece in pieces(connection, sql, {}, columns, Form(cast("Ending", what))):
        first_seconds = first_seconds or time.monotonic() - started
        size_bytes += out.write(piece)
    return size_bytes, first_seconds


class _Counted(io.RawIOBase):
    """A file that counts what goes through it."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__()
        self._out = out
        self.size_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        written = self._out.write(data)
        self.size_bytes += written
        return written


def _small(file: Path) -> tuple[list[float], list[float]]:
    """Seconds of CPU of a bare query of a few rows, and of its answer, by turns."""
    with open_duckdb({"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE t AS FROM {files_sql([file])} LIMIT 10000")
        sql = f"SELECT * FROM (SELECT * FROM t WHERE id >= $low ORDER BY id) LIMIT {SMALL_ROWS}"
        columns = described(connection, "SELECT * FROM t")
        [statement] = duckdb.extract_statements(sql)
        bare, answers = [], []
        for number in range(SMALL_TIMES):
            given = {"low": number}
            started = time.process_time()
            connection.execute(statement, given).fetchall()
            between = time.process_time()
            b"".join(pieces(connection, sql, given, columns, Form("json")))
            bare.append(between - started)
            answers.append(time.process_time() - between)
        return bare, answers


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    """Without arguments, measure all and print it; with two, measure one and print that as JSON."""
    if sys.argv[1:]:
        sys.stdout.buffer.write(msgspec.json.encode(_export(sys.argv[1], Path(sys.argv[2]))))
        return 0
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        figures = list(exports(Path(name)))
    print("\n".join(map(str, figures)))
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())

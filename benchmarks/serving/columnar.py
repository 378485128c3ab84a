"""A query that no copy answers: what it costs served, and in DuckDB alone over the same files."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.serving import ours
from benchmarks.serving.load import drive, get
from benchmarks.serving.servers import (
    LOAD_CORE,
    SERVER_CORE,
    Server,
    cpu_clocks,
    cpu_seconds,
    pinned,
)

_DEAREST = 10_000  # cents


@dataclass(frozen=True, slots=True)
class Columnar:
    """Milliseconds a query, medians: of CPU, and of wall time with one client."""

    served_cpu: float
    served_wall: float
    raw_cpu: float
    raw_wall: float

    @property
    def allowed(self) -> float:
        """The most milliseconds of CPU that a served query may take."""
        return 1.3 * self.raw_cpu + 1


def data_files(project: Path, table: str) -> list[str]:
    """The published data files of a table."""
    return [str(path) for path in (project / ".headrace/store/data" / table).glob("*.parquet")]


def raw_duckdb(project: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB over the data files of `orders`, with one thread, as a served query has."""
    connection = duckdb.connect(config={"threads": 1})
    files = data_files(project, "orders")
    connection.execute(f"CREATE VIEW orders AS FROM read_parquet({files!r})")
    return connection


def between(count: int) -> list[tuple[str, str]]:
    """Pairs of two amounts, each pair once: no answer is in a cache."""
    chance = random.Random(5)
    pairs: set[tuple[int, int]] = set()
    while len(pairs) < count:
        low, high = sorted(chance.sample(range(100, _DEAREST), 2))
        pairs.add((low, high))
    return [(f"{low / 100:.2f}", f"{high / 100:.2f}") for low, high in sorted(pairs, key=sum)]


def measure(server: Server, project: Path, rounds: int, seconds: float) -> Columnar:
    """Both in turn; every query has parameters that none before it had."""
    pairs = between(20_000)
    random.Random(6).shuffle(pairs)
    requests = iter([get(f"/totals?least={least}&most={most}") for least, most in pairs])
    asked = iter(pairs)
    served, alone = [], []
    with pinned(SERVER_CORE):
        connection = raw_duckdb(project)
    for _ in range(rounds + 1):
        served.append(_served(server, requests, seconds))
        with pinned(SERVER_CORE):
            alone.append(_alone(connection, asked, seconds))
    connection.close()
    return Columnar(*_medians(served[1:]), *_medians(alone[1:]))


def _served(server: Server, requests: Iterator[bytes], seconds: float) -> tuple[float, float]:
    with pinned(LOAD_CORE):
        before = cpu_clocks(server)
        load = drive(server.port, requests, seconds=seconds, connections=1)
        spent = cpu_seconds(before, cpu_clocks(server))
    return spent / load.answers * 1e3, load.seconds / load.answers * 1e3


def _alone(
    connection: duckdb.DuckDBPyConnection, asked: Iterator[tuple[str, str]], seconds: float
) -> tuple[float, float]:
    began, cpu, queries = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        least, most = next(asked)
        connection.execute(ours.AGGREGATE, {"least": least, "most": most}).fetchall()
        queries += 1
    ended = time.perf_counter()
    return (time.process_time() - cpu) / queries * 1e3, (ended - began) / queries * 1e3


def _medians(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    cpu, wall = zip(*found, strict=True)
    return statistics.median(cpu), statistics.median(wall)

"""Exports of many rows: takes a server, gives their pace and memory, and those of DuckDB alone."""

from __future__ import annotations

import io
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.ipc
import pyarrow.parquet

from benchmarks.serving import ours
from benchmarks.serving.answers import fetch
from benchmarks.serving.columnar import data_files
from benchmarks.serving.load import UnexpectedAnswer, get
from benchmarks.serving.peers.peer import APPS
from benchmarks.serving.servers import (
    LOAD_CORE,
    Server,
    cpu_clocks,
    cpu_seconds,
    pinned,
    private_bytes_of,
    started_with_pipe,
    tree,
)

FORMATS = ("arrow", "ndjson", "csv", "parquet")
_CHUNK = 1 << 20
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """One export: `cpu_seconds` of the writer, `grown_bytes` its memory beyond what it had."""

    size_bytes: int
    seconds: float
    cpu_seconds: float
    grown_bytes: int = 0

    @property
    def pace(self) -> float:
        """Megabytes a second of CPU: of wall time, when a core does nothing else."""
        return self.size_bytes / self.cpu_seconds / 1e6


@dataclass(frozen=True, slots=True)
class Export:
    """A format: what we serve, and what DuckDB alone writes into a pipe."""

    format: str
    served: Transfer
    alone: Transfer


def measure(server: Server, project: Path, rows: int, times: int) -> list[Export]:
    """Each format `times` times, ours and DuckDB's in turn, after once that does not count.

    Raises:
        UnexpectedAnswer: an export has not as many rows as it was asked for.
    """
    exports = []
    for form in FORMATS:
        _require_rows(server, form, rows)
    with pinned(LOAD_CORE), _writer(project) as writer:
        for form in FORMATS:
            served, alone = [], []
            # Each has a row less than the one before it: no answer is in a cache.
            for count in range(rows, rows - times - 1, -1):
                served.append(_served(server, form, count))
                alone.append(_alone(writer, form, count, project))
            exports.append(Export(form, _median(served[1:]), _median(alone[1:])))
    return exports


def _require_rows(server: Server, form: str, rows: int) -> None:
    body, answer = fetch(server.port, get(f"/export.{form}?limit={rows}"))
    if answer.status != 200:
        raise UnexpectedAnswer(f"/export.{form}: {answer.status}, {body[:400]!r}")
    if (found := _COUNTED[form](body)) != rows:
        raise UnexpectedAnswer(f"/export.{form}: {found:,} rows, expected {rows:,}")


_COUNTED: Mapping[str, Callable[[bytes], int]] = {
    "arrow": lambda body: int(pyarrow.ipc.open_stream(body).read_all().num_rows),
    "ndjson": lambda body: body.count(b"\n"),
    "csv": lambda body: body.count(b"\n") - 1,
    "parquet": lambda body: int(pyarrow.parquet.read_metadata(io.BytesIO(body)).num_rows),
}


def _median(transfers: list[Transfer]) -> Transfer:
    return Transfer(
        transfers[0].size_bytes,
        statistics.median(each.seconds for each in transfers),
        statistics.median(each.cpu_seconds for each in transfers),
        max(each.grown_bytes for each in transfers),
    )


def _served(server: Server, form: str, rows: int) -> Transfer:
    request = get(f"/export.{form}?limit={rows}", "Connection: close")
    processes = tree(server.roots)
    before, began, clocks = private_bytes_of(processes), time.perf_counter(), cpu_clocks(server)
    size_bytes, most, looked = 0, before, began
    buffer = bytearray(_CHUNK)
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=_PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        while got := connection.recv_into(buffer):
            if not size_bytes and not buffer.startswith(b"HTTP/1.1 200"):
                raise UnexpectedAnswer(f"/export.{form}: {bytes(buffer[:got])!r}")
            size_bytes += got
            if (now := time.perf_counter()) - looked > _LOOK_SECONDS:
                most, looked = max(most, private_bytes_of(processes)), now
    seconds = time.perf_counter() - began
    spent = cpu_seconds(clocks, cpu_clocks(server))
    return Transfer(size_bytes, seconds, spent, most - before)


@contextmanager
def _writer(project: Path) -> Iterator[subprocess.Popen[str]]:
    """DuckDB in a process of its own, which writes one export for each line that it is sent."""
    command = [sys.executable, str(APPS / "raw_exports.py"), ours.EXPORT]
    with started_with_pipe([*command, *data_files(project, "orders")]) as process:
        yield process


def _alone(writer: subprocess.Popen[str], form: str, rows: int, project: Path) -> Transfer:
    pipe = project / "export.pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    asked = Server("DuckDB", 0, (writer.pid,))
    before, began = cpu_clocks(asked), time.perf_counter()
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write(f"{form} {rows} {pipe}\n")
    writer.stdin.flush()
    size_bytes, buffer = 0, bytearray(_CHUNK)
    with pipe.open("rb", buffering=0) as read:
        while got := read.readinto(buffer):
            size_bytes += got
    writer.stdout.readline()
    seconds = time.perf_counter() - began
    pipe.unlink()
    return Transfer(size_bytes, seconds, cpu_seconds(before, cpu_clocks(asked)))

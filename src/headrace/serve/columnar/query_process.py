"""A query process: takes requests over one socket, gives the replies of locked snapshots.

It ends with the server that started it, however that ends. Interrupts come over a socket of their
own; both are file descriptors that are handed over:
`python -m headrace.serve.columnar.query_process REQUESTS INTERRUPTS`.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import select
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import duckdb

from headrace.serve.columnar.in_process import InProcessStream, bound_fields
from headrace.serve.columnar.queries import QueryFailed, failure_of
from headrace.serve.columnar.query_frames import (
    DONE,
    FAILED,
    LARGEST_REPLY_BYTES,
    LAST,
    LAST_OF_MORE,
    MORE,
    Bind,
    Close,
    Drop,
    Ended,
    Failure,
    More,
    Open,
    Query,
    Request,
    Start,
    decode_request,
    encode,
    receive_frame,
    receive_interrupt,
    send_frame,
)
from headrace.serve.columnar.snapshot_reader import (
    Cursors,
    Limits,
    PieceStream,
    open_instance,
    require_one_select,
)

_MIB = 1024 * 1024
# Beside the queries' share: the parser, threads and their stacks, pieces on their way, what the
# allocator keeps. With 64 MiB, 5,000 parentheses were out of memory instead of refused.
_SLACK_BYTES = 256 * _MIB
_THREAD_BYTES = 16 * _MIB
# What pyarrow maps when the first Arrow, Parquet or Excel file is written; before, it would take
# every process 40 MB and 0.3 s.
_FILES_BYTES = 320 * _MIB
# Files in memory, of two snapshots at the same time: a Parquet file is a fifth of its rows.
_COPY_FACTOR = 10
# When less than this can still be had after a query ran out of memory, a new process is better.
_ROOM_BYTES = 16 * _MIB
_LOOK_EVERY_SECONDS = 2.0
_SIZE = re.compile(r"([0-9.]+) (bytes|KiB|MiB|GiB|TiB)")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": _MIB, "GiB": 2**30, "TiB": 2**40}


# Asked for each query, and told apart by its text.
require_select = lru_cache(maxsize=4096)(require_one_select)


class Running:
    """The query that runs now, which another thread may interrupt."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._lock = threading.Lock()
        self._query: int | None = None
        self._stream: InProcessStream | None = None

    @contextmanager
    def of(self, query: int, stream: InProcessStream) -> Iterator[None]:
        """Let `stream` be what an interrupt of `query` means."""
        with self._lock:
            self._query, self._stream = query, stream
        try:
            yield
        finally:
            with self._lock:
                self._query = self._stream = None

    def interrupt(self, query: int) -> None:
        """Interrupt a query, if it is the one that runs."""
        with self._lock:
            if self._stream is not None and self._query == query:
                self._stream.interrupt()


@dataclass(slots=True)
class _Open:
    """A query that has more pieces: `parts` are encoded and not yet sent."""

    snapshot: int
    stream: InProcessStream
    parts: deque[bytes] = field(default_factory=deque)
    is_last: bool = False


class QueryProcess:
    """Snapshots and queries, one request at a time."""

    def __init__(self, start: Start, running: Running, limit: Callable[[int], None]) -> None:
        """Limit this process, for good: `limit` takes the bytes that it may have beyond now."""
        share_bytes = share_of_memory(start.memory_limit, start.processes)
        self._limits = Limits(start.query_threads, f"{share_bytes // _MIB}MiB")
        self._running = running
        self._snapshots: dict[int, Cursors] = {}
        self._queries: dict[int, _Open] = {}
        slack = _SLACK_BYTES + _FILES_BYTES + start.query_threads * _THREAD_BYTES
        limit(share_bytes + slack + _COPY_FACTOR * start.copy_bytes)

    def reply(self, request: Request) -> tuple[int, bytes] | None:
        """Kind and bytes of the reply; None when the request has none.

        Raises:
            QueryFailed: there is no answer.
        """
        if isinstance(request, Query):
            return self._query(request)
        if isinstance(request, More):
            return self._more(request.query)
        if isinstance(request, Bind):
            cursors = self._snapshots[request.snapshot]
            return DONE, encode(bound_fields(cursors, request.sql, request.parameters))
        if isinstance(request, Open):
            return self._open(request)
        if isinstance(request, Drop):
            self._drop(request.snapshot)
        elif isinstance(request, Close):
            self._close(request.query)
        return None

    def _open(self, opening: Open) -> tuple[int, bytes]:
        root = Path(opening.data_root)
        try:
            connection = open_instance(opening.definitions, root, self._limits)
        except duckdb.Error as exc:
            raise failure_of(exc, has_values=False) from exc
        self._snapshots[opening.snapshot] = Cursors(connection)
        return DONE, b""

    def _query(self, query: Query) -> tuple[int, bytes]:
        cursors = self._snapshots[query.snapshot]
        require_select(query.sql)
        stream = PieceStream(
            cursors, query.sql, query.parameters, query.columns, query.form, query.limit
        )
        self._queries[query.query] = _Open(query.snapshot, InProcessStream(stream))
        return self._more(query.query)

    def _more(self, number: int) -> tuple[int, bytes]:
        query = self._queries[number]
        if not query.parts:
            try:
                with self._running.of(number, query.stream):
                    piece, query.is_last = query.stream.next()
            except QueryFailed:
                self._close(number)
                raise
            query.parts.extend(_parts(piece))
        part = query.parts.popleft()
        if query.parts or not query.is_last:
            return MORE, part
        self._close(number)
        return (LAST_OF_MORE if query.stream.more else LAST), part

    def _close(self, number: int) -> None:
        query = self._queries.pop(number, None)
        if query is not None:
            query.stream.close()

    def _drop(self, snapshot: int) -> None:
        for number in [each for each, query in self._queries.items() if query.snapshot == snapshot]:
            self._close(number)
        cursors = self._snapshots.pop(snapshot, None)
        if cursors is not None:
            cursors.close()


def _parts(piece: bytes) -> Iterator[bytes]:
    """A piece in parts that fit into a reply, at least one; a row may be of any size."""
    for begin in range(0, max(1, len(piece)), LARGEST_REPLY_BYTES):
        yield piece[begin : begin + LARGEST_REPLY_BYTES]


def share_of_memory(memory_limit: str, processes: int) -> int:
    """The bytes that one of several processes may use.

    Args:
        memory_limit: of all together, as DuckDB writes it; "" for its default.
        processes: how many.
    """
    with duckdb.connect(":memory:") as connection:
        if memory_limit:
            connection.execute("SET memory_limit=$limit", {"limit": memory_limit})
        [text] = connection.execute("SELECT current_setting('memory_limit')").fetchone() or [""]
    match = _SIZE.fullmatch(text)
    assert match, text
    return int(float(match[1]) * _UNITS[match[2]]) // processes


def limit_memory(more_bytes: int) -> None:
    """Refuse this process more than `more_bytes` beyond what it has; of no use but on Linux."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most_bytes = pages * resource.getpagesize() + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard not in (resource.RLIM_INFINITY, -1):
        most_bytes = min(most_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    # When the machine itself has no memory left, this process is to go before the server.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def answer_requests(
    requests: socket.socket, running: Running, limit: Callable[[int], None]
) -> None:
    """Answer until there are no more requests.

    Args:
        requests: where they come from, and replies go.
        running: what runs, for whoever interrupts it.
        limit: takes the bytes that this process may have beyond what it has now.

    Raises:
        Ended: there are no more.
    """
    start = decode_request(receive_frame(requests)[1])
    assert isinstance(start, Start)
    process = QueryProcess(start, running, limit)
    send_frame(requests, DONE, b"")
    while True:
        request = decode_request(receive_frame(requests)[1])
        try:
            reply = process.reply(request)
        # Whatever goes wrong with one request, the next one is answered.
        except Exception as exc:  # noqa: BLE001
            reply = FAILED, encode(_failure(exc))
        if reply is not None:
            send_frame(requests, *reply)


def _failure(exc: Exception) -> Failure:
    failed = failure_of(exc)
    is_worn = failed.kind == "memory" and not _has_room()
    return Failure(failed.kind, str(failed), is_worn)


def _has_room() -> bool:
    try:
        return bool(bytearray(_ROOM_BYTES))
    except MemoryError:
        return False


def _listen(interrupts: socket.socket, running: Running, parent: int) -> None:
    """Interrupt what shall be; end with the server.

    The socket of a killed server closes by itself, unless a process that it has forked holds it,
    too: so its number is looked at now and then.
    """
    waiting = select.poll()
    waiting.register(interrupts, select.POLLIN)
    try:
        while os.getppid() == parent:
            if waiting.poll(_LOOK_EVERY_SECONDS * 1000):
                running.interrupt(receive_interrupt(interrupts))
    finally:
        os._exit(0)


def main() -> None:
    """Answer requests until the server is gone."""
    parent = os.getppid()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # They are meant for the server, which ends its query processes when it is done.
        signal.signal(number, signal.SIG_IGN)
    requests, interrupts = (socket.socket(fileno=int(each)) for each in sys.argv[1:])
    gc.freeze()
    running = Running()
    threading.Thread(target=_listen, args=(interrupts, running, parent), daemon=True).start()
    with suppress(Ended, OSError):
        answer_requests(requests, running, limit_memory)


if __name__ == "__main__":
    main()

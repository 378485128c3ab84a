"""What a query is to the rest of serving: its rows as encoded pieces, or one of a few failures.

Two kinds of readers answer: that of `in_process` in a thread of this process, that of
`query_processes` in a process which can be limited and killed.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

import duckdb

from headrace.base.tables import Schema
from headrace.serve.answering.answers import Piece
from headrace.serve.columnar.snapshot_reader import INTERRUPT_EVERY_SECONDS, SnapshotReader
from headrace.serve.formats.forms import Form
from headrace.store.snapshots import Ref, Snapshot
from headrace.store.store import Store

FailureKind: TypeAlias = Literal["values", "memory", "interrupted", "process", "failed"]

# What DuckDB raises when a value does not fit the query: a bad pattern, a sum out of range; and a
# negative LIMIT, as a query that has been bound before binds with every other value.
_OF_VALUES = (duckdb.DataError, duckdb.InvalidInputException, duckdb.BinderException)


class QueryFailed(Exception):
    """A query has no answer. The message is for the log, never for a client.

    `kind` says whose doing that is: "values" that of the request's parameters, "memory" of the
    limit, "interrupted" of whoever called `interrupt` or `close`, "process" of a query process
    that has ended, "failed" of the query itself.
    """

    def __init__(self, kind: FailureKind, text: str) -> None:
        self.kind = kind
        super().__init__(text)


class Stream(Protocol):
    """One query. One thread at a time asks for pieces; the rest may come from any other."""

    @property
    def more(self) -> bool:
        """After the last piece: whether the SELECT had a row more than its limit."""
        ...

    def next(self) -> Piece:
        """The next piece, and whether it is the last; blocks. Raises QueryFailed."""
        ...

    def interrupt(self) -> None:
        """Make the running piece fail soon; to be repeated until it has."""
        ...

    def close(self) -> None:
        """Give back what the query holds; never blocks."""
        ...


class Reader(Protocol):
    """A snapshot that can be queried, from any thread."""

    @property
    def ref(self) -> Ref:
        """What published it."""
        ...

    @property
    def snapshot(self) -> Snapshot:
        """What was published."""
        ...

    def fields(self, sql: str, parameters: Collection[str]) -> list[str]:
        """Bind a SELECT; its columns. Raises QueryFailed when it does not bind."""
        ...

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object],
        columns: Schema,
        form: Form,
        limit: int = 0,
    ) -> Stream:
        """The rows of a SELECT in a format; nothing runs before the first piece is asked for.

        With a `limit`, so many rows are given, and the SELECT has one more if there is one.
        """
        ...

    def local(self) -> SnapshotReader:
        """The snapshot for the project's own code, open in this process; closed with the rest."""
        ...

    def close(self) -> None:
        """Close the snapshot; what still runs on it fails."""
        ...


class Readers(Protocol):
    """Where snapshots are opened."""

    def open(self, store: Store, ref: Ref, *, copies: bool = True) -> Reader:
        """Open what `ref` published, with its small tables in memory, or without; blocks.

        Raises:
            CorruptObject: a data file is missing, or of another size than was published.
            QueryFailed: a data file cannot be read.
        """
        ...

    def close(self) -> None:
        """End everything that runs."""
        ...


def failure_of(exc: Exception, *, has_values: bool = True) -> QueryFailed:
    """What an exception means.

    Args:
        exc: of DuckDB, or of the encoding of its rows.
        has_values: whether a request's parameters may be to blame.
    """
    if isinstance(exc, QueryFailed):
        return exc
    if isinstance(exc, (duckdb.OutOfMemoryException, MemoryError)):
        return QueryFailed("memory", str(exc))
    # A connection that was closed under it: the same, a moment earlier.
    if isinstance(exc, (duckdb.InterruptException, duckdb.ConnectionException)):
        return QueryFailed("interrupted", str(exc))
    if isinstance(exc, _OF_VALUES) and has_values:
        return QueryFailed("values", str(exc))
    return QueryFailed("failed", f"{type(exc).__name__}: {exc}")


@contextmanager
def within(seconds: float, stream: Stream) -> Iterator[None]:
    """Interrupt a stream that is not done after so many seconds; close it at the end.

    For whoever asks from a thread that may block; `workers` does the same for the event loop.
    """
    ended = threading.Event()

    def watch() -> None:
        ended.wait(seconds)
        while not ended.wait(INTERRUPT_EVERY_SECONDS):
            stream.interrupt()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
        stream.close()

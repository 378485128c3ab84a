"""Queries in processes of their own: takes snapshots and queries, gives encoded pieces.

A process can be limited in memory and killed, which a thread cannot: what a query does wrong is
felt by nobody else. Each process has every snapshot open and runs one query at a time. Between
two pieces of an answer it is free for others: a client that reads slowly keeps nobody waiting, and
what it has not asked for is not made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping

from headrace.base.tables import Schema
from headrace.serve.answering.answers import Piece
from headrace.serve.columnar.queries import QueryFailed
from headrace.serve.columnar.query_frames import (
    LAST,
    LAST_OF_MORE,
    Bind,
    Close,
    More,
    Open,
    Query,
    Start,
    decode_names,
    packed,
)
from headrace.serve.columnar.query_pool import Claim, QueryPool
from headrace.serve.columnar.snapshot_reader import SnapshotReader, definitions_of
from headrace.serve.formats.forms import Form
from headrace.serve.settings import ServeSettings
from headrace.store.snapshots import Ref, Snapshot
from headrace.store.store import Store

# How long a query that is interrupted may take to end before its process is killed.
PATIENCE_SECONDS = 0.5


class QueryProcesses:
    """Opens snapshots in a fixed number of processes, which start with the first of them."""

    def __init__(self, settings: ServeSettings) -> None:
        """Start no process yet."""
        self._settings = settings
        self._pool = QueryPool(
            Start(
                memory_limit=settings.memory_limit,
                processes=settings.workers or max(2, os.cpu_count() or 1),
                query_threads=settings.query_threads,
                copy_bytes=settings.copy_bytes,
            )
        )

    def open(self, store: Store, ref: Ref, *, copies: bool = True) -> ProcessReader:
        """Open what `ref` published in every process. Raises as `Readers.open`."""
        snapshot = store.snapshot(ref)
        copy_bytes = self._settings.copy_bytes if copies else 0
        definitions = definitions_of(snapshot, store.data_root, copy_bytes)
        opening = Open(next(self._pool.numbers), definitions, str(store.data_root))
        self._pool.open(opening)
        return ProcessReader(self._pool, opening.snapshot, ref, snapshot, (store, self._settings))

    def close(self) -> None:
        """End every process; what runs there fails."""
        self._pool.close()


class ProcessReader:
    """A snapshot that is open in every query process."""

    def __init__(
        self,
        pool: QueryPool,
        number: int,
        ref: Ref,
        snapshot: Snapshot,
        origin: tuple[Store, ServeSettings],
    ) -> None:
        """Use `QueryProcesses.open`."""
        self._pool = pool
        self._number = number
        self._ref = ref
        self._snapshot = snapshot
        self._origin = origin
        self._local: SnapshotReader | None = None

    @property
    def ref(self) -> Ref:
        """What published it."""
        return self._ref

    @property
    def snapshot(self) -> Snapshot:
        """What was published."""
        return self._snapshot

    def fields(self, sql: str, parameters: Collection[str]) -> list[str]:
        """Bind a SELECT in one process, within the deadline; its columns. Raises QueryFailed.

        What binds in one process binds in the others: they have the same files.
        """
        bind = Bind(self._number, sql, tuple(parameters))
        claim = Claim(self._number, next(self._pool.numbers), sql, has_deadline=False)
        with self._pool.taken(claim) as child:
            return decode_names(child.ask(bind, self._origin[1].deadline_seconds)[1])

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object],
        columns: Schema,
        form: Form,
        limit: int = 0,
    ) -> ProcessStream:
        """The rows of a SELECT in a format."""
        query = Query(
            query=next(self._pool.numbers),
            snapshot=self._number,
            sql=sql,
            parameters=packed(parameters),
            columns=columns,
            form=form,
            limit=limit,
        )
        return ProcessStream(self._pool, query)

    def local(self) -> SnapshotReader:
        """The snapshot for the project's own code, opened in this process when first asked for."""
        if self._local is None:
            store, settings = self._origin
            self._local = SnapshotReader.open(store, self.ref, settings)
        return self._local

    def close(self) -> None:
        """Close the snapshot everywhere."""
        self._pool.drop(self._number)
        if self._local is not None:
            self._local.close()


class ProcessStream:
    """The encoded rows of one query; nothing runs before the first piece is asked for."""

    def __init__(self, pool: QueryPool, query: Query) -> None:
        """Use `ProcessReader.query`."""
        self.more = False
        self._pool = pool
        self._query = query
        self._claim = Claim(query.snapshot, query.query, query.sql)
        self._interrupted_at: float | None = None
        self._is_ended = False
        self._is_closing = False

    def next(self) -> Piece:
        """The next piece, and whether it is the last. Raises QueryFailed."""
        number = self._query.query
        request = self._query if self._claim.child is None else More(number)
        try:
            with self._pool.taken(self._claim) as child:
                kind, piece = child.ask(request)
        except QueryFailed:
            self._is_closing = True
            raise
        else:
            self._is_ended = kind in (LAST, LAST_OF_MORE)
            self.more = kind == LAST_OF_MORE
            return piece, self._is_ended
        finally:
            # What was closed meanwhile may have been opened after that.
            if self._is_closing:
                self.close()

    def interrupt(self) -> None:
        """Make the running piece fail soon: by asking, and if that does not help, by force."""
        now = time.monotonic()
        self._pool.stop(self._claim)
        if self._interrupted_at is None:
            self._interrupted_at = now
        elif now - self._interrupted_at > PATIENCE_SECONDS:
            self._pool.kill(self._claim, f"its query did not end: {self._query.sql[:300]!r}")

    def close(self) -> None:
        """Give back what the query holds: now, or as soon as the running piece has ended."""
        self._is_closing = True
        self._claim.is_stopped = True
        if self._claim.child is not None and not self._is_ended:
            self._pool.send(self._claim.child, Close(self._query.query))

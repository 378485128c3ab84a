"""Queries in threads of this process: takes a snapshot's instance, gives encoded pieces."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import duckdb

from headrace.base.tables import Schema
from headrace.serve.answering.answers import Piece
from headrace.serve.columnar.queries import failure_of
from headrace.serve.columnar.snapshot_reader import Cursors, PieceStream, SnapshotReader, one_select
from headrace.serve.formats.forms import Form
from headrace.serve.settings import ServeSettings
from headrace.store.snapshots import Ref, Snapshot
from headrace.store.store import Store


class InProcess:
    """Opens snapshots in this process."""

    def __init__(self, settings: ServeSettings) -> None:
        """Open nothing yet."""
        self._settings = settings

    def open(self, store: Store, ref: Ref, *, copies: bool = True) -> InProcessReader:
        """Open what `ref` published. Raises as `Readers.open`."""
        try:
            settings = self._settings if copies else replace(self._settings, copy_bytes=0)
            return InProcessReader(SnapshotReader.open(store, ref, settings))
        except duckdb.Error as exc:
            raise failure_of(exc, has_values=False) from exc

    def close(self) -> None:
        """There is nothing that readers share."""


class InProcessReader:
    """A snapshot that is open in this process."""

    def __init__(self, reader: SnapshotReader) -> None:
        """`reader` is closed with this."""
        self._reader = reader

    @property
    def ref(self) -> Ref:
        """What published it."""
        return self._reader.ref

    @property
    def snapshot(self) -> Snapshot:
        """What was published."""
        return self._reader.snapshot

    def fields(self, sql: str, parameters: Collection[str]) -> list[str]:
        """Bind a SELECT; its columns. Raises QueryFailed."""
        return bound_fields(self._reader.cursors, sql, parameters)

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object],
        columns: Schema,
        form: Form,
        limit: int = 0,
    ) -> InProcessStream:
        """The rows of a SELECT in a format."""
        return InProcessStream(self._reader.pieces(sql, parameters, columns, form, limit))

    def local(self) -> SnapshotReader:
        """The snapshot itself."""
        return self._reader

    def close(self) -> None:
        """Close the snapshot."""
        self._reader.close()


class InProcessStream:
    """The encoded rows of one query; nothing runs before the first piece is asked for."""

    def __init__(self, stream: PieceStream) -> None:
        """Use `InProcessReader.query`."""
        self._stream = stream

    @property
    def more(self) -> bool:
        """After the last piece: whether the SELECT had a row more than its limit."""
        return self._stream.more

    def next(self) -> Piece:
        """The next piece, and whether it is the last. Raises QueryFailed."""
        try:
            return self._stream.next()
        # What encodes rows has failures of its own; whoever asked needs to know whose they are.
        except Exception as exc:
            raise failure_of(exc) from exc

    def interrupt(self) -> None:
        """Make the running piece fail soon."""
        self._stream.interrupt()

    def close(self) -> None:
        """Give back what the query holds: now, or as soon as the running piece has ended."""
        self._stream.close()


def bound_fields(cursors: Cursors, sql: str, parameters: Collection[str]) -> list[str]:
    """The columns of a SELECT, bound with NULL for every parameter. Raises QueryFailed."""
    cursor = cursors.take()
    try:
        cursor.execute(one_select(f"SELECT * FROM ({sql}\n) LIMIT 0"), dict.fromkeys(parameters))
        names = [column[0] for column in cursor.description or ()]
        cursor.fetchall()
    except duckdb.Error as exc:
        raise failure_of(exc, has_values=False) from exc
    finally:
        cursors.give_back(cursor)
    return names

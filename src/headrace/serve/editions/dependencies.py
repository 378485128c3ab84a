"""What a user's router may ask for: the snapshot that its request was pinned to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import duckdb
from fastapi import Depends
from starlette.requests import HTTPConnection

from headrace.base.access import Principal
from headrace.serve.adhoc import Narrowed, Seen, of_the_project
from headrace.serve.columnar.snapshot_reader import SnapshotReader, require_one_select

if TYPE_CHECKING:
    import pyarrow as pa

PRINCIPAL_KEY = "headrace.principal"
SCOPE_KEY = "headrace.snapshot"
# Queries of routers are few and fixed; one that is made anew each time must not fill the memory.
_MOST_TEXTS = 500


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshot of an edition, from which every request gets its own view.

    `texts` are the queries that were asked before, with their policies.
    """

    reader: SnapshotReader
    deadline_seconds: float
    salt: str
    texts: dict[str, Narrowed] = field(default_factory=dict)

    def narrowed(self, sql: str) -> Narrowed:
        """A query with the policies of its tables. Raises UsageError."""
        known = self.texts.get(sql)
        if known is None:
            require_one_select(sql)
            with closing(self.reader.cursor()) as cursor:
                known = of_the_project(cursor, sql, self.reader.snapshot.manifest)
            if len(self.texts) >= _MOST_TEXTS:
                self.texts.clear()
            self.texts[sql] = known
        return known


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """One snapshot, as whoever asks may see it, whatever is published meanwhile.

    Row policies and masks hold for every query: a column that is hidden from the asker is NULL.
    Queries block: write the route as `def`, not `async def`, and FastAPI runs it in a thread.
    """

    _snapshots: Snapshots
    _principal: Principal

    @property
    def number(self) -> int:
        """The number under which the snapshot was published."""
        return self._snapshots.reader.ref.number

    def query(
        self, sql: str, params: Mapping[str, object] | None = None
    ) -> list[dict[str, object]]:
        """The rows of one SELECT over the snapshot's tables, as column -> Python value.

        Args:
            sql: with `$name` for each parameter.
            params: name -> value.

        Raises:
            UsageError: it is not exactly one SELECT.
            duckdb.Error: the query failed, or took longer than the deadline.
        """
        seen = self._seen(sql)
        with self._cursor() as cursor:
            cursor.execute(seen.sql, {**(params or {}), **seen.values})
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def arrow(self, sql: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """The same rows as a `pyarrow.Table`."""
        seen = self._seen(sql)
        with self._cursor() as cursor:
            values = {**(params or {}), **seen.values}
            return cursor.sql(seen.sql, params=values).to_arrow_table()

    def _seen(self, sql: str) -> Seen:
        return self._snapshots.narrowed(sql).seen_by(self._principal, self._snapshots.salt)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one SELECT, interrupted at the deadline."""
        cursor = self._snapshots.reader.cursor()
        timer = threading.Timer(self._snapshots.deadline_seconds, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield cursor
        finally:
            timer.cancel()
            cursor.close()


def pinned_snapshot(connection: HTTPConnection) -> SnapshotView:
    """The snapshot that was current when the request came in."""
    snapshots = connection.scope[SCOPE_KEY]
    if not isinstance(snapshots, Snapshots):
        raise TypeError("a request has no snapshot")
    return SnapshotView(snapshots, asking_principal(connection))


def asking_principal(connection: HTTPConnection) -> Principal:
    """Who sends the request, as a credential has proven it; ANONYMOUS to a public router."""
    principal = connection.scope[PRINCIPAL_KEY]
    if not isinstance(principal, Principal):
        raise TypeError("a request has no principal")
    return principal


PrincipalDep = Annotated[Principal, Depends(asking_principal)]

SnapshotDep = Annotated[SnapshotView, Depends(pinned_snapshot)]

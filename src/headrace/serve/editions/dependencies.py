"""What a user's router may ask for: the snapshot that its request was pinned to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import duckdb
from fastapi import Depends
from starlette.requests import HTTPConnection

from headrace.base.access import Principal
from headrace.serve.columnar.snapshot_reader import SnapshotReader, require_one_select

if TYPE_CHECKING:
    import pyarrow as pa

PRINCIPAL_KEY = "headrace.principal"
SCOPE_KEY = "headrace.snapshot"


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """One snapshot: every query of a request sees the same one, whatever is published meanwhile.

    Queries block: write the route as `def`, not `async def`, and FastAPI runs it in a thread.
    """

    _reader: SnapshotReader
    _deadline_seconds: float

    @property
    def number(self) -> int:
        """The number under which the snapshot was published."""
        return self._reader.ref.number

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
        with self._cursor(sql) as cursor:
            cursor.execute(sql, dict(params or {}))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def arrow(self, sql: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """The same rows as a `pyarrow.Table`."""
        with self._cursor(sql) as cursor:
            return cursor.sql(sql, params=dict(params or {})).to_arrow_table()

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one SELECT, interrupted at the deadline."""
        require_one_select(sql)
        cursor = self._reader.cursor()
        timer = threading.Timer(self._deadline_seconds, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield cursor
        finally:
            timer.cancel()
            cursor.close()


def pinned_snapshot(connection: HTTPConnection) -> SnapshotView:
    """The snapshot that was current when the request came in."""
    view = connection.scope[SCOPE_KEY]
    assert isinstance(view, SnapshotView)
    return view


def asking_principal(connection: HTTPConnection) -> Principal:
    """Who sends the request, as a credential has proven it; ANONYMOUS to a public router."""
    principal = connection.scope[PRINCIPAL_KEY]
    if not isinstance(principal, Principal):
        raise TypeError("a request has no principal")
    return principal


PrincipalDep = Annotated[Principal, Depends(asking_principal)]

SnapshotDep = Annotated[SnapshotView, Depends(pinned_snapshot)]

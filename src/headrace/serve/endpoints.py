"""Compiled endpoints: takes a contract and a snapshot, gives the answers to requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import duckdb

from headrace.base.clock import Clock, parse_time
from headrace.base.errors import UsageError
from headrace.base.hashing import address
from headrace.serve.answers import Answer, Piece
from headrace.serve.columnar import RowStream, SnapshotReader, one_select, require_one_select
from headrace.serve.formats import Format
from headrace.serve.parameters import LIMIT, OFFSET, ParameterReader, Values
from headrace.serve.problems import Refused, internal, new_instance, problem, unavailable
from headrace.serve.workers import Busy, ClientGone, TooSlow, Workers
from headrace.store.snapshots import EndpointContract, Snapshot

_LOG = logging.getLogger("headrace.serve")

# Part of every ETag: to be raised whenever the same rows are written otherwise than before.
_ENCODING = 1
_PIECE_ROWS = 2048
# What DuckDB raises when a value does not fit the query: a bad pattern, a sum out of range.
_REFUSALS = (duckdb.DataError, duckdb.InvalidInputException)


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a compiled endpoint.

    Attributes:
        path: parameter -> text, from the route.
        query: (parameter, text) pairs of the URL, in order.
        format: of the answer.
        none_match: the If-None-Match header, "" when there is none.
        gone: returns when the client has left.
    """

    path: Mapping[str, str]
    query: Sequence[tuple[str, str]]
    format: Format
    none_match: str
    gone: Callable[[], Awaitable[None]]


class CompiledEndpoint:
    """One endpoint over one snapshot."""

    def __init__(
        self, contract: EndpointContract, reader: SnapshotReader, workers: Workers, clock: Clock
    ) -> None:
        """Prepare all that does not depend on the request.

        Raises:
            UsageError: the query is not one SELECT.
            ValueError: a parameter's default or bound is no value of its type.
        """
        self.contract = contract
        self._reader = reader
        self._workers = workers
        self._clock = clock
        self._parameters = ParameterReader.of(contract)
        self._used = require_one_select(contract.sql)
        self._statement = one_select(paged_sql(contract))
        self._names = [column.name for column in contract.columns]
        self._content = content_of(contract, reader.snapshot)
        self._loaded_at = newest_load(contract, reader.snapshot)

    def warm(self) -> None:
        """Bind the query once: what cannot be answered is found out before anybody asks.

        Raises:
            UsageError: the query's columns are not those of the contract.
            duckdb.Error: the query does not bind.
        """
        bind = one_select(f"SELECT * FROM ({self.contract.sql}\n) LIMIT 0")
        stream = self._reader.query(bind, dict.fromkeys(self._used))
        try:
            stream.rows(1)
            if stream.names() != self._names:
                raise UsageError(
                    f"endpoint {self.contract.name}: its query gives {stream.names()}; "
                    f"expected {self._names}, as its contract says; run `headrace run`"
                )
        finally:
            stream.close()

    async def answer(self, request: Request) -> Answer:
        """The answer to a GET or HEAD.

        Raises:
            Refused: the parameters do not fit, or the query cannot be answered now.
            ClientGone: nobody waits for the answer.
        """
        values = self._parameters.read(request.path, request.query)
        tag = self._tag(values, request.format)
        headers = {
            "ETag": tag,
            "X-Snapshot": str(self._reader.ref.number),
            "X-Data-Age": str(self._age_seconds()),
            # Any cache may keep the answer, and asks whether it is still the one: a publish that
            # touches none of its tables leaves the tag as it was.
            "Cache-Control": "public, no-cache",
            "Vary": "Accept",
        }
        if matches(request.none_match, tag):
            return Answer(304, headers=headers)
        headers["Content-Type"] = request.format.content_type
        if request.format.ending == "csv":
            headers["Content-Disposition"] = f'attachment; filename="{self.contract.name}.csv"'
        return await self._run(values, request, headers)

    async def _run(self, values: Values, request: Request, headers: Mapping[str, str]) -> Answer:
        stream = self._reader.query(self._statement, self._bound(values))
        body = Body(stream, request.format, self._names)
        more = partial(self._workers.run, body.next, stream, request.gone)
        try:
            piece, last = await more()
        except (Busy, TooSlow, duckdb.Error) as exc:
            body.close()
            raise Refused(self._refusal(exc, values)) from exc
        except (ClientGone, asyncio.CancelledError):
            body.close()
            raise
        if last:
            return Answer(200, piece, headers)
        return Answer(200, piece, headers, more=more, close=body.close)

    def _refusal(self, exc: Exception, values: Values) -> Answer:
        """What to tell the client of a query that failed; the rest goes to the log."""
        if isinstance(exc, Busy):
            return unavailable("Too many queries are waiting.", "busy")
        if isinstance(exc, TooSlow):
            seconds = f"{self._workers.deadline_seconds:g}"
            return unavailable(f"The query took longer than {seconds} s.", "deadline")
        if isinstance(exc, duckdb.OutOfMemoryException):
            return unavailable("The query needs more memory than there is.", "memory")
        if isinstance(exc, _REFUSALS) and values.bound:
            detail = "The query cannot be computed with these parameters."
            return problem(422, detail, kind="parameters")
        instance = new_instance()
        _LOG.error("%s: endpoint %s failed: %s", instance, self.contract.name, exc)
        return internal(instance)

    def _bound(self, values: Values) -> dict[str, object]:
        bound: dict[str, object] = {name: values.bound[name] for name in self._used}
        if self.contract.max_limit:
            bound |= {_LIMIT: values.limit, _OFFSET: values.offset}
        return bound

    def _tag(self, values: Values, form: Format) -> str:
        return f'W/"{address("answer", _ENCODING, self._content, values.canonical, repr(form))}"'

    def _age_seconds(self) -> int:
        if self._loaded_at is None:
            return 0
        return max(0, int((self._clock.now() - self._loaded_at).total_seconds()))


# Names that no parameter of a contract has: theirs are plain identifiers.
_LIMIT, _OFFSET = f"__{LIMIT}", f"__{OFFSET}"


def paged_sql(contract: EndpointContract) -> str:
    """The query with its LIMIT and OFFSET.

    DuckDB keeps the order of a subquery through FROM, SELECT, LIMIT and OFFSET as long as
    `preserve_insertion_order` is on: an ORDER BY of the query is the order of the answer.
    """
    if not contract.max_limit:
        return contract.sql
    return f"SELECT * FROM ({contract.sql}\n) LIMIT ${_LIMIT} OFFSET ${_OFFSET}"


def content_of(contract: EndpointContract, snapshot: Snapshot) -> str:
    """The address of everything but the parameters that an answer depends on."""
    versions = [snapshot.tables[table].address for table in contract.tables]
    return address("endpoint", contract.recipe, versions)


def newest_load(contract: EndpointContract, snapshot: Snapshot) -> datetime | None:
    """When the newest of the raw data behind an endpoint was loaded; None without any.

    A model that is built anew does not make its data any younger, so only sources count.
    """
    times = [cell.loaded_at for name in contract.sources for cell in snapshot.tables[name].cells]
    return parse_time(max(times)) if times else None


def matches(none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names a tag, by weak comparison (RFC 9110, 13.1.2)."""
    if not none_match:
        return False
    known = tag.removeprefix("W/")
    given = [each.strip() for each in none_match.split(",")]
    return given == ["*"] or known in (each.removeprefix("W/") for each in given)


class Body:
    """The bytes of an answer, in pieces."""

    def __init__(self, stream: RowStream, form: Format, names: Sequence[str]) -> None:
        self._stream = stream
        self._format = form
        self._names = names
        self._first = True

    def next(self) -> Piece:
        """The next piece; blocks. Raises duckdb.Error."""
        rows = self._stream.rows(_PIECE_ROWS)
        last = len(rows) < _PIECE_ROWS
        parts = [self._format.rows(self._names, rows, first=self._first)]
        if self._first:
            parts.insert(0, self._format.start(self._names))
            self._first = False
        if last:
            parts.append(self._format.end())
            self.close()
        return b"".join(parts), last

    def close(self) -> None:
        """Give back what the query holds."""
        self._stream.close()

"""Compiled endpoints: takes a contract and a snapshot, gives the answers to requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, Protocol

from headrace.base.access import Principal
from headrace.base.clock import parse_time
from headrace.base.errors import UsageError
from headrace.base.hashing import address
from headrace.serve.answering.answers import ONLY_HTTPS, Answer, Head, Ready
from headrace.serve.answering.problems import Refused, internal, new_instance, problem, unavailable
from headrace.serve.asking.asked import Asked, Request
from headrace.serve.asking.listing import listing_columns, listing_sql, listing_values
from headrace.serve.asking.pages import Pages
from headrace.serve.asking.parameters import LIMIT, OFFSET, ParameterReader, Values
from headrace.serve.caching.cache import Entry
from headrace.serve.caching.collecting import Collected
from headrace.serve.columnar.queries import QueryFailed, Reader, Stream, within
from headrace.serve.columnar.snapshot_reader import require_one_select
from headrace.serve.columnar.workers import Busy, ClientGone, TooSlow
from headrace.serve.formats.forms import Form, chosen_form
from headrace.serve.keyed.limits import NotByKey
from headrace.serve.kit import Kit
from headrace.serve.scoping import Scoping, unscoped
from headrace.store.snapshots import EndpointContract, Snapshot

_LOG = logging.getLogger("headrace.serve")

# Part of every ETag: to be raised whenever the same rows are written otherwise than before.
_ENCODING = 3
# What an answer that several processes share begins with: whether there are further rows.
_MORE, _ALL = b"+", b"="
_SHARED_SECONDS = 24 * 3600.0
_UNFIT = 422
_VARY = ("Accept", "Accept-Encoding", "Origin")


class KeyedRows(Protocol):
    """Rows of an endpoint, found by key."""

    def rows(self, bound: Mapping[str, object], limit: int, offset: int) -> list[bytes]:
        """Each row as a JSON object; `bound` has every parameter, `limit` 0 is all rows.

        Raises:
            NotByKey: the query is to be asked instead.
        """
        ...

    def page(
        self, bound: Mapping[str, object], limit: int, after: bytes | None
    ) -> tuple[list[bytes], bytes | None]:
        """Some rows from a mark on, and the next mark; None when there are no more.

        Raises:
            NotByKey: the query is to be asked instead.
        """
        ...


class _Look(NamedTuple):
    """What all answers of an endpoint in one form have in common.

    `name` begins what their tags are made of.
    """

    head: Head
    name: bytes


class CompiledEndpoint:
    """One endpoint over one snapshot."""

    def __init__(
        self,
        contract: EndpointContract,
        reader: Reader,
        kit: Kit,
        keyed: KeyedRows | None = None,
    ) -> None:
        """Prepare all that does not depend on the request.

        Raises:
            UsageError: the query is not one SELECT.
            ValueError: a parameter's default or bound is no value of its type.
        """
        self.contract = contract
        self.keyed = keyed
        self._reader = reader
        self._kit = kit
        self._cache = kit.cache
        self._parameters = ParameterReader.of(contract)
        self._used = require_one_select(contract.sql)
        self._sql = paged_sql(contract)
        self._names = [column.name for column in contract.columns]
        self._content = content_of(contract, reader.snapshot)
        self.pages = Pages.of(contract, self._content, reader.ref.number, kit.cursors)
        self._loaded_at = newest_load(contract, reader.snapshot)
        self._scoping = Scoping(contract.scope, kit.salt) if contract.scope else None
        self._unchanged = Head(self._fixed())
        self._looks = {form: self._look(form) for form in kit.formats.forms}
        # By far the most answers look so: to be told by one comparison.
        self._plain = next(form for form in kit.formats.offered if form.is_plain)
        self._plain_look = self._looks[self._plain]

    def warm(self) -> None:
        """Bind the query once: what cannot be answered is found out before anybody asks.

        Raises:
            UsageError: the query's columns are not those of the contract.
            QueryFailed: the query does not bind.
        """
        names = self._reader.fields(self.contract.sql, self._used)
        if names != self._names:
            raise UsageError(
                f"endpoint {self.contract.name}: its query gives {names}; "
                f"expected {self._names}, as its contract says; run `headrace run`"
            )

    def asked(self, request: Request, principal: Principal) -> Asked:
        """A request, read, of somebody who may ask.

        Raises:
            Refused: 422, the parameters do not fit.
        """
        form, query = request.format, request.query
        if query:
            form, query = chosen_form(form, query, self._parameters.known)
            request = request._replace(format=form)
        values = self._parameters.read(request.path, query)
        active: frozenset[int] = frozenset()
        if self._scoping is not None:
            bound = self._scoping.bind(principal)
            values, active = bound.over(values), bound.active
        if values.listing.cursor:
            values = self.pages.continued(values)
        look = self._plain_look if form is self._plain else self._looks[form]
        named = look.name + values.key.encode("utf-8", "surrogatepass")
        digest = blake2b(named, digest_size=16).hexdigest()
        return Asked(self.contract.path, request, values, f'W/"{digest}"', principal, active)

    def ready(self, asked: Asked, none_match: str) -> Ready | None:
        """The answer to a GET or HEAD, if it can be had without waiting.

        Args:
            asked: by this endpoint.
            none_match: the If-None-Match header, "" when there is none.

        Raises:
            Refused: the query cannot be computed with these parameters.
        """
        if none_match and matches(none_match, asked.tag):
            return Ready(304, self._unchanged, asked.tag, self.age_seconds(), b"")
        if self.keyed is not None and self._is_keyed(asked):
            try:
                return self._from_keys(self.keyed, asked)
            except NotByKey:
                pass  # The query has the time for it.
        entry = self._cache.get(asked.tag)
        return None if entry is None else self._known(asked, entry)

    async def answer(self, asked: Asked, gone: Callable[[], Awaitable[None]]) -> Answer:
        """The answer to a GET or HEAD that is not `ready`; of equal questions, one is asked.

        Args:
            asked: by this endpoint.
            gone: returns when the client has left.

        Raises:
            Refused: the query cannot be answered, or not now.
            ClientGone: nobody waits for the answer.
        """
        entry = await self._kit.flights.join(asked.tag)
        if entry is not None:
            return self._known(asked, entry).answer()
        flight = self._kit.flights.lead(asked.tag)
        try:
            made = await self._shared(asked) or await self._run(asked, gone)
        except Refused as refused:
            flight.land(refused)
            raise
        except BaseException:
            flight.land("again")
            raise
        if isinstance(made, Answer):
            flight.land("alone")
            return made
        flight.land(Entry(made.body, asked, more=bool(made.link)))
        return made.answer()

    def fill(self, asked: Asked) -> None:
        """Have the answer in the cache before anybody asks for it; blocks.

        Raises:
            QueryFailed: the query failed, or took longer than the deadline.
        """
        if self._is_keyed(asked) or self._cache.has(asked.tag):
            return
        stream, size_bytes, last = self._stream(asked), 0, False
        pieces: list[bytes] = []
        with within(self._kit.settings.deadline_seconds, stream):
            while not last and size_bytes <= self._cache.largest_bytes:
                piece, last = stream.next()
                pieces.append(piece)
                size_bytes += len(piece)
        if last:
            self._cache.put(asked.tag, Entry(b"".join(pieces), asked, more=stream.more))

    async def _shared(self, asked: Asked) -> Ready | None:
        """The answer that another process has made."""
        second = self._cache.second
        kept = await second.get(asked.tag.encode()) if second is not None else None
        if not kept:
            return None
        body, more = kept[1:], kept[:1] == _MORE
        self._cache.put(asked.tag, Entry(body, asked, more=more))
        return self._whole(asked, body, self._link(asked) if more else "")

    async def _run(self, asked: Asked, gone: Callable[[], Awaitable[None]]) -> Ready | Answer:
        """The answer to the query: whole, or one that goes on."""
        stream = self._stream(asked)
        workers = self._kit.workers
        try:
            piece, last = await workers.run(stream.next, stream, gone)
            export = None if last else workers.export(stream.close)
        except (Busy, TooSlow, QueryFailed) as exc:
            stream.close()
            raise Refused(self._refusal(exc, asked)) from exc
        except (ClientGone, asyncio.CancelledError):
            stream.close()
            raise
        if export is None:
            self._keep(asked, stream, piece)
            return self._whole(asked, piece, self._link(asked) if stream.more else "")
        keep = partial(self._keep, asked, stream)
        collected = Collected(piece, self._cache.largest_bytes, keep)
        # The headers go before the last row is known: the next page may turn out to be empty.
        link = self._link(asked) if asked.values.limit else ""
        first = self._whole(asked, piece, link).answer()
        more = partial(export.run, stream.next, stream, gone)
        return replace(first, more=collected.over(more), close=export.close)

    def _stream(self, asked: Asked) -> Stream:
        values, form = asked.values, asked.request.format
        sql, columns = self._sql, self.contract.columns
        if not values.listing.is_plain:
            paging = (_LIMIT, _OFFSET) if self.contract.max_limit else ("", "")
            sql = listing_sql(self.contract, values.listing, *paging)
            columns = listing_columns(self.contract, values.listing)
        return self._reader.query(sql, self._bound(values), columns, form, values.limit)

    def _from_keys(self, keyed: KeyedRows, asked: Asked) -> Ready:
        values, limit = asked.values, asked.values.limit
        mark: bytes | None = None
        if values.mark or (limit and not values.offset):
            rows, mark = keyed.page(values.bound, limit, values.mark or None)
            more = mark is not None
        else:
            # One row more than is given: whether there is a next page.
            rows = keyed.rows(values.bound, limit + 1 if limit else 0, values.offset)
            more = 0 < limit < len(rows)
        body = b"[" + b",".join(rows[:limit] if more else rows) + b"]\n"
        return self._whole(asked, body, self._link(asked, mark or b"") if more else "")

    def _is_keyed(self, asked: Asked) -> bool:
        return (
            self.keyed is not None
            and asked.request.format is self._plain
            and asked.values.listing.is_plain
        )

    def _keep(self, asked: Asked, stream: Stream, whole: bytes) -> None:
        self._cache.put(asked.tag, Entry(whole, asked, more=stream.more))
        if self._cache.second is not None:
            kept = (_MORE if stream.more else _ALL) + whole
            self._cache.second.put(asked.tag.encode(), kept, _SHARED_SECONDS)

    def _known(self, asked: Asked, entry: Entry) -> Ready:
        if entry.status == _UNFIT:
            raise Refused(_unfit())
        return self._whole(asked, entry.body, self._known_link(asked, entry))

    def _known_link(self, asked: Asked, entry: Entry) -> str:
        """The link of an answer that is kept: made once for each snapshot."""
        if entry.more and entry.link[0] != self.pages.snapshot:
            entry.link = (self.pages.snapshot, self._link(asked))
        return entry.link[1]

    def _link(self, asked: Asked, mark: bytes = b"") -> str:
        return self.pages.link(asked.request, asked.values, mark)

    def _whole(self, asked: Asked, body: bytes, link: str = "") -> Ready:
        form = asked.request.format
        look = self._plain_look if form is self._plain else self._looks[form]
        return Ready(200, look.head, asked.tag, self.age_seconds(), body, link)

    def _refusal(self, exc: Exception, asked: Asked) -> Answer:
        """What to tell the client of a query that failed; the rest goes to the log."""
        if isinstance(exc, Busy):
            return unavailable(str(exc), "busy")
        if isinstance(exc, TooSlow):
            seconds = f"{self._kit.workers.deadline_seconds:g}"
            return unavailable(f"The query took longer than {seconds} s.", "deadline")
        kind = exc.kind if isinstance(exc, QueryFailed) else "failed"
        if kind == "memory":
            return unavailable("The query needs more memory than there is.", "memory")
        if kind in ("process", "interrupted"):
            return unavailable("The query was ended before it had an answer.", "ended")
        if kind == "values" and self._has_values(asked):
            self._cache.put(asked.tag, Entry(b"", asked, _UNFIT))
            return _unfit()
        instance = new_instance()
        _LOG.error("%s: endpoint %s failed: %s", instance, self.contract.name, exc)
        return internal(instance)

    def _has_values(self, asked: Asked) -> bool:
        """Whether anything in the query is what the client has written."""
        return asked.values._replace(bound=unscoped(asked.values.bound)).has_values

    def _bound(self, values: Values) -> dict[str, object]:
        bound: dict[str, object] = {name: values.bound[name] for name in self._used}
        if self.contract.max_limit:
            # One row more than is given: whether there is a next page.
            bound |= {_LIMIT: values.limit + 1, _OFFSET: values.offset}
        return bound | listing_values(values.listing)

    def _fixed(self) -> dict[str, str]:
        return {
            "X-Snapshot": str(self._reader.ref.number),
            "Cache-Control": self._caching(),
            "Vary": ", ".join(_VARY if self._kit.settings.cors else _VARY[:2]),
            "X-Content-Type-Options": "nosniff",
            **(dict([ONLY_HTTPS]) if self._kit.settings.is_https else {}),
        }

    def _caching(self) -> str:
        if self.contract.access.kind == "public" and self._scoping is None:
            # Any cache may keep the answer, and asks whether it is still the one: a publish that
            # touches none of its tables leaves the tag as it was.
            return "public, no-cache"
        return "private, no-store"

    def _look(self, form: Form) -> _Look:
        headers = {"Content-Type": form.content_type, **self._fixed()}
        if form.is_file:
            file = f"{self.contract.name}.{form.ending}"
            headers["Content-Disposition"] = f'attachment; filename="{file}"'
        return _Look(Head(headers), f"{_ENCODING} {self._content} {form!r} ".encode())

    def age_seconds(self) -> int:
        """How long ago the newest of its data was loaded; 0 when nobody knows."""
        if self._loaded_at is None:
            return 0
        return max(0, int((self._kit.clock.now() - self._loaded_at).total_seconds()))


def _unfit() -> Answer:
    detail = "The query cannot be computed with these parameters."
    return problem(_UNFIT, detail, kind="parameters")


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

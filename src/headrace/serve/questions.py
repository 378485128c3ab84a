"""Questions to compiled endpoints: takes a request and an edition, finds what answers it, and which
snapshot it is for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Message, Receive, Scope

from headrace.base.access import Access, Principal
from headrace.serve.answering.answers import Answer, Headers, request_header
from headrace.serve.answering.problems import Refused, not_allowed, not_found, problem
from headrace.serve.asking.asked import Request
from headrace.serve.asking.listing import SNAPSHOT
from headrace.serve.asking.parameters import parse_query
from headrace.serve.asking.routes import Match as Found
from headrace.serve.asking.routes import find_route, path_segments
from headrace.serve.batch import PATH as BATCH_PATH
from headrace.serve.editions.dependencies import PRINCIPAL_KEY
from headrace.serve.editions.edition import Edition, Served
from headrace.serve.editions.pins import Wanted, wanted_snapshot
from headrace.serve.formats.compressing import chosen_coding, coded
from headrace.serve.formats.forms import Form
from headrace.serve.gate import refusal, require
from headrace.serve.kit import Kit
from headrace.serve.limiting.limits import Limits, route_class
from headrace.serve.messages import Sender
from headrace.serve.proxies import CLIENT_KEY
from headrace.serve.streams import STREAM_ENDING

# What these say depends on who asks.
_OPEN_PATHS = frozenset({"/", "/openapi.json", BATCH_PATH})
READS = ("GET", "HEAD", "OPTIONS")
ALLOWED = ", ".join(READS)


class Questions:
    """Asks the endpoints of editions."""

    def __init__(self, kit: Kit, limits: Limits | None = None) -> None:
        """For the editions of a service, within limits."""
        self._formats = kit.formats
        self._limits = limits
        self._cursors = kit.cursors
        self._may_name_snapshots = kit.settings.snapshots

    def wanted(self, edition: Edition, scope: Scope) -> Wanted | None:
        """The snapshot that a request is for; None for whichever is current.

        Raises:
            Refused: it may not name one, or names none, or two.
        """
        query = scope["query_string"]
        if not any(mark in query for mark in (b"cursor", b"snapshot", b"%")):
            return None
        found, _ = self.found(edition, scope)
        own = own_parameters(found)
        if found is None and scope["path"] != BATCH_PATH:
            if is_routed(edition.application, scope):
                return None
            own = frozenset() if self._may_name_snapshots else frozenset({SNAPSHOT})
        pairs = dict(parse_query(query))
        return wanted_snapshot(pairs, own, self._cursors, allowed=self._may_name_snapshots)

    def admit(self, edition: Edition, scope: Scope) -> None:
        """Make sure that whoever asks may ask this, before anything looks into the request.

        Raises:
            Refused: 401 or 404; where there is nothing, as where there is something for others.
        """
        if scope["path"] in _OPEN_PATHS:
            return
        access = self._access(edition, scope)
        if access is not None:
            require(access, principal_of(scope))
        elif edition.descriptions.is_guarded:
            raise refusal(principal_of(scope))

    def require_same_policies(self, edition: Edition, older: Edition, scope: Scope) -> None:
        """Make sure that an older edition shows nobody more than the current one does.

        Raises:
            Refused: 410, who may see which rows of its tables has changed since.
        """
        found, _ = self.found(older, scope)
        tables = found.target.endpoint.contract.tables if found is not None else ()
        if any(edition.policy(table) != older.policy(table) for table in tables):
            detail = "Who may see what has changed since that snapshot; ask without `cursor`."
            raise Refused(problem(410, detail, kind="snapshot-gone"))

    def _access(self, edition: Edition, scope: Scope) -> Access | None:
        """Who may ask what a path leads to; None when it leads nowhere."""
        found, _ = self.found(edition, scope)
        found = found or self.stream(edition, scope)
        is_users = scope["method"] not in READS and is_routed(edition.application, scope)
        # Looked for whatever was found: to be refused takes no less time than to find nothing.
        users = edition.code.access(scope)
        if found is not None and not is_users:
            return found.target.endpoint.contract.access
        return users

    def is_here(self, wanted: Wanted, edition: Edition, scope: Scope) -> bool:
        """Whether an edition has what is wanted, be it under another number."""
        if wanted.number == edition.ref.number:
            return True
        found, _ = self.found(edition, scope)
        return found is not None and found.target.endpoint.pages.content == wanted.content

    def found(self, edition: Edition, scope: Scope) -> tuple[Found[Served] | None, Form | None]:
        """The endpoint that a path leads to, and the format that its ending asks for."""
        return find_route(edition.routes, self._formats, path_segments(raw_path(scope)))

    def stream(self, edition: Edition, scope: Scope) -> Found[Served] | None:
        """The endpoint whose stream a path is; a path of an endpoint's or user's own goes first."""
        segments = path_segments(raw_path(scope))
        own = edition.routes.match(segments)
        is_taken = own is not None and own.target.endpoint.contract.path.endswith(STREAM_ENDING)
        if segments[-1:] != [STREAM_ENDING[1:]] or is_taken:
            return None
        if is_routed(edition.application, scope):
            return None
        return edition.routes.match(segments[:-1])

    async def asked(self, edition: Edition, scope: Scope) -> Answer:
        """The answer to one of several questions of a request.

        Raises:
            Refused: there is none; the path may be no endpoint's.
        """
        sender = Sender(_nowhere)
        answer = await self.compiled(edition, scope, _stays, sender)
        if answer is None:
            raise Refused(not_found())
        notice = {name.decode(): value.decode("latin-1") for name, value in sender.headers}
        return replace(answer, headers={**notice, **answer.headers})

    async def compiled(
        self, edition: Edition, scope: Scope, receive: Receive, sender: Sender
    ) -> Answer | None:
        """The answer of a compiled endpoint; None when the request is for none of them.

        Raises:
            Refused: it cannot be answered, or not now.
            ClientGone: nobody waits for the answer.
        """
        found, form = self.found(edition, scope)
        if found is None:
            return None
        principal = principal_of(scope)
        if scope["method"] not in READS and is_routed(edition.application, scope):
            return None
        require(found.target.endpoint.contract.access, principal)
        if scope["method"] == "OPTIONS":
            return Answer(204, headers={"Allow": ALLOWED})
        if scope["method"] not in READS:
            return not_allowed(ALLOWED)
        sender.headers.extend(found.target.notice.headers(found.parameters))
        form = form or self._negotiated(scope)
        endpoint = found.target.endpoint
        query = parse_query(scope["query_string"])
        asked = endpoint.asked(Request(found.parameters, query, form, raw_path(scope)), principal)
        ready = endpoint.ready(asked, request_header(scope, b"if-none-match"))
        answer = ready.answer() if ready else await endpoint.answer(asked, leaving(receive))
        # What was refused was raised: this is a 200 or a 304.
        found.target.calls.total += 1
        coding = chosen_coding(request_header(scope, b"accept-encoding"))
        return coded(answer, coding, is_compressed=asked.request.format.is_compressed)

    async def limited(self, scope: Scope) -> Headers:
        """Count a request of whoever asks; headers that say what is left.

        Raises:
            Refused: 429, it is one too many.
        """
        if self._limits is None or not self._limits.applies:
            return []
        _, form = self._formats.by_ending(path_segments(raw_path(scope))[-1])
        form = form or self._formats.by_accept(request_header(scope, b"accept"))
        kind = "data" if form is None else route_class(form)
        return await self._limits.check(principal_of(scope), scope[CLIENT_KEY].address, kind)

    def _negotiated(self, scope: Scope) -> Form:
        chosen = self._formats.by_accept(request_header(scope, b"accept"))
        if chosen is None:
            offered = ", ".join(each.media_type for each in self._formats.offered)
            raise Refused(problem(406, f"This path answers as {offered}."))
        return chosen


def principal_of(scope: Scope) -> Principal:
    """Who sends a request that the gate has let through."""
    found = scope[PRINCIPAL_KEY]
    # A request without one has gone round the gate: it must not go on, optimized or not.
    if not isinstance(found, Principal):
        raise TypeError("a request has no principal")
    return found


def raw_path(scope: Scope) -> bytes:
    """A request's path as it was sent, as far as the server tells."""
    raw: bytes | None = scope.get("raw_path")
    return raw or scope["path"].encode("utf-8", "surrogateescape")


def is_routed(application: FastAPI | None, scope: Scope) -> bool:
    """Whether a user's route answers this path by this method."""
    if application is None:
        return False
    return any(route.matches(scope)[0] == Match.FULL for route in application.routes)


def own_parameters(found: Found[Served] | None) -> frozenset[str]:
    """The parameters of an endpoint."""
    contract = found.target.endpoint.contract if found else None
    return frozenset(each.name for each in contract.parameters) if contract else frozenset()


def asking(scope: Scope, target: bytes, tag: str = "") -> Scope:
    """A GET of a path with its query, as JSON, in the place of a request."""
    path, _, query = target.partition(b"?")
    headers = [(b"accept", b"application/json"), (b"if-none-match", tag.encode("latin-1"))]
    return {
        **scope,
        "method": "GET",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }


async def _nowhere(_: Message) -> None:
    """Take a message that nobody is to get."""


async def _stays() -> Message:
    """A client that waits for as long as it takes."""
    stays: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await stays


def leaving(receive: Receive) -> Callable[[], Awaitable[None]]:
    """A function that returns when the client has left."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return gone

"""The ASGI application: takes requests, gives each to what answers it, on one pinned snapshot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus

import msgspec
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from headrace.auth.audit_trail import AuditTrail
from headrace.base.access import ANONYMOUS
from headrace.serve.answering.answers import (
    ONLY_HTTPS,
    Answer,
    Headers,
    encoded,
    request_header,
    send_answer,
    whole_answer,
)
from headrace.serve.answering.problems import (
    Refused,
    internal,
    not_allowed,
    not_found,
    problem,
    unavailable,
)
from headrace.serve.asking.cursors import Cursors
from headrace.serve.asking.listing import CURSOR, SNAPSHOT
from headrace.serve.asking.parameters import parse_query
from headrace.serve.asking.routes import Match
from headrace.serve.batch import ALLOWED as BATCH_ALLOWED
from headrace.serve.batch import PATH as BATCH_PATH
from headrace.serve.batch import answer_batch, read_calls
from headrace.serve.caching.cache import Statistics
from headrace.serve.caching.second_level import open_second_level
from headrace.serve.columnar.workers import ClientGone
from headrace.serve.counting import AccessCounts
from headrace.serve.cross_origin import CrossOrigin
from headrace.serve.doors import OPEN_DOORS, Doors, Pages, open_doors
from headrace.serve.editions.dependencies import PRINCIPAL_KEY, SCOPE_KEY
from headrace.serve.editions.edition import Edition, Served
from headrace.serve.editions.pinned import Pinned
from headrace.serve.editions.user_routers import INSTANCE_KEY
from headrace.serve.editions.watching import Watcher
from headrace.serve.faces import Faces, face_request
from headrace.serve.fitting import require_fit
from headrace.serve.forgery import SAFE, by_session, own_origin, require_unforged
from headrace.serve.gate import require, session_cookie
from headrace.serve.kit import Kit
from headrace.serve.limiting.limits import Limits
from headrace.serve.messages import LimitedBody, Sender, read_body, request_id
from headrace.serve.proxies import CLIENT_KEY, client_of, trusted_proxies
from headrace.serve.questions import (
    ALLOWED,
    READS,
    Questions,
    asking,
    is_routed,
    leaving,
    own_parameters,
    principal_of,
    raw_path,
)
from headrace.serve.quick_way import Hot, QuickWay
from headrace.serve.refreshing import Refresher
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from headrace.serve.streams import ENDLESS, STREAM_ENDING, Streams, stream_head
from headrace.store.audit.entries import Action, Detail
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_NO_DETAIL: Mapping[str, Detail] = {}
_ONLY_HTTPS = encoded(dict([ONLY_HTTPS]))
_UNKEPT = (b"cache-control", b"private, no-store")
_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def create_app(
    store: Store,
    environment: str,
    settings: ServeSettings = DEFAULT_SETTINGS,
    pages: Pages | None = None,
) -> Service:
    """The ASGI application that serves an environment of a store.

    It follows the environment once the server has sent the lifespan's start; until then, and
    without a server, `refresh` looks at the head. `pages` are the face that people see.

    Raises:
        UsageError: the settings name a Redis that cannot be found, see `open_second_level`, or a
            secret; see `open_doors`.
        StoreError: the accounts cannot be used.
    """
    counted = store if settings.count_calls else None
    counts = AccessCounts(counted, environment, settings.count_seconds)
    second = open_second_level(settings.redis, settings.project, environment)
    cursors = Cursors.of(store.secret(), environment)
    kit = Kit.make(store.clock, settings, counts, second, cursors, store.salt(environment))
    limits = Limits.of(settings, store.clock, store)
    watcher = Watcher(kit, store, environment)
    trail = AuditTrail(store.root, store.clock)
    doors = open_doors(store, watcher, settings, limits, trail, pages)
    return Service(kit, watcher, doors, trail, limits)


class Service:
    """An ASGI application; `close` it when no server's lifespan does."""

    def __init__(
        self,
        kit: Kit,
        watcher: Watcher | Pinned,
        doors: Doors = OPEN_DOORS,
        trail: AuditTrail | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Use `create_app`; over a `Pinned` one, it serves what is in memory."""
        gate = doors.gate
        self.settings = kit.settings
        self._doors = doors
        self._gate = gate
        self._trail = trail
        self._limits = limits
        self._proxies = trusted_proxies(kit.settings.auth.trusted_proxies)
        self._faces = Faces(doors.faces)
        self._refresher = Refresher(
            [gate.refresh, self._faces.refresh], kit.settings.refresh_seconds
        )
        self.draining = False
        self._workers = kit.workers
        self._readers = kit.readers
        self._watcher = watcher
        self._counts = kit.counts
        self._cache = kit.cache
        self._quick_way = QuickWay(watcher, kit.formats, kit.settings, gate, limits)
        self._questions = Questions(kit, limits)
        self._cross_origin = CrossOrigin(kit.settings.cors)
        self.streams = Streams(lambda: watcher.number, kit.settings)
        self._system = {"/livez": self._live, "/readyz": self._ready}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            method, query, headers = scope["method"], scope["query_string"], scope["headers"]
            hot = None if self.draining else self.hot(method, raw_path(scope), query, headers)
            if hot is None:
                await self._guarded(scope, receive, send)
            else:
                await _send_hot(hot, method, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    @property
    def statistics(self) -> Statistics:
        """What the cache of answers has done so far."""
        return self._cache.statistics

    def refresh(self) -> None:
        """Serve what is published now, and know who is known now; blocks."""
        self._refresher.refresh()
        self._watcher.refresh()

    @property
    def is_ready(self) -> bool:
        """Whether a snapshot is served, and will be for a while."""
        return bool(self._watcher.number) and not self.draining

    def drain(self) -> None:
        """Close every connection after its answer, and be ready no more, from now on."""
        self.draining = True
        self.streams.drain()

    def close(self) -> None:
        """Stop following the environment, record the calls, and give everything back."""
        self._refresher.close()
        self._watcher.close()
        self._workers.close()
        self._readers.close()
        self._counts.close()
        if self._trail is not None:
            self._trail.close()
        self._doors.close()

    # The lifespan

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Open the head before the first request, and everything's end after the last."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await asyncio.to_thread(self.refresh)
                self._watcher.start()
                self._counts.start()
                self._refresher.start()
                if self._limits is not None:
                    await asyncio.to_thread(self._limits.start)
                if self._trail is not None:
                    self._trail.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self.close)
                if self._limits is not None:
                    await self._limits.close()
                if self._cache.second is not None:
                    await self._cache.second.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # One request

    def hot(self, method: str, path: bytes, query: bytes, headers: Headers) -> Hot | None:
        """The answer that needs no waiting, if there is one; never raises: the rest is slow."""
        try:
            return self._quick_way.answer(method, path, query, headers)
        # The slow path meets it again, where every failure becomes an answer.
        except Exception:  # noqa: BLE001
            return None

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The outermost edge of a request: whatever is raised becomes an answer without insides."""
        scope = {**scope, CLIENT_KEY: client_of(scope, self._proxies)}
        sender = self._sender(scope, send)
        try:
            require_fit(scope, self.settings)
            if preflight := self._cross_origin.preflight(scope):
                await send_answer(preflight, scope["method"], sender)
            else:
                await self._respond(scope, receive, sender)
        except Refused as refused:
            self._note_refusal(refused, scope, sender)
            await send_answer(refused.answer, scope["method"], sender)
        except ClientGone:
            return
        except Exception:
            _LOG.exception("%s: a request failed%s", sender.instance, sender.called)
            if not sender.started:
                await send_answer(internal(sender.instance), scope["method"], sender)
            elif not sender.finished:
                # Half an answer must not look like a whole one: the server cuts the connection.
                raise
        finally:
            self._note_export(scope, sender)

    def _sender(self, scope: Scope, send: Send) -> Sender:
        """What sends the answer to a request, with the headers that every answer to it has."""
        sender = Sender(send)
        if self.draining:
            sender.headers.append((b"connection", b"close"))
        if scope[CLIENT_KEY].secure or self.settings.is_https:
            sender.headers.extend(_ONLY_HTTPS)
        sender.headers.extend(self._cross_origin.headers(scope))
        sender.request_id = request_id(scope)
        return sender

    def _note_refusal(self, refused: Refused, scope: Scope, sender: Sender) -> None:
        if refused.denied:
            # As for a path that is none: what is refused has no snapshot.
            sender.headers = [pair for pair in sender.headers if pair[0] != b"x-snapshot"]
            self._note("denied", scope, sender, {"status": refused.answer.status})
        elif refused.answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            self._note("limited", scope, sender)

    def _note_export(self, scope: Scope, sender: Sender) -> None:
        if sender.is_export:
            self._note("exported", scope, sender)

    def _note(
        self,
        action: Action,
        scope: Scope,
        sender: Sender,
        detail: Mapping[str, Detail] = _NO_DETAIL,
    ) -> None:
        """Put on record what a request has led to."""
        if self._trail is not None:
            self._trail.note(
                action,
                sender.principal,
                scope["path"],
                address=scope[CLIENT_KEY].address,
                request=sender.request_id,
                detail=detail,
            )

    async def _respond(self, scope: Scope, receive: Receive, sender: Sender) -> None:
        if system := self._system.get(scope["path"]):
            await send_answer(_read_only(scope, system), scope["method"], sender)
            return
        # Before anything looks at what is asked for: headers alone say who asks.
        try:
            sender.principal = await self._gate.principal(scope["headers"])
        except Refused:
            # Whoever guesses credentials is counted, too.
            await self._questions.limited({**scope, PRINCIPAL_KEY: ANONYMOUS})
            raise
        scope = {**scope, PRINCIPAL_KEY: sender.principal}
        sender.headers.extend(await self._questions.limited(scope))
        client, public_url = scope[CLIENT_KEY], self.settings.auth.public_url
        if self._faces.has(scope["path"]):
            request = face_request(scope, receive, sender.principal, client, public_url)
            answer = await self._faces.answer(request)
            await send_answer(answer, scope["method"], sender)
            return
        if by_session(sender.principal) and scope["method"] not in SAFE:
            origin = own_origin(client.host, secure=client.secure, public_url=public_url)
            cookie = session_cookie(scope["headers"])
            receive = await require_unforged(scope, receive, cookie, origin)
        edition = self._acquired()
        try:
            self._questions.admit(edition, scope)
            stream = self._questions.stream(edition, scope) if _is_stream(scope) else None
            wanted = None if stream else self._questions.wanted(edition, scope)
            if not stream and (wanted is None or self._questions.is_here(wanted, edition, scope)):
                number = wanted.number if wanted else edition.ref.number
                await self._respond_from(edition, edition, number, scope, receive, sender)
                return
        finally:
            self._watcher.release(edition)
        if stream is not None:
            await self._streamed(stream, scope, receive, sender)
        elif wanted is not None:
            async with self._watcher.pins.edition(wanted.number) as older:
                self._questions.require_same_policies(edition, older, scope)
                await self._respond_from(older, edition, wanted.number, scope, receive, sender)

    def _acquired(self) -> Edition:
        edition = self._watcher.acquire()
        if edition is None:
            raise Refused(unavailable("No snapshot is loaded yet.", "not-ready"))
        return edition

    async def _respond_from(
        self,
        edition: Edition,
        current: Edition,
        number: int,
        scope: Scope,
        receive: Receive,
        sender: Sender,
    ) -> None:
        """Answer from an edition, as the snapshot of a number: both have the same content.

        Whoever asks must be let in by the current one, too.
        """
        sender.headers.append((b"x-snapshot", str(number).encode()))
        if scope["path"] == BATCH_PATH:
            answer = await self._batch(edition, current, number, scope, receive)
            await send_answer(answer, scope["method"], sender)
            return
        made = _page(edition, scope) or await self._questions.compiled(
            edition, scope, receive, sender
        )
        if made is None and edition.application is not None:
            await self._user(edition, scope, receive, sender)
            return
        answer = made or not_found()
        if number != edition.ref.number:
            head = answer.head.replacing(b"x-snapshot", str(number).encode())
            answer = replace(answer, head=head)
        await send_answer(answer, scope["method"], sender)

    async def _batch(
        self, edition: Edition, current: Edition, number: int, scope: Scope, receive: Receive
    ) -> Answer:
        if scope["method"] == "OPTIONS":
            return Answer(204, headers={"Allow": BATCH_ALLOWED})
        if scope["method"] != "POST":
            return not_allowed(BATCH_ALLOWED)
        self._cross_origin.require(scope)
        kind = request_header(scope, b"content-type").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(problem(415, "A batch is application/json."))
        calls = read_calls(await read_body(receive, self.settings.max_body_bytes), self.settings)

        async def ask(call: bytes) -> Answer:
            inner = asking(scope, call)
            await self._questions.limited(inner)
            self._questions.admit(current, inner)
            if edition is not current:
                self._questions.require_same_policies(current, edition, inner)
            wanted = self._questions.wanted(edition, inner)
            if wanted is not None and not self._questions.is_here(wanted, edition, inner):
                raise Refused(problem(422, "A batch is of one snapshot, and this call of another."))
            return await self._questions.asked(edition, inner)

        return await answer_batch(calls, ask, number, self.settings)

    async def _streamed(
        self, found: Match[Served], scope: Scope, receive: Receive, sender: Sender
    ) -> None:
        """Send the events of an endpoint's stream."""
        # The state is the server's own, however often the scope was copied.
        scope.setdefault("state", {})[ENDLESS] = True
        if scope["method"] not in ("GET", "HEAD"):
            answer = _read_only(scope, not_found)
            await send_answer(answer, scope["method"], sender)
            return
        self._cross_origin.require(scope)
        pairs = dict(parse_query(scope["query_string"]))
        if any(name in pairs and name not in own_parameters(found) for name in (CURSOR, SNAPSHOT)):
            raise Refused(problem(422, "A stream follows the newest snapshot, from its first row."))
        path, query = raw_path(scope).rpartition(b"/")[0], scope["query_string"]

        async def ask(tag: str) -> Answer:
            # Asked anew for each answer: a credential may have been revoked meanwhile.
            principal = await self._gate.principal(scope["headers"])
            # Acquired likewise: an idle stream keeps no old snapshot open.
            edition = self._acquired()
            try:
                inner = asking({**scope, PRINCIPAL_KEY: principal}, path + b"?" + query, tag)
                return await whole_answer(await self._questions.asked(edition, inner))
            finally:
                self._watcher.release(edition)

        last_tag = request_header(scope, b"last-event-id")
        if scope["method"] == "HEAD":
            await send_answer(stream_head(await ask("")), "HEAD", sender)
        else:
            await self.streams.run(ask, last_tag, sender, leaving(receive))

    async def _user(self, edition: Edition, scope: Scope, receive: Receive, sender: Sender) -> None:
        """Let the user's routers answer, on the same snapshot."""
        assert edition.application is not None
        asks = scope["method"] in ("HEAD", "OPTIONS")
        allowed = _methods(edition.application, scope) if asks else set()
        if scope["method"] == "OPTIONS" and allowed and "OPTIONS" not in allowed:
            answer = Answer(204, headers={"Allow": ", ".join(_with_head(allowed))})
            await send_answer(answer, "OPTIONS", sender)
            return
        if scope["method"] == "HEAD" and "HEAD" not in allowed and "GET" in allowed:
            # Whoever writes a GET has written its HEAD.
            scope = {**scope, "method": "GET"}
            sender.bodiless = True
        access = edition.code.access(scope)
        if access is None:
            # Of a path that is nobody's, `admit` has said already what may be said.
            raise Refused(not_found())
        require(access, principal_of(scope))
        # What a router says itself counts; nobody else knows whether it looks at who asks.
        sender.headers.append(_UNKEPT)
        pinned = {**scope, SCOPE_KEY: edition.view, INSTANCE_KEY: sender.instance}
        body = LimitedBody(receive, self.settings.max_body_bytes)
        await edition.application(pinned, body, sender)

    # Health

    def _live(self) -> Answer:
        return Answer(200, b'{"status":"live"}', _JSON)

    def _ready(self) -> Answer:
        number, failure = self._watcher.number, self._watcher.failure
        report: dict[str, object] = {
            "status": "ready" if self.is_ready else "not ready",
            "environment": self._watcher.environment,
            "snapshot": number or None,
        }
        if self.draining:
            report["reason"] = "the server is shutting down"
        elif failure is not None:
            report["reason"] = failure.public
        elif not number:
            report["reason"] = "no snapshot is loaded yet"
        return Answer(200 if self.is_ready else 503, msgspec.json.encode(report), _JSON)


async def _send_hot(hot: Hot, method: str, send: Send) -> None:
    status, head, _, _, body, _ = hot.ready
    headers = [*head.pairs, *hot.varying()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _page(edition: Edition, scope: Scope) -> Answer | None:
    """The pages that every snapshot has: each tells of what is open to whoever asks."""
    if scope["path"] not in ("/", "/openapi.json"):
        return None
    principal = principal_of(scope)
    described = edition.descriptions.of(principal)
    caching = "no-cache" if principal.is_anonymous else "private, no-store"
    if scope["path"] == "/":
        accept = request_header(scope, b"accept")
        return _read_only(scope, lambda: described.index.answer(accept, caching))
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": caching,
        "Vary": "Authorization, Cookie",
    }
    return _read_only(scope, lambda: Answer(200, described.openapi, headers))


def _read_only(scope: Scope, make: Callable[[], Answer]) -> Answer:
    if scope["method"] == "OPTIONS":
        return Answer(204, headers={"Allow": ALLOWED})
    return make() if scope["method"] in READS else not_allowed(ALLOWED)


def _methods(application: FastAPI, scope: Scope) -> set[str]:
    """The methods by which a user's routes answer this path."""
    return {each for each in _METHODS if is_routed(application, {**scope, "method": each})}


def _with_head(methods: set[str]) -> list[str]:
    """What is to be told of the methods of a path: whoever has GET has HEAD."""
    return sorted({*methods, "OPTIONS", *(["HEAD"] if "GET" in methods else [])})


def _is_stream(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.endswith(STREAM_ENDING)

"""The ASGI application: takes requests, gives each to what answers it, on one pinned snapshot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import cached_property

import msgspec
from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Message, Receive, Scope, Send

from headrace.serve.answers import Answer, Headers, request_header, send_answer
from headrace.serve.asked import Request
from headrace.serve.cache import Statistics
from headrace.serve.compressing import chosen_coding, coded
from headrace.serve.counting import AccessCounts
from headrace.serve.dependencies import SCOPE_KEY
from headrace.serve.editions import Edition
from headrace.serve.formats import Form
from headrace.serve.hot_path import Hot, HotPath
from headrace.serve.kit import Kit
from headrace.serve.parameters import parse_query
from headrace.serve.pinned import Pinned
from headrace.serve.problems import (
    Refused,
    internal,
    new_instance,
    not_allowed,
    not_found,
    problem,
    unavailable,
)
from headrace.serve.routes import find_route, path_segments
from headrace.serve.second_level import open_second_level
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from headrace.serve.user_routers import INSTANCE_KEY
from headrace.serve.watching import Watcher
from headrace.serve.workers import ClientGone
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.serve")

_READS = ("GET", "HEAD", "OPTIONS")
_ALLOWED = ", ".join(_READS)
_JSON = {"Content-Type": "application/json", "Cache-Control": "no-store"}


def create_app(
    store: Store, environment: str, settings: ServeSettings = DEFAULT_SETTINGS
) -> Service:
    """The ASGI application that serves an environment of a store.

    It follows the environment once the server has sent the lifespan's start; until then, and
    without a server, `refresh` looks at the head.

    Raises:
        UsageError: the settings name a Redis that cannot be found; see `open_second_level`.
    """
    counted = store if settings.count_calls else None
    counts = AccessCounts(counted, environment, settings.count_seconds)
    second = open_second_level(settings.redis, settings.project, environment)
    kit = Kit.make(store.clock, settings, counts, second)
    return Service(kit, Watcher(kit, store, environment))


class Service:
    """An ASGI application; `close` it when no server's lifespan does."""

    def __init__(self, kit: Kit, watcher: Watcher | Pinned) -> None:
        """Use `create_app`; over a `Pinned` one, it serves what is in memory."""
        self.settings = kit.settings
        self.draining = False
        self._workers = kit.workers
        self._readers = kit.readers
        self._formats = kit.formats
        self._watcher = watcher
        self._counts = kit.counts
        self._cache = kit.cache
        self._hot_path = HotPath(watcher, kit.formats, kit.settings)
        self._system = {"/livez": self._live, "/readyz": self._ready}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            method, query, headers = scope["method"], scope["query_string"], scope["headers"]
            hot = None if self.draining else self.hot(method, _raw_path(scope), query, headers)
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
        """Serve what is published now, if it is not served already; blocks."""
        self._watcher.refresh()

    @property
    def is_ready(self) -> bool:
        """Whether a snapshot is served, and will be for a while."""
        return bool(self._watcher.number) and not self.draining

    def drain(self) -> None:
        """Close every connection after its answer, and be ready no more, from now on."""
        self.draining = True

    def close(self) -> None:
        """Stop following the environment, record the calls, and give everything back."""
        self._watcher.close()
        self._workers.close()
        self._readers.close()
        self._counts.close()

    # The lifespan

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Open the head before the first request, and everything's end after the last."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await asyncio.to_thread(self.refresh)
                self._watcher.start()
                self._counts.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self.close)
                if self._cache.second is not None:
                    await self._cache.second.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    # One request

    def hot(self, method: str, path: bytes, query: bytes, headers: Headers) -> Hot | None:
        """The answer that needs no waiting, if there is one; never raises: the rest is slow."""
        try:
            return self._hot_path.answer(method, path, query, headers)
        # The slow path meets it again, where every failure becomes an answer.
        except Exception:  # noqa: BLE001
            return None

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The outermost edge of a request: whatever is raised becomes an answer without insides."""
        sender = _Sender(send)
        if self.draining:
            sender.headers.append((b"connection", b"close"))
        try:
            self._require_size(scope)
            await self._respond(scope, receive, sender)
        except Refused as refused:
            await send_answer(refused.answer, scope["method"], sender)
        except ClientGone:
            return
        except Exception:
            _LOG.exception("%s: a request failed", sender.instance)
            if not sender.started:
                await send_answer(internal(sender.instance), scope["method"], sender)
            elif not sender.finished:
                # Half an answer must not look like a whole one: the server cuts the connection.
                raise

    async def _respond(self, scope: Scope, receive: Receive, sender: _Sender) -> None:
        if system := self._system.get(scope["path"]):
            await send_answer(_read_only(scope, system), scope["method"], sender)
            return
        edition = self._watcher.acquire()
        if edition is None:
            raise Refused(unavailable("No snapshot is loaded yet.", "not-ready"))
        try:
            await self._respond_from(edition, scope, receive, sender)
        finally:
            self._watcher.release(edition)

    async def _respond_from(
        self, edition: Edition, scope: Scope, receive: Receive, sender: _Sender
    ) -> None:
        sender.headers.append((b"x-snapshot", str(edition.ref.number).encode()))
        answer = _page(edition, scope) or await self._compiled(edition, scope, receive, sender)
        if answer is None and edition.application is not None:
            await self._user(edition, scope, receive, sender)
        else:
            await send_answer(answer or not_found(), scope["method"], sender)

    async def _compiled(
        self, edition: Edition, scope: Scope, receive: Receive, sender: _Sender
    ) -> Answer | None:
        """The answer of a compiled endpoint; None when the request is for none of them."""
        segments = path_segments(_raw_path(scope))
        found, form = find_route(edition.routes, self._formats, segments)
        if found is None:
            return None
        if scope["method"] == "OPTIONS":
            return Answer(204, headers={"Allow": _ALLOWED})
        if scope["method"] not in _READS:
            if _is_routed(edition.application, scope):
                return None
            return not_allowed(_ALLOWED)
        sender.headers.extend(found.target.notice.headers(found.parameters))
        endpoint = found.target.endpoint
        asked = endpoint.asked(
            Request(
                found.parameters,
                parse_query(scope["query_string"]),
                form or self._negotiated(scope),
            )
        )
        ready = endpoint.ready(asked, request_header(scope, b"if-none-match"))
        answer = ready.answer() if ready else await endpoint.answer(asked, _leaving(receive))
        # What was refused was raised: this is a 200 or a 304.
        found.target.calls.total += 1
        coding = chosen_coding(request_header(scope, b"accept-encoding"))
        return coded(answer, coding, is_compressed=asked.request.format.is_compressed)

    def _negotiated(self, scope: Scope) -> Form:
        chosen = self._formats.by_accept(request_header(scope, b"accept"))
        if chosen is None:
            offered = ", ".join(each.media_type for each in self._formats.offered)
            raise Refused(problem(406, f"This path answers as {offered}."))
        return chosen

    async def _user(
        self, edition: Edition, scope: Scope, receive: Receive, sender: _Sender
    ) -> None:
        """Let the user's routers answer, on the same snapshot."""
        assert edition.application is not None
        pinned = {**scope, SCOPE_KEY: edition.view, INSTANCE_KEY: sender.instance}
        body = _LimitedBody(receive, self.settings.max_body_bytes)
        await edition.application(pinned, body, sender)

    def _require_size(self, scope: Scope) -> None:
        """Refuse what is too long before anything looks into it."""
        url = len(_raw_path(scope)) + len(scope["query_string"])
        if url > self.settings.max_url_bytes:
            raise Refused(problem(414, f"The URL is over {self.settings.max_url_bytes} bytes."))
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > self.settings.max_header_bytes:
            limit = self.settings.max_header_bytes
            raise Refused(problem(431, f"The headers are over {limit} bytes."))
        length = request_header(scope, b"content-length")
        if length.isdecimal() and int(length[:20]) > self.settings.max_body_bytes:
            raise Refused(problem(413, f"The body is over {self.settings.max_body_bytes} bytes."))

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
    status, head, _, _, body = hot.ready
    headers = [*head.pairs, *hot.varying()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


class _Sender:
    """An ASGI send that adds headers, and remembers how far the answer has come."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self.finished = False
        self.headers: Headers = []
        self._send = send

    @cached_property
    def instance(self) -> str:
        """What this request is called in the log and in its answer, when it fails."""
        return new_instance()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message = {**message, "headers": self._merged(message.get("headers", ()))}
        elif message["type"] == "http.response.body":
            self.finished = not message.get("more_body", False)
        await self._send(message)

    def _merged(self, headers: Iterable[tuple[bytes, bytes]]) -> Headers:
        given = list(headers)
        names = {name for name, _ in given}
        added = [*self.headers, (b"x-content-type-options", b"nosniff")]
        return given + [(name, value) for name, value in added if name not in names]


class _LimitedBody:
    """An ASGI receive that ends a request whose body is too long."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._left_bytes = most_bytes

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise Refused(problem(413, "The body is too long."))
        return message


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    return raw or scope["path"].encode("utf-8", "surrogateescape")


def _page(edition: Edition, scope: Scope) -> Answer | None:
    """The pages that every snapshot has."""
    if scope["path"] == "/":
        return _read_only(scope, lambda: edition.index.answer(request_header(scope, b"accept")))
    if scope["path"] == "/openapi.json":
        headers = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
        return _read_only(scope, lambda: Answer(200, edition.openapi, headers))
    return None


def _read_only(scope: Scope, make: Callable[[], Answer]) -> Answer:
    if scope["method"] == "OPTIONS":
        return Answer(204, headers={"Allow": _ALLOWED})
    return make() if scope["method"] in _READS else not_allowed(_ALLOWED)


def _is_routed(application: FastAPI | None, scope: Scope) -> bool:
    """Whether a user's route answers this path by this method."""
    if application is None:
        return False
    return any(route.matches(scope)[0] == Match.FULL for route in application.routes)


def _leaving(receive: Receive) -> Callable[[], Awaitable[None]]:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return gone

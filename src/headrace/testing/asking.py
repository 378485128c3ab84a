"""Asks endpoints: takes a compiled project and its tables in memory, gives answers to requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.types import Message

from headrace.auth.proofs import BadCredential
from headrace.base.access import ANONYMOUS, Principal
from headrace.base.clock import SystemClock
from headrace.base.tables import Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.plan.manifests import make_contract
from headrace.serve import ServeSettings, Service
from headrace.serve.asking.routes import Routes, find_route, path_segments
from headrace.serve.doors import OPEN_DOORS, Doors
from headrace.serve.editions.pinned import Pinned, Unpublished
from headrace.serve.formats.forms import formats
from headrace.serve.gate import Gate
from headrace.serve.kit import Kit
from headrace.testing.answers import Answered

_LOGGER = logging.getLogger("headrace.serve")
# What is hashed comes out the same in every run of a test.
_SALT = "unit tests"


class _Supposed:
    """Proves whoever a test supposes, by a number: nothing outside of the test can show one."""

    def __init__(self) -> None:
        self._principals: list[Principal] = []

    def suppose(self, principal: Principal) -> bytes:
        """A credential of somebody."""
        if principal not in self._principals:
            self._principals.append(principal)
        return b"%d" % self._principals.index(principal)

    def takes(self, credential: bytes) -> bool:  # noqa: ARG002
        """Every credential is one of these."""
        return True

    def verify(self, credential: bytes, now: float) -> Principal:  # noqa: ARG002
        """Who was given this credential."""
        try:
            return self._principals[int(credential)]
        except (ValueError, IndexError) as exc:
            raise BadCredential("of nobody in this test") from exc

    async def fetch(self, issuer: str) -> None:
        """Bring nothing: there is no issuer."""

    def refresh(self) -> bool:
        """Say that nothing changes."""
        return False

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Keep nothing."""


class Finding:
    """The tables behind the addresses of a project."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._routes = Routes((each.path, each.tables) for each in graph.endpoints)
        self._formats = formats(csv_formula_guard=False)

    def tables(self, target: str) -> tuple[str, ...]:
        """The tables that answering a request may read; a router may read all of them."""
        path = target.partition("?")[0].encode()
        found, _ = find_route(self._routes, self._formats, path_segments(path))
        if found is not None:
            return found.target
        graph = self._graph
        # An endpoint may wait for columns that a Python model shows when it runs.
        reads_all = graph.project.routers or graph.deferred
        return tuple(each.name for each in graph.relations) if reads_all else ()


class Asking:
    """The application that would be served, over the tables of an engine."""

    def __init__(self, graph: Graph, cache: CompileCache, engine: DuckDBEngine) -> None:
        """Open it; each table of the graph must be in the engine.

        Raises:
            ProjectError: a file that a router imports is not Python.
            Exception: what a router raises when it is imported.
        """
        self.graph = graph
        contract = make_contract(graph, cache)
        deadline = graph.project.settings.deadline_seconds
        settings = ServeSettings(workers=1, deadline_seconds=deadline)
        versions = {
            each.name: Version(each.name, each.kind, each.recipe, each.schema or (), ())
            for each in graph.relations
        }
        kit = Kit.make(SystemClock(), settings, salt=_SALT)
        unpublished = Unpublished(contract.manifest, contract.modules, versions)
        pinned = Pinned(kit, unpublished, engine.cursor().cursor())
        self._supposed = _Supposed()
        doors = Doors(Gate([self._supposed]), (), OPEN_DOORS.close)
        self._service = Service(kit, pinned, doors)
        self._runner = asyncio.Runner()

    def get(self, target: str, principal: Principal = ANONYMOUS) -> Answered:
        """The answer to somebody's GET of a path with its query string."""
        shown = [(b"host", b"localhost")]
        if not principal.is_anonymous:
            shown.append((b"authorization", b"Bearer " + self._supposed.suppose(principal)))
        with _logged() as log:
            status, headers, body = self._runner.run(self._get(target, shown))
        media_type = headers.get(b"content-type", b"").decode().partition(";")[0]
        return Answered(status, media_type, body, tuple(log))

    def close(self) -> None:
        """Close the application; the engine stays."""
        self._service.close()
        self._runner.close()

    async def _get(
        self, target: str, headers: list[tuple[bytes, bytes]]
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/" + "/".join(path_segments(path.encode())),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "server": ("localhost", 80),
            "client": ("localhost", 0),
        }
        sent: list[Message] = []
        incoming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Message:
            if incoming:
                return incoming.pop()
            # The client stays until it has its answer.
            stays: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            return await stays

        async def send(message: Message) -> None:
            sent.append(message)

        await self._service(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], dict(sent[0]["headers"]), body


@contextmanager
def _logged() -> Iterator[list[str]]:
    """What serving logs meanwhile; it goes into the list, and nowhere else."""
    found: list[str] = []
    handler = _Listing(found)
    propagates, _LOGGER.propagate = _LOGGER.propagate, False
    _LOGGER.addHandler(handler)
    try:
        yield found
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.propagate = propagates


class _Listing(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        exc = record.exc_info[1] if record.exc_info else None
        reason = f": {type(exc).__name__}: {exc}" if exc else ""
        self._found.append(record.getMessage() + reason)

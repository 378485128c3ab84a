"""Faces: what a service answers besides its snapshots, each beneath a path of its own.

Signing in, the console and the management API are faces. Every route of one says who may ask, and
nothing else decides: whoever dispatches asks `access` first, by the request's headers alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from starlette.types import Receive, Scope

from headrace.base.access import ANONYMOUS, Access, Principal
from headrace.serve.answering.answers import Answer, request_header
from headrace.serve.answering.problems import Refused, not_allowed
from headrace.serve.asking.routes import Routes, path_segments
from headrace.serve.forgery import SAFE, by_session, own_origin, require_unforged
from headrace.serve.gate import refusal, require, session_cookie
from headrace.serve.messages import read_body
from headrace.serve.proxies import Client


@dataclass(frozen=True, slots=True)
class FaceRequest:
    """One request to a face.

    Attributes:
        scope: of ASGI.
        receive: of ASGI; see `body`.
        principal: who asks; ANONYMOUS for nobody known.
        parameters: of the route's path, by name.
        secure: whether the client has come by https, as far as the trusted proxies say.
        address: of the client, likewise.
        origin: of our own pages, as browsers send it.
    """

    scope: Scope
    receive: Receive
    principal: Principal
    parameters: Mapping[str, str]
    secure: bool
    address: str
    origin: str = ""

    def header(self, name: bytes) -> str:
        """A header, by its name in lower case; "" when there is none."""
        return request_header(self.scope, name)

    async def body(self, limit_bytes: int = 64 * 1024) -> bytes:
        """The whole body.

        Raises:
            Refused: 413, it is longer.
            ClientGone: the client has left.
        """
        return await read_body(self.receive, limit_bytes)


Handler: TypeAlias = Callable[[FaceRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class FaceRoute:
    """One method of one path: "/manage/keys/{id}"; `access` is who may ask.

    `handler` gives the answer, or raises Refused. A GET never changes anything. `cookie` says
    whether a browser's session may do it; a method other than GET and HEAD then needs the page's
    own origin and its token, see `serve.forgery`.
    """

    method: str
    path: str
    access: Access
    handler: Handler
    cookie: bool = True


class Face(Protocol):
    """Some routes beneath one prefix, such as "/manage"."""

    @property
    def prefix(self) -> str:
        """What every path begins with."""
        ...

    @property
    def routes(self) -> Sequence[FaceRoute]:
        """All of them: what is no route is not answered."""
        ...

    def refresh(self) -> None:
        """Look at what may have changed outside; about once a second, in a thread."""
        ...


class Faces:
    """Every face of a service, found by path."""

    def __init__(self, faces: Sequence[Face] = ()) -> None:
        """Have these."""
        self._faces = tuple(faces)
        self._routes = {face.prefix: Routes(_by_path(face).items()) for face in faces}

    def refresh(self) -> None:
        """Let each look at what may have changed; blocks."""
        for face in self._faces:
            face.refresh()

    def has(self, path: str) -> bool:
        """Whether a path is one of theirs."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self._routes)

    async def answer(self, request: FaceRequest) -> Answer:
        """The answer of whichever route a request is for.

        Raises:
            Refused: there is none, or whoever asks may not.
            ClientGone: the client has left.
        """
        path: str = request.scope["path"]
        prefix = "/" + path.split("/", 2)[1]
        found = self._routes[prefix].match(path_segments(path.encode("utf-8", "surrogateescape")))
        by_method = found.target if found is not None else {}
        open_to = {
            method: route
            for method, route in by_method.items()
            if route.access.allows(request.principal)
        }
        if found is None or not open_to:
            raise refusal(request.principal)
        method = "GET" if request.scope["method"] == "HEAD" else request.scope["method"]
        route = open_to.get(method)
        if route is not None:
            request = await _unforged(route, request)
            return await route.handler(replace(request, parameters=found.parameters))
        if method in by_method:
            raise refusal(request.principal)
        allowed = ", ".join(sorted({*open_to, "OPTIONS", *_head(open_to)}))
        if method == "OPTIONS":
            return Answer(204, headers={"Allow": allowed})
        raise Refused(not_allowed(allowed))


def face_request(
    scope: Scope, receive: Receive, principal: Principal, client: Client, public_url: str = ""
) -> FaceRequest:
    """A request of somebody to a face; `public_url` is what `[auth]` says."""
    origin = own_origin(client.host, secure=client.secure, public_url=public_url)
    return FaceRequest(scope, receive, principal, {}, client.secure, client.address, origin)


async def _unforged(route: FaceRoute, request: FaceRequest) -> FaceRequest:
    """A request of whom a browser's session stands for, if it was the session's page that sent it.

    Raises:
        Refused: it was not, or a session is nobody here.
        ClientGone: the client has left.
    """
    if not by_session(request.principal):
        return request
    if not route.cookie:
        require(route.access, ANONYMOUS)
        return replace(request, principal=ANONYMOUS)
    if route.method in SAFE:
        return request
    cookie = session_cookie(request.scope["headers"])
    receive = await require_unforged(request.scope, request.receive, cookie, request.origin)
    return replace(request, receive=receive)


def _by_path(face: Face) -> dict[str, dict[str, FaceRoute]]:
    found: dict[str, dict[str, FaceRoute]] = {}
    for route in face.routes:
        found.setdefault(route.path, {})[route.method] = route
    return found


def _head(methods: Mapping[str, FaceRoute]) -> list[str]:
    return ["HEAD"] if "GET" in methods else []

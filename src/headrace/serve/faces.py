"""Faces: what a service answers besides its snapshots, each beneath a path of its own.

Signing in, the console and the management API are faces. Every route of one says who may ask, and
nothing else decides: whoever dispatches asks `access` first, by the request's headers alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from starlette.types import Receive, Scope

from headrace.base.access import Access, Principal
from headrace.serve.answering.answers import Answer, request_header
from headrace.serve.messages import read_body


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
    """

    scope: Scope
    receive: Receive
    principal: Principal
    parameters: Mapping[str, str]
    secure: bool
    address: str

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

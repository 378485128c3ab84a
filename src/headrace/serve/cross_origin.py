"""Cross-origin requests: takes the origins whose pages may read, says so to browsers (CORS).

There is a list and nothing else: no origin is reflected that is not on it, and none is `*`. Answers
hold nothing that depends on who asks, so credentials are not allowed.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope

from headrace.base.errors import UsageError
from headrace.base.names import is_origin
from headrace.serve.answering.answers import Answer, Headers, request_header
from headrace.serve.answering.problems import Refused, problem

EXPOSED = "ETag, Link, X-Snapshot, X-Data-Age, X-Request-Id, Deprecation, Sunset, Retry-After"
_ASKED = "Accept, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id"
_REMEMBERED_SECONDS = 600


class CrossOrigin:
    """What pages of other origins may do."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Let the pages of `origins` read.

        Raises:
            UsageError: one is no origin, as browsers spell it.
        """
        self._origins = frozenset(origins)
        for origin in self._origins:
            if not is_origin(origin):
                raise UsageError(
                    f"cors: {origin!r} is no origin; expected one as browsers send it, such as "
                    "`https://app.example`; name each: there is no `*`"
                )

    def headers(self, scope: Scope) -> Headers:
        """The headers that every answer to a request has beside its own."""
        if not self._origins:
            return []
        origin = request_header(scope, b"origin")
        if origin not in self._origins:
            # A cache must not give this answer to pages that may read.
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED.encode()),
        ]

    def preflight(self, scope: Scope) -> Answer | None:
        """The answer to a browser that asks before it sends a page's request; None for others."""
        if scope["method"] != "OPTIONS" or request_header(scope, b"origin") not in self._origins:
            return None
        if not request_header(scope, b"access-control-request-method"):
            return None
        return Answer(
            204,
            headers={
                "Access-Control-Allow-Methods": "GET, HEAD, POST",
                "Access-Control-Allow-Headers": _ASKED,
                "Access-Control-Max-Age": str(_REMEMBERED_SECONDS),
            },
        )

    def require(self, scope: Scope) -> None:
        """Refuse a page of an origin that may not read, where asking alone costs something.

        Raises:
            Refused: 403.
        """
        origin = request_header(scope, b"origin")
        own = request_header(scope, b"host")
        if origin and origin not in self._origins and origin.partition("://")[2] != own:
            raise Refused(problem(403, "Pages of this origin may not read from here."))

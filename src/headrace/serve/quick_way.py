"""The quick way: takes a request's line and headers, gives the answers that need no waiting.

What it answers is what the slow path would have answered: it is there to be quick. It knows nothing
of ASGI, so that a protocol class can ask it before there is a scope.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.names import OWN_PATHS, OWN_PREFIXES
from headrace.serve.answering.answers import BODILESS, Headers, Ready
from headrace.serve.answering.problems import Refused
from headrace.serve.asking.asked import Request
from headrace.serve.asking.parameters import parse_query
from headrace.serve.asking.routes import find_route, path_segments
from headrace.serve.editions.edition import Edition, Target
from headrace.serve.formats.compressing import CodedBodies, chosen_coding, is_worth_it
from headrace.serve.formats.forms import Form, Formats
from headrace.serve.gate import OPEN_GATE, Gate, has_session
from headrace.serve.limiting.limits import Limits
from headrace.serve.settings import ServeSettings

# So many different Accept headers, and targets of one snapshot, are remembered at most.
_MOST_ACCEPTS = 1000
_MOST_TARGETS = 20_000
# What is longer is read anew each time: whoever writes much must not fill the memory with it.
_MOST_BYTES = 1000
# Compressed bodies that are remembered: to send one again takes no time.
_CODED_BYTES = 8 * 1024 * 1024
_Wanted: TypeAlias = "tuple[bytes, bytes, bytes, bytes]"
"""Accept, Accept-Encoding, If-None-Match and Authorization; b"" for one that there is not."""
# Those after the first five mean a body, or something that only the slow path knows.
_LOOKED_AT = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"cookie",
        b"if-none-match",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
    }
)
# Beneath these there are no endpoints, whatever the path of one that begins with a parameter fits.
_OTHERS = OWN_PREFIXES | {path[1:] for path in OWN_PATHS} | {"openapi.json"}
_NOTHING: Headers = []


class Hot(NamedTuple):
    """An answer, and the headers that it has beside its own."""

    ready: Ready
    notice: Headers

    def varying(self) -> Headers:
        """The headers that are not in the answer's head."""
        ready = self.ready
        headers = [
            (b"etag", ready.tag.encode()),
            (b"x-data-age", b"%d" % ready.age_seconds),
        ]
        if ready.status not in BODILESS:
            headers.append((b"content-length", b"%d" % len(ready.body)))
        if ready.link:
            headers.append((b"link", ready.link.encode()))
        return headers + self.notice if self.notice else headers


class Editions(Protocol):
    """Who has the edition that is served."""

    def acquire(self) -> Edition | None:
        """The current edition, to be released; None before the first."""
        ...

    def release(self, edition: Edition) -> None:
        """A request has ended."""
        ...


class QuickWay:
    """Answers without waiting; from one thread."""

    def __init__(
        self,
        editions: Editions,
        formats: Formats,
        settings: ServeSettings,
        gate: Gate = OPEN_GATE,
        limits: Limits | None = None,
    ) -> None:
        """Answer from whatever edition is current, those whom the gate knows, within limits."""
        self._limits = limits if limits is not None and limits.applies else None
        self._editions = editions
        self._gate = gate
        self._formats = formats
        self._most_url_bytes = settings.max_url_bytes
        self._most_header_bytes = settings.max_header_bytes
        self._most_headers = settings.max_headers
        # What a page of another origin gets has further headers.
        self._looked_at = _LOOKED_AT | {b"origin"} if settings.cors else _LOOKED_AT
        self._accepted: dict[bytes, Form | None] = {}
        self._bodies = CodedBodies(_CODED_BYTES)

    def answer(self, method: str, path: bytes, query: bytes, headers: Headers) -> Hot | None:
        """The answer to a request without a body; None: ask the slow path.

        Args:
            method: "GET", or any other.
            path: of the request's target, as it was sent.
            query: what follows its `?`, as it was sent.
            headers: names in lower case.
        """
        if method not in ("GET", "HEAD") or len(path) + len(query) > self._most_url_bytes:
            return None
        wanted = self._wanted(headers)
        if wanted is None:
            return None
        accept, accept_encoding, none_match, authorization = wanted
        principal = self._gate.quick(authorization) if authorization else ANONYMOUS
        edition = self._editions.acquire() if principal is not None else None
        if principal is None or edition is None:
            return None
        try:
            target = self._target(edition, path, query, accept, principal)
            if target is None:
                return None
            ready = target.served.endpoint.ready(target.asked, none_match.decode("latin-1"))
        except Refused:
            return None
        finally:
            self._editions.release(edition)
        if ready is None or ready.head.is_file:
            # Who has taken a file, and from where, is put on record: the slow path knows.
            return None
        # Asked last: what is counted here must not be counted again on the slow path.
        left = _NOTHING if self._limits is None else self._left(self._limits, principal)
        if left is None:
            return None
        target.served.calls.total += 1
        hot = self._coded(ready, target, accept_encoding)
        return hot._replace(notice=[*hot.notice, *left]) if left else hot

    def _left(self, limits: Limits, principal: Principal) -> Headers | None:
        """Count a request; headers that say what is left, None: the slow path must count it."""
        # Only the slow path knows the address, by which those are limited whom nobody knows.
        if not limits.is_quick or (limits.by_address and principal.is_anonymous):
            return None
        found = limits.quick(principal, "", "data")
        return None if isinstance(found, Refused) else found or _NOTHING

    def _coded(self, ready: Ready, target: Target, accept_encoding: bytes) -> Hot:
        """An answer in the coding that the client likes best."""
        if not accept_encoding:
            return Hot(ready, target.notice)
        coding = chosen_coding(accept_encoding.decode("latin-1"))
        is_compressed = target.asked.request.format.is_compressed
        worth_it = is_worth_it(len(ready.body), is_compressed=is_compressed)
        if coding == "identity" or ready.status != 200 or not worth_it:
            return Hot(ready, target.notice)
        body = self._bodies.get(ready.tag, coding, ready.body)
        return Hot(
            ready._replace(body=body), [*target.notice, (b"content-encoding", coding.encode())]
        )

    def _wanted(self, headers: Headers) -> _Wanted | None:
        """What the headers say; None when the slow path must look at them."""
        # A dict of them, and a named tuple, would cost a microsecond more.
        accept = accept_encoding = none_match = authorization = b""
        size = 0
        for name, value in headers:
            size += len(name) + len(value)
            if name not in self._looked_at:
                continue
            if name == b"accept" and not accept:
                accept = value
            elif name == b"accept-encoding" and not accept_encoding:
                accept_encoding = value
            elif name == b"if-none-match" and not none_match:
                none_match = value
            elif name == b"authorization" and value and not authorization:
                authorization = value
            elif name != b"cookie" or has_session(value):
                return None
        if size > self._most_header_bytes or len(headers) > self._most_headers:
            return None
        return accept, accept_encoding, none_match, authorization

    def _target(
        self, edition: Edition, path: bytes, query: bytes, accept: bytes, principal: Principal
    ) -> Target | None:
        known = edition.targets.get((path, query, accept, principal))
        if known is not None:
            return known
        named = unquote_to_bytes(query) if b"%" in query else query
        if b"cursor" in named or b"snapshot" in named or path.endswith(b"/stream"):
            # It may be a question to another edition, or one that has many answers.
            return None
        segments = path_segments(path)
        if segments[0].partition("/")[0] in _OTHERS:
            return None
        found, form = find_route(edition.routes, self._formats, segments)
        form = form or self._negotiated(accept)
        # A file is an export, which is put on record.
        if found is None or form is None or form.is_file:
            return None
        endpoint = found.target.endpoint
        if not endpoint.contract.access.allows(principal):
            return None
        request = Request(found.parameters, parse_query(query) if query else [], form, path)
        asked = endpoint.asked(request, principal)
        target = Target(found.target, asked, found.target.notice.headers(found.parameters))
        size_bytes = len(path) + len(query) + len(accept)
        if endpoint.keyed is None and size_bytes <= _MOST_BYTES:
            # What is found by key is as quick again, and asked for with other keys.
            if len(edition.targets) >= _MOST_TARGETS:
                edition.targets.clear()
            edition.targets[path, query, accept, principal] = target
        return target

    def _negotiated(self, accept: bytes) -> Form | None:
        try:
            return self._accepted[accept]
        except KeyError:
            if len(self._accepted) >= _MOST_ACCEPTS:
                self._accepted.clear()
            form = self._formats.by_accept(accept.decode("latin-1"))
            if len(accept) <= _MOST_BYTES:
                self._accepted[accept] = form
            return form

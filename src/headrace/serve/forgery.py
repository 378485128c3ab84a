"""Requests that a browser makes because another site's page has asked it to: refuses them.

A browser sends a session's cookie along with whatever it sends. So a request that changes something
and is known by its cookie alone has to come from a page of our own, and to hold a token that only a
page of this session can know.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

from headrace.base.access import Principal
from headrace.serve.answering.answers import request_header
from headrace.serve.answering.problems import Refused, problem
from headrace.serve.messages import read_body

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER = b"x-page-token"
FIELD = "page_token"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 20
_TOKEN_BYTES = 32


def by_session(principal: Principal) -> bool:
    """Whether somebody is known by a session's cookie, which browsers send unasked."""
    return principal.credential.startswith("session:")


def page_token(cookie: str) -> str:
    """What the pages of a session have in their forms; it does not tell the session's id."""
    digest = hmac.digest(cookie.encode("utf-8", "surrogatepass"), b"page token", hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).rstrip(b"=").decode("ascii")


def own_origin(host: str, *, secure: bool, public_url: str = "") -> str:
    """What a browser calls the origin of our pages: that of `public_url`, or else the address by
    which the request has come.

    Args:
        host: that the client asked for, with its port.
        secure: whether it came by https.
        public_url: what `[auth]` says.
    """
    if public_url:
        scheme, _, rest = public_url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}".lower()
    return f"{'https' if secure else 'http'}://{host.lower()}"


def is_own_page(scope: Scope, origin: str) -> bool:
    """Whether a page of `origin` has made the request, as its browser says.

    Sec-Fetch-Site is believed before Origin: no page can set it, and of a page that tells nobody
    where its requests come from, such as ours, Origin is "null".
    """
    site = request_header(scope, b"sec-fetch-site")
    if site:
        return site == "same-origin"
    return request_header(scope, b"origin") == origin


def require_own_page(scope: Scope, origin: str) -> None:
    """Refuse what no page of `origin` has sent.

    Raises:
        Refused: 403.
    """
    if not is_own_page(scope, origin):
        raise Refused(
            problem(
                403,
                "Only a page of this server may ask for this; behind a proxy, `[auth] public_url` "
                "says what its pages are called.",
                kind="not-own-page",
            )
        )


async def require_unforged(scope: Scope, receive: Receive, cookie: str, origin: str) -> Receive:
    """Refuse an unsafe request with a session's cookie that the session's own page did not send.

    Args:
        scope: of the request.
        receive: of the request.
        cookie: the session's id.
        origin: of our pages, see `own_origin`.

    Returns:
        What the body can be read from, as if nobody had read it.

    Raises:
        Refused: 403, or 415 for a body of another kind than JSON or a form.
        ClientGone: the client has left.
    """
    require_own_page(scope, origin)
    kind = content_type(scope)
    given = request_header(scope, HEADER)
    if kind not in (JSON, FORM) and _has_body(scope):
        raise Refused(problem(415, f"The body is {JSON}."))
    if kind == FORM and not given:
        body = await read_body(receive, _MOST_BYTES)
        receive = _again(body)
        given = form_fields(body).get(FIELD, "")
    if not _same(given, page_token(cookie)):
        raise Refused(
            problem(
                403,
                "The page is not one of this session; open it again.",
                kind="no-page-token",
            )
        )
    return receive


def content_type(scope: Scope) -> str:
    """The type of a request's body, without its parameters; "" when it says none."""
    return request_header(scope, b"content-type").partition(";")[0].strip().lower()


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Refused: 422, it is none, or a field is there twice.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as exc:
        raise Refused(problem(422, "The body is not a form.")) from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused(problem(422, "A field of the form is there twice."))
    return fields


def _has_body(scope: Scope) -> bool:
    length = request_header(scope, b"content-length")
    return length not in ("", "0") or bool(request_header(scope, b"transfer-encoding"))


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _again(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive

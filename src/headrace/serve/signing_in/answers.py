"""What signing in answers: cookies, grants of tokens, and the way to the next page."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

import msgspec

from headrace.auth.tokens.own_tokens import Grant
from headrace.base.secrets import Secret
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import problem
from headrace.serve.gate import COOKIE

SIGN_IN_PAGE = "/console/sign-in"
SETUP_PAGE = "/console/setup"
FLOW_COOKIE = "__Host-headrace-flow"
FLOW_SECONDS = 600
# Lax, not Strict: whoever follows a link to the console from elsewhere is signed in still, and so
# is who comes back from another issuer. Nothing is changed by what Lax lets through, a GET.
_ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax"
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
_UNKEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def keeps_cookies(origin: str) -> bool:
    """Whether browsers keep our cookies on pages of an origin: over https, and on this machine."""
    return urlsplit(origin).scheme == "https" or urlsplit(origin).hostname in _THIS_MACHINE


def session_cookie_of(session: Secret) -> str:
    """The Set-Cookie header of a session that begins; the browser keeps it until it is closed."""
    return f"{COOKIE}={session.reveal()}; {_ATTRIBUTES}"


def flow_cookie_of(sealed: str) -> str:
    """The Set-Cookie header that binds a sign-in by another issuer to its browser."""
    return f"{FLOW_COOKIE}={sealed}; Max-Age={FLOW_SECONDS}; {_ATTRIBUTES}"


ENDED_COOKIE = f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"
"""The Set-Cookie header of a session that has ended."""


def to_page(target: str, cookie: str = "", **query: str) -> Answer:
    """The way to another page: 303, which no browser sends a form to again."""
    asked = urlencode({name: value for name, value in query.items() if value})
    headers = {**_UNKEPT, "Location": f"{target}?{asked}" if asked else target}
    if cookie:
        headers["Set-Cookie"] = cookie
    return Answer(303, b"", headers)


def granted(grant: Grant) -> Answer:
    """Tokens, as RFC 6749 has them."""
    said: dict[str, object] = {
        "access_token": grant.access.reveal(),
        "token_type": "Bearer",
        "expires_in": grant.expires_seconds,
    }
    if grant.refresh is not None:
        said["refresh_token"] = grant.refresh.reveal()
    headers = {**_UNKEPT, "Content-Type": "application/json"}
    return Answer(200, msgspec.json.encode(said), headers)


def not_granted(detail: str, headers: Mapping[str, str] | None = None) -> Answer:
    """401, the same whatever was wrong."""
    said = {"WWW-Authenticate": "Bearer", **(headers or {})}
    return problem(401, detail, kind="sign-in", headers=said)

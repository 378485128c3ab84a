"""Whatever is sent to /auth and /console, the answer is one that says what was wrong."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.serve.forgery import page_token
from headrace.serve.gate import COOKIE
from headrace.serve.signing_in.answers import FLOW_COOKIE
from tests.console.test_face import consoles
from tests.serve.signing_in.house import OWN, PASSWORD, Home

PATHS = (
    "/auth/token",
    "/auth/revoke",
    "/auth/sign-in",
    "/auth/sign-out",
    "/auth/setup",
    "/auth/sessions/0123456789abcdef/end",
    "/auth/oidc/idp/callback",
    "/auth/oidc/nobody",
    "/console",
    "/console/sign-in",
    "/console/setup",
    "/console/static/x",
)
KINDS = ("application/json", "application/x-www-form-urlencoded", "text/plain", "")
# Fragments of what is right, so that more than the first check is met.
PIECES = st.sampled_from(
    [
        *(b'{"name":"anna",', b'"password":"x"}', b'{"refresh_token":"hrr_x"}', b"{", b"}", b"["),
        *(b"name=anna", b"&", b"password=x", b"token=x", b"next=//x", b"=", b"%00", b"%ff", b'"'),
        *(b"grant_type", b"state=x", b"code=x", b"iss=x", b"error=x", b"problem=wrong", b"\x00"),
        b"\xff",
    ]
)


IDP = Issuer("idp", "http://127.0.0.1:9", "headrace", client_id="console")


def test_no_request_fails(tmp_path: Path) -> None:
    home = Home.build(tmp_path, AuthSettings((IDP,)), more=consoles)
    secret, _ = home.signing_in.sessions.begin_for(home.people.anna)
    cookie = secret.reveal()

    @settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(
        method=st.sampled_from(("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE")),
        path=st.sampled_from(PATHS),
        kind=st.sampled_from(KINDS),
        pieces=st.lists(PIECES, max_size=6),
        garbage=st.binary(max_size=30),
        query=st.lists(PIECES, max_size=4),
        is_own=st.booleans(),
        has_cookie=st.booleans(),
        flow=st.sampled_from(("", "x", "AAAA", "%%%", "é")),
    )
    def ask(
        method: str,
        path: str,
        kind: str,
        pieces: list[bytes],
        garbage: bytes,
        query: list[bytes],
        *,
        is_own: bool,
        has_cookie: bool,
        flow: str,
    ) -> None:
        headers = [(b"Content-Type", kind.encode())] if kind else []
        headers += [(b"Origin", OWN["Origin"].encode())] if is_own else []
        cookies = [f"{COOKIE}={cookie}"] if has_cookie else []
        cookies += [f"{FLOW_COOKIE}={flow}"] if flow else []
        headers += [(b"Cookie", "; ".join(cookies).encode())] if cookies else []
        if has_cookie and is_own:
            headers.append((b"X-Page-Token", page_token(cookie).encode()))
        asked = b"".join(query).replace(b"\x00", b"").replace(b"\xff", b"")

        async def run() -> httpx.Response:
            async with home.client() as client:
                url = httpx.URL(path, query=asked)
                content = b"".join([*pieces, garbage])
                return await client.request(method, url, headers=headers, content=content)

        answer = asyncio.run(run())
        assert answer.status_code in (200, 204, 303, 401, 403, 404, 405, 413, 415, 422)
        assert PASSWORD not in answer.text
        assert cookie not in answer.text

    ask()
    home.close()

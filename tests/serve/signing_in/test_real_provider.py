"""Signing in by a provider that is not ours, from the first request to the session."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import SetClock
from headrace.serve.gate import COOKIE
from tests.auth.people import People
from tests.serve.signing_in.house import Home
from tests.serve.signing_in.real_provider import User, run_server_in_thread


# The provider's own, which it turns into an answer of 500.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_code_of_a_real_provider_becomes_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    (tmp_path / "secret").write_text("any")
    clara = User(sub="clara", claims={"groups": ["analysts"], "store": 7})
    with run_server_in_thread(user_claims=(clara,), require_nonce=True) as provider:
        issuer = Issuer(
            name="example",
            url=f"http://localhost:{provider.server_port}",
            audience="headrace",
            algorithms=("RS256",),
            roles_claim="groups",
            roles={"analysts": "analyst"},
            claims={"store_id": "store"},
            client_id="console",
            client_secret="file:secret",
        )
        people = People.open(tmp_path, SetClock(datetime.now(UTC)))
        home = Home.build(tmp_path, AuthSettings((issuer,)), people=people)

        async def run() -> httpx.Response:
            async with home.client() as client, httpx.AsyncClient(trust_env=False) as outside:
                there = await client.get("/auth/oidc/example")
                back = await outside.post(there.headers["location"], data={"sub": "clara"})
                return await client.get(back.headers["location"])

        answer = asyncio.run(run())
        session = home.signing_in.sessions.find(answer.cookies[COOKIE])
        assert session is not None
        principal = home.signing_in.sessions.principal_of(session)
        assert principal is not None
        assert (principal.id, principal.roles, dict(principal.claims)) == (
            "example|clara",
            frozenset({"analyst"}),
            {"store_id": 7},
        )
        home.close()

"""Signing in by another issuer: the whole flow, and everything that must end it."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import SetClock
from headrace.base.errors import UsageError
from headrace.serve.answering.problems import Refused, problem
from headrace.serve.gate import COOKIE
from headrace.serve.signing_in.answers import FLOW_COOKIE
from tests.auth.people import People
from tests.serve.signing_in.house import ORIGIN, Home
from tests.serve.signing_in.provider import Provider, new_key, running

REDIRECT = f"{ORIGIN}/auth/oidc/idp/callback"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running(Provider()) as provider:
        yield provider


def issuer_of(provider: Provider) -> Issuer:
    return Issuer(
        name="idp",
        url=provider.url,
        audience="headrace",
        algorithms=("RS256",),
        roles_claim="groups",
        roles={"shop-analysts": "analyst"},
        claims={"store_id": "store"},
        client_id="console",
        client_secret="file:client_secret",
    )


@pytest.fixture
def home(tmp_path: Path, provider: Provider) -> Iterator[Home]:
    (tmp_path / "client_secret").write_text("hush-hush\n")
    clock = SetClock(datetime.fromtimestamp(provider.now, UTC))
    people = People.open(tmp_path, clock)
    home = Home.build(tmp_path, AuthSettings((issuer_of(provider),)), people=people)
    yield home
    home.close()


async def begin(client: httpx.AsyncClient, target: str = "") -> str:
    """Where the browser is sent; it has the cookie of the flow then."""
    answer = await client.get("/auth/oidc/idp", params={"next": target} if target else {})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def at_provider(url: str) -> str:
    """Where the provider sends the browser back to."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def outcome(home: Home, target: str = "") -> httpx.Response:
    """The answer of the callback, after a whole flow."""

    async def run() -> httpx.Response:
        async with home.client() as client:
            back = await at_provider(await begin(client, target))
            return await client.get(back)

    return asyncio.run(run())


def test_the_browser_is_sent_with_a_challenge_and_secrets_of_this_sign_in(
    home: Home, provider: Provider
) -> None:
    async def run() -> tuple[str, str, httpx.Cookies]:
        async with home.client() as client:
            return await begin(client), await begin(client), client.cookies

    first, second, cookies = asyncio.run(run())
    query = dict(parse_qsl(urlsplit(first).query))
    again = dict(parse_qsl(urlsplit(second).query))
    assert first.startswith(f"{provider.url}/authorize?")
    for name in ("state", "nonce", "code_challenge"):
        assert len(query[name]) >= 43
        assert query.pop(name) != again[name]
    assert query == {
        "response_type": "code",
        "client_id": "console",
        "redirect_uri": REDIRECT,
        "scope": "openid profile email",
        "code_challenge_method": "S256",
    }
    flow = base64.urlsafe_b64decode(cookies[FLOW_COOKIE])
    assert again["state"].encode() not in flow
    assert again["nonce"].encode() not in flow


def test_who_comes_back_is_signed_in_with_the_roles_and_claims_of_the_mapping(
    home: Home, provider: Provider
) -> None:
    answer = outcome(home, "/stores")
    assert (answer.status_code, answer.headers["location"]) == (303, "/stores")
    session = home.signing_in.sessions.find(answer.cookies[COOKIE])
    assert session is not None
    principal = home.signing_in.sessions.principal_of(session)
    assert principal is not None
    assert (principal.id, principal.roles, dict(principal.claims), principal.scopes) == (
        "idp|clara",
        frozenset({"analyst"}),
        {"store_id": 7},
        None,
    )
    assert home.noted == [("idp|clara", "sign_in", "idp|clara")]
    [asked] = provider.asked
    secret = base64.b64decode(asked["authorization"].removeprefix("Basic ")).decode()
    assert secret == "console:hush-hush"
    assert asked["grant_type"] == "authorization_code"


def test_a_public_client_shows_no_secret(tmp_path: Path, provider: Provider) -> None:
    clock = SetClock(datetime.fromtimestamp(provider.now, UTC))
    issuer = replace(issuer_of(provider), client_secret="")
    home = Home.build(tmp_path, AuthSettings((issuer,)), people=People.open(tmp_path, clock))
    assert COOKIE in outcome(home).cookies
    assert provider.asked[0]["authorization"] == ""
    assert provider.asked[0]["client_id"] == "console"
    home.close()


def failed(answer: httpx.Response) -> str:
    """The code of a failure, which signs nobody in."""
    assert answer.status_code == 303
    assert COOKIE not in answer.cookies
    path, _, query = answer.headers["location"].partition("?problem=")
    assert path == "/console/sign-in"
    return str(query)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": []},
        {"aud": None},
        {"aud": ["console", "another"]},
        {"aud": ["console", "another"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"exp": 1},
        {"exp": None},
        {"exp": "later"},
        {"iat": None},
        {"iat": 99_999_999_999},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"at_hash": 7},
    ],
)
def test_an_id_token_that_is_not_for_this_sign_in_signs_nobody_in(
    home: Home, provider: Provider, claims: dict[str, object]
) -> None:
    provider.claims = claims
    assert failed(outcome(home)) == "refused"


def test_several_audiences_are_good_when_the_token_was_made_for_us(
    home: Home, provider: Provider
) -> None:
    provider.claims = {"aud": ["console", "another"], "azp": "console"}
    assert COOKIE in outcome(home).cookies


def test_the_hash_of_the_access_token_is_checked(home: Home, provider: Provider) -> None:
    # Of `jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y`, as OpenID Connect's examples have it.
    provider.access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    provider.claims = {"at_hash": "77QmUPtjPfzWtF2AnpK9RQ"}
    assert COOKIE in outcome(home).cookies


def test_a_token_that_another_key_has_signed_signs_nobody_in(
    home: Home, provider: Provider
) -> None:
    provider.signing = new_key("first")
    assert failed(outcome(home)) == "refused"


def test_an_algorithm_that_is_not_allowed_signs_nobody_in(home: Home, provider: Provider) -> None:
    provider.algorithm = "PS256"
    assert failed(outcome(home)) == "refused"


@pytest.mark.parametrize("names_keys", [True, False])
def test_a_provider_that_rotates_its_keys_fails_no_sign_in(
    home: Home, provider: Provider, names_keys: bool
) -> None:
    provider.names_keys = names_keys
    first = outcome(home)
    home.people.clock.advance(61)
    provider.now += 61
    provider.rotate("second")
    second = outcome(home)
    for answer in (first, second):
        assert home.signing_in.sessions.find(answer.cookies[COOKIE]) is not None


def test_a_token_that_names_none_of_several_keys_signs_nobody_in(
    home: Home, provider: Provider
) -> None:
    provider.names_keys = False
    provider.keys.append(new_key("second"))
    assert failed(outcome(home)) == "refused"


@pytest.mark.parametrize(
    ("response", "announced", "code"),
    [
        ({"state": "another"}, False, "expired"),
        ({"state": None}, False, "expired"),
        ({"code": None}, False, "refused"),
        ({"code": "another"}, False, "issuer"),
        ({"error": "access_denied", "code": None}, False, "refused"),
        ({"iss": "https://evil.example"}, False, "refused"),
        ({"iss": "https://evil.example"}, True, "refused"),
        ({}, True, "refused"),
    ],
)
def test_an_answer_that_is_not_of_this_sign_in_signs_nobody_in(
    home: Home, provider: Provider, response: dict[str, object], announced: bool, code: str
) -> None:
    provider.response = response
    if announced:
        provider.configuration = {"authorization_response_iss_parameter_supported": True}
    assert failed(outcome(home)) == code


def test_an_issuer_that_names_itself_in_its_answer_is_believed(
    home: Home, provider: Provider
) -> None:
    provider.configuration = {"authorization_response_iss_parameter_supported": True}
    provider.response = {"iss": provider.url}
    assert COOKIE in outcome(home).cookies


def test_a_sign_in_is_good_once(home: Home) -> None:
    async def run() -> tuple[httpx.Response, httpx.Response]:
        async with home.client() as client:
            back = await at_provider(await begin(client))
            return await client.get(back), await client.get(back)

    first, second = asyncio.run(run())
    assert COOKIE in first.cookies
    assert failed(second) == "expired"


def test_a_new_sign_in_ends_the_session_that_the_browser_had(home: Home) -> None:
    async def run() -> tuple[str, str]:
        async with home.client() as client:
            await client.get(await at_provider(await begin(client)))
            first = client.cookies[COOKIE]
            await client.get(await at_provider(await begin(client)))
            return first, client.cookies[COOKIE]

    first, second = asyncio.run(run())
    assert home.signing_in.sessions.find(first) is None
    assert home.signing_in.sessions.find(second) is not None


def test_a_sign_in_is_bound_to_the_browser_that_began_it(home: Home) -> None:
    async def run() -> tuple[httpx.Response, httpx.Response]:
        async with home.client() as victim, home.client() as attacker:
            back = await at_provider(await begin(attacker))
            without = await victim.get(back)
            await begin(victim)
            return without, await victim.get(back)

    for answer in asyncio.run(run()):
        assert failed(answer) == "expired"


def test_a_sign_in_is_good_for_ten_minutes(home: Home, provider: Provider) -> None:
    async def run() -> httpx.Response:
        async with home.client() as client:
            back = await at_provider(await begin(client))
            home.people.clock.advance(600)
            provider.now += 600
            return await client.get(back)

    assert failed(asyncio.run(run())) == "expired"


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "é", "A" * 3000, "="])
def test_a_cookie_that_is_no_flow_of_ours_ends_it(home: Home, cookie: str) -> None:
    async def run() -> httpx.Response:
        async with home.client() as client:
            back = await at_provider(await begin(client))
            client.cookies.clear()
            raw = [(b"Cookie", f"{FLOW_COOKIE}={cookie}".encode())]
            return await client.get(back, headers=raw)

    assert failed(asyncio.run(run())) == "expired"


def test_a_flow_ends_at_the_issuer_that_it_began_for(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "client_secret").write_text("hush")
    clock = SetClock(datetime.fromtimestamp(provider.now, UTC))
    with running(Provider()) as second:
        other = replace(issuer_of(second), name="other")
        settings = AuthSettings((issuer_of(provider), other))
        home = Home.build(tmp_path, settings, people=People.open(tmp_path, clock))

        async def run() -> httpx.Response:
            async with home.client() as client:
                back = await at_provider(await begin(client))
                return await client.get(back.replace("/idp/", "/other/"))

        assert failed(asyncio.run(run())) == "expired"
        assert second.asked == []
        home.close()


def test_the_redirect_goes_to_the_public_url(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "client_secret").write_text("hush")
    clock = SetClock(datetime.fromtimestamp(provider.now, UTC))
    settings = AuthSettings((issuer_of(provider),), public_url="https://data.example")
    home = Home.build(tmp_path, settings, people=People.open(tmp_path, clock))

    async def run() -> str:
        async with home.client("http://inner:8000") as client:
            return await begin(client)

    query = dict(parse_qsl(urlsplit(asyncio.run(run())).query))
    assert query["redirect_uri"] == "https://data.example/auth/oidc/idp/callback"
    home.close()


def test_too_many_attempts_ask_the_issuer_for_nothing(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "client_secret").write_text("hush")

    async def limit(address: str, account: str) -> None:
        raise Refused(problem(429, "Too many."))

    clock = SetClock(datetime.fromtimestamp(provider.now, UTC))
    people = People.open(tmp_path, clock)
    home = Home.build(tmp_path, AuthSettings((issuer_of(provider),)), limit, people=people)
    assert failed(outcome(home)) == "limited"
    assert provider.asked == []
    home.close()


def test_an_issuer_that_does_not_answer_leads_back_to_the_page(
    tmp_path: Path, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = replace(issuer_of(provider), url="http://127.0.0.1:9", client_secret="")
    home = Home.build(tmp_path, AuthSettings((issuer,)))

    async def run() -> httpx.Response:
        async with home.client() as client:
            return await client.get("/auth/oidc/idp")

    assert failed(asyncio.run(run())) == "issuer"
    assert "nobody can sign in by idp: " in caplog.text
    home.close()


def test_nothing_of_a_flow_reaches_the_log(
    home: Home, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "headrace")
    provider.claims = {"nonce": "another"}
    outcome(home)
    assert "a sign-in by idp failed: the ID token is refused: nonce" in caplog.text
    for secret in ("hush-hush", provider.asked[0]["code"], provider.asked[0]["code_verifier"]):
        assert secret not in caplog.text
        assert secret not in repr(home.signing_in)


def test_a_secret_that_is_not_there_is_found_at_the_start(
    tmp_path: Path, provider: Provider
) -> None:
    with pytest.raises(UsageError) as error:
        Home.build(tmp_path, AuthSettings((issuer_of(provider),)))
    assert str(error.value) == (
        "[auth.issuers.idp] client_secret: the file client_secret cannot be read; expected a secret"
    )

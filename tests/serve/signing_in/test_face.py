"""The face at /auth lets in who shows what is right, and tells nobody what was wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.bootstrap import new_bootstrap_token
from headrace.auth.signing_in.passwords import Passwords
from headrace.auth.tokens.verifying import TokenVerifier
from headrace.base.access import ADMIN
from headrace.base.secrets import Secret
from headrace.serve.answering.problems import Refused, problem
from headrace.serve.forgery import page_token
from headrace.serve.gate import COOKIE
from tests.auth.people import People
from tests.auth.signing_in.test_passwords import CountingHasher
from tests.serve.signing_in.house import ORIGIN, OWN, PASSWORD, Home

_Result = TypeVar("_Result")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.build(tmp_path)
    yield home
    home.close()


def asked(home: Home, ask: Callable[[httpx.AsyncClient], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        async with home.client() as client:
            return await ask(client)

    return asyncio.run(run())


def posted(home: Home, path: str, body: object, **headers: str) -> httpx.Response:
    return asked(home, lambda client: client.post(path, json=body, headers=headers))


def form(
    home: Home, path: str, fields: dict[str, str], headers: dict[str, str] | None = None
) -> httpx.Response:
    given = OWN if headers is None else headers
    return asked(home, lambda client: client.post(path, data=fields, headers=given))


def signed_in(home: Home, **fields: str) -> str:
    """The session's id, after signing in as anna."""
    answer = form(home, "/auth/sign-in", {"name": "anna", "password": PASSWORD, **fields})
    return answer.cookies[COOKIE]


def proven(home: Home, token: str) -> str:
    verifier = TokenVerifier(clock=home.people.clock)
    verifier.trust(home.signing_in.tokens.trust())
    return verifier.verify(token).id


# Tokens


def test_a_password_gives_tokens_and_no_cookie(home: Home) -> None:
    answer = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD})
    said = answer.json()
    assert (answer.status_code, sorted(said)) == (
        200,
        ["access_token", "expires_in", "refresh_token", "token_type"],
    )
    assert (said["token_type"], said["expires_in"]) == ("Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert proven(home, said["access_token"]) == "user:anna"
    assert home.noted == [("user:anna", "token_issued", "anna")]


def test_a_refresh_token_gives_the_next_and_a_second_use_revokes_all(home: Home) -> None:
    first = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD}).json()
    second = posted(home, "/auth/token", {"refresh_token": first["refresh_token"]}).json()
    assert proven(home, second["access_token"]) == "user:anna"
    assert home.noted[1:] == [("user:anna", "token_refreshed", "anna")]
    reused = posted(home, "/auth/token", {"refresh_token": first["refresh_token"]})
    unknown = posted(home, "/auth/token", {"refresh_token": "hrr_unknown"})
    revoked = posted(home, "/auth/token", {"refresh_token": second["refresh_token"]})
    for answer in (reused, unknown, revoked):
        assert answer.status_code == 401
        assert answer.json()["detail"] == "The refresh token is not valid."
    assert home.noted == [
        ("user:anna", "token_issued", "anna"),
        ("user:anna", "token_refreshed", "anna"),
        ("", "token_reused", "anna"),
    ]


def test_revoking_a_refresh_token_says_the_same_of_any(home: Home) -> None:
    given = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD}).json()
    for token in (given["refresh_token"], given["refresh_token"], "hrr_unknown"):
        assert posted(home, "/auth/revoke", {"token": token}).status_code == 204
    answer = posted(home, "/auth/token", {"refresh_token": given["refresh_token"]})
    assert answer.status_code == 401
    assert home.noted[1:] == [("", "token_revoked", "anna")]


def key_of(home: Home, account: str) -> str:
    secret, entry = new_key("prod")
    home.people.accounts.add_key(replace(entry, account=account, scopes=frozenset({"read"})))
    home.people.read()
    return secret.reveal()


def test_the_key_of_a_program_gives_an_access_token_alone(home: Home) -> None:
    bearer = {"Authorization": f"Bearer {key_of(home, 'loader')}"}
    answer = posted(home, "/auth/token", {"grant_type": "client_credentials"}, **bearer)
    assert sorted(answer.json()) == ["access_token", "expires_in", "token_type"]
    assert proven(home, answer.json()["access_token"]) == "service:loader"


def test_no_key_or_the_key_of_a_person_gives_no_token(home: Home) -> None:
    bearer = {"Authorization": f"Bearer {key_of(home, 'anna')}"}
    for headers in (bearer, {}):
        answer = posted(home, "/auth/token", {"grant_type": "client_credentials"}, **headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("anna", "wrong"),
        ("anna", ""),
        ("anna", PASSWORD + " "),
        ("Anna", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("loader", PASSWORD),
        ("x" * 10_000, "y" * 10_000),
        ("' OR 1=1 --", PASSWORD),
        ("a\x00b", "\x00"),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same_and_costs_the_same(
    home: Home, name: str, password: str
) -> None:
    before = home.hasher.verified
    answer = posted(home, "/auth/token", {"name": name, "password": password})
    said = answer.json()
    assert said.pop("instance").startswith("urn:uuid:")
    assert (answer.status_code, said) == (
        401,
        {
            "type": "urn:headrace:problem:sign-in",
            "title": "Unauthorized",
            "status": 401,
            "detail": "The name or the password is not right.",
        },
    )
    assert home.hasher.verified == before + 1
    # What is no account may be a password in the wrong field.
    known = name if name in ("anna", "loader") else ""
    assert home.noted == [("", "sign_in_failed", known)]


def test_a_disabled_account_is_none(home: Home) -> None:
    home.people.accounts.disable("anna")
    answer = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD})
    assert answer.json()["detail"] == "The name or the password is not right."


def test_a_program_does_not_sign_in_though_it_had_a_password(home: Home) -> None:
    stored = Passwords(CountingHasher()).hash(Secret(PASSWORD))
    home.people.accounts.set_password_hash("loader", stored)
    answer = posted(home, "/auth/token", {"name": "loader", "password": PASSWORD})
    assert answer.json()["detail"] == "The name or the password is not right."


def test_a_password_that_was_changed_in_another_process_counts_at_once(
    home: Home, tmp_path: Path
) -> None:
    other = People.open(tmp_path, home.people.clock)
    stored = Passwords(CountingHasher()).hash(Secret("entirely other words"))
    other.accounts.set_password_hash("anna", stored)
    other.accounts.close()
    assert posted(home, "/auth/token", {"name": "anna", "password": PASSWORD}).status_code == 401
    answer = posted(home, "/auth/token", {"name": "anna", "password": "entirely other words"})
    assert proven(home, answer.json()["access_token"]) == "user:anna"


def test_a_hash_with_other_parameters_is_renewed_and_signs_nobody_out(home: Home) -> None:
    accounts = home.people.accounts
    old = Passwords(CountingHasher(3)).hash(Secret(PASSWORD))
    accounts.set_password_hash("anna", old)
    epoch = accounts.directory().accounts["anna"].epoch
    assert posted(home, "/auth/token", {"name": "anna", "password": PASSWORD}).status_code == 200
    renewed = accounts.password_hash("anna")
    assert renewed != old
    assert "t=1" in renewed
    assert accounts.directory().accounts["anna"].epoch == epoch


def test_the_limit_is_asked_before_anything_is_hashed(tmp_path: Path) -> None:
    attempts: list[tuple[str, str]] = []

    async def limit(address: str, account: str) -> None:
        attempts.append((address, account))
        raise Refused(problem(429, "Too many.", headers={"Retry-After": "6"}))

    home = Home.build(tmp_path, limit=limit)
    answer = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "6")
    page = form(home, "/auth/sign-in", {"name": "anna", "password": PASSWORD})
    assert page.headers["location"] == "/console/sign-in?problem=limited"
    assert attempts == [("127.0.0.1", "anna")] * 2
    assert home.hasher.verified == 0
    home.close()


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"name=anna", "application/x-www-form-urlencoded", 415),
        (b"", "application/json", 422),
        (b"[", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"name": 1}', "application/json", 422),
        (b'{"name": "anna", "scope": "all"}', "application/json", 422),
        (b'{"grant_type": "implicit"}', "application/json", 422),
        (b'{"name": "\xff"}', "application/json", 422),
        (b'{"name": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b"[" * 60_000, "application/json", 422),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    home: Home, content: bytes, kind: str, status: int
) -> None:
    headers = {"content-type": kind}
    answer = asked(
        home, lambda client: client.post("/auth/token", content=content, headers=headers)
    )
    assert answer.status_code == status
    assert home.hasher.verified == 0


# Browsers


def test_signing_in_sets_a_cookie_that_only_a_secure_browser_sends_back(home: Home) -> None:
    answer = form(home, "/auth/sign-in", {"name": "anna", "password": PASSWORD})
    cookie = answer.cookies[COOKIE]
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console"
    assert answer.headers["set-cookie"] == (
        f"__Host-headrace={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax"
    )
    assert answer.headers["cache-control"] == "no-store"
    session = home.signing_in.sessions.find(cookie)
    assert session is not None
    assert session.browser.startswith("python-httpx/")
    assert home.noted == [("user:anna", "sign_in", "user:anna")]


def test_each_sign_in_is_a_new_session_and_ends_the_one_before_in_that_browser(home: Home) -> None:
    async def twice(client: httpx.AsyncClient) -> tuple[str, str]:
        fields = {"name": "anna", "password": PASSWORD}
        await client.post("/auth/sign-in", data=fields, headers=OWN)
        first = client.cookies[COOKIE]
        await client.post("/auth/sign-in", data=fields, headers=OWN)
        return first, client.cookies[COOKIE]

    first, second = asked(home, twice)
    assert first != second
    sessions = home.signing_in.sessions
    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_a_wrong_password_leads_back_without_a_word_of_it(home: Home) -> None:
    fields = {"name": "anna", "password": "wrong", "next": "/stores"}
    answer = form(home, "/auth/sign-in", fields)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/sign-in?problem=wrong&next=%2Fstores",
    )
    assert "set-cookie" not in answer.headers
    unknown = form(home, "/auth/sign-in", {**fields, "name": "nobody"})
    assert unknown.headers == answer.headers


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/stores?since=2026-01-01", "/stores?since=2026-01-01"),
        ("/console/keys", "/console/keys"),
        ("", "/console"),
        ("//evil.example", "/console"),
        ("/\\evil.example", "/console"),
        ("/a\\b", "/console"),
        ("https://evil.example", "/console"),
        ("javascript:alert(1)", "/console"),
        ("/a\r\nSet-Cookie: x=1", "/console"),
        ("/ä", "/console"),
        ("/a b", "/console"),
        ("stores", "/console"),
        ("/" + "a" * 600, "/console"),
    ],
)
def test_after_signing_in_it_goes_on_to_a_path_of_ours_alone(
    home: Home, target: str, location: str
) -> None:
    fields = {"name": "anna", "password": PASSWORD, "next": target}
    assert form(home, "/auth/sign-in", fields).headers["location"] == location


@pytest.mark.parametrize(
    ("origin", "location"),
    [
        ("http://shop.example", "/console/sign-in?problem=insecure"),
        ("http://10.0.0.7:8000", "/console/sign-in?problem=insecure"),
        ("http://localhost:8000", "/console"),
        ("http://127.0.0.1:8000", "/console"),
        ("http://[::1]:8000", "/console"),
    ],
)
def test_where_browsers_keep_no_session_nobody_is_asked_in_vain(
    home: Home, origin: str, location: str
) -> None:
    async def run() -> httpx.Response:
        async with home.client(origin) as client:
            fields = {"name": "anna", "password": PASSWORD}
            return await client.post("/auth/sign-in", data=fields, headers={"Origin": origin})

    assert asyncio.run(run()).headers["location"] == location


@pytest.mark.parametrize("path", ["/auth/sign-in", "/auth/setup"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site", **OWN}],
)
def test_a_page_of_another_site_signs_nobody_in(
    home: Home, path: str, headers: dict[str, str]
) -> None:
    answer = form(home, path, {"name": "anna", "password": PASSWORD}, headers)
    assert answer.status_code == 403
    assert home.hasher.verified == 0


def test_signing_out_ends_the_session_and_takes_the_cookie(home: Home) -> None:
    cookie = signed_in(home)
    headers = {**OWN, "Cookie": f"{COOKIE}={cookie}"}
    fields = {"page_token": page_token(cookie)}
    answer = form(home, "/auth/sign-out", fields, headers)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/sign-in?signed=out",
    )
    assert answer.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0; Path=/; Secure;")
    assert home.signing_in.sessions.find(cookie) is None
    assert home.noted[-1] == ("user:anna", "sign_out", "user:anna")
    again = form(home, "/auth/sign-out", fields, headers)
    assert again.status_code == 303


def test_nobody_is_signed_out_without_the_token_of_the_page(home: Home) -> None:
    cookie = signed_in(home)
    headers = {**OWN, "Cookie": f"{COOKIE}={cookie}"}
    assert form(home, "/auth/sign-out", {}, headers).status_code == 403
    assert form(home, "/auth/sign-out", {"page_token": "x"}, headers).status_code == 403
    fields = {"page_token": page_token(cookie)}
    assert form(home, "/auth/sign-out", fields, {"Cookie": headers["Cookie"]}).status_code == 403
    assert home.signing_in.sessions.find(cookie) is not None


def test_somebody_ends_their_other_sessions_and_nobody_elses(home: Home) -> None:
    cookie, other = signed_in(home), signed_in(home)
    bert, _ = home.signing_in.sessions.begin_for(replace(home.people.anna, name="bert"))
    sessions = home.signing_in.sessions
    handles = [each.handle for each in map(sessions.find, (other, cookie)) if each is not None]
    strange = next(each for each in sessions._known.values() if each.account == "bert").handle
    headers = {**OWN, "Cookie": f"{COOKIE}={cookie}"}
    fields = {"page_token": page_token(cookie)}
    for handle in (handles[0], strange):
        answer = form(home, f"/auth/sessions/{handle}/end", fields, headers)
        assert answer.headers["location"] == "/console"
    assert sessions.find(other) is None
    assert bert.reveal()
    assert any(each.account == "bert" for each in sessions._known.values())
    answer = form(home, f"/auth/sessions/{handles[1]}/end", fields, headers)
    assert answer.headers["location"] == "/console/sign-in?signed=out"
    assert sessions.find(cookie) is None


# The first account


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Home]:
    home = Home.build(tmp_path, people=People.open(tmp_path))
    yield home
    home.close()


def setup_fields(home: Home, **fields: str) -> dict[str, str]:
    token = new_bootstrap_token(home.people.accounts)
    assert token is not None
    return {"token": token.reveal(), "name": "root", "password": PASSWORD, **fields}


def test_the_printed_token_makes_the_first_account_once(empty: Home) -> None:
    fields = setup_fields(empty)
    answer = form(empty, "/auth/setup", fields)
    assert answer.headers["location"] == "/console"
    session = empty.signing_in.sessions.find(answer.cookies[COOKIE])
    assert session is not None
    principal = empty.signing_in.sessions.principal_of(session)
    assert principal is not None
    assert (principal.id, principal.roles) == ("user:root", frozenset({ADMIN}))
    assert empty.noted == [
        ("user:root", "setup", "root"),
        ("user:root", "sign_in", "user:root"),
    ]
    again = form(empty, "/auth/setup", {**fields, "name": "eve"})
    assert again.headers["location"] == "/console/setup?problem=token"
    assert PASSWORD.encode() not in empty.people.accounts.database.path.read_bytes()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"token": "wrong"}, "token"),
        ({"password": "password1"}, "password"),
        ({"password": "short"}, "password"),
        ({"name": "no good name"}, "name"),
        ({"name": ""}, "name"),
    ],
)
def test_a_setup_that_fails_says_what_was_wrong_and_leaves_the_token_valid(
    empty: Home, fields: dict[str, str], code: str
) -> None:
    right = setup_fields(empty)
    answer = form(empty, "/auth/setup", {**right, **fields})
    assert answer.headers["location"] == f"/console/setup?problem={code}"
    assert empty.people.accounts.directory().accounts == {}
    assert form(empty, "/auth/setup", right).headers["location"] == "/console"


def test_no_secret_reaches_a_log_or_a_repr(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = posted(home, "/auth/token", {"name": "anna", "password": PASSWORD}).json()
    posted(home, "/auth/token", {"refresh_token": given["refresh_token"]})
    posted(home, "/auth/token", {"refresh_token": given["refresh_token"]})
    cookie = signed_in(home)
    said = caplog.text + repr(home.signing_in) + json.dumps(home.noted)
    for secret in (PASSWORD, given["refresh_token"], given["access_token"], cookie):
        assert secret not in said
    assert "ssssssss" not in said


def test_there_is_no_other_way_to_sign_in(home: Home) -> None:
    """Whoever adds one says so here, and in docs/access.md; what a GET does is bound to a flow."""
    assert [(each.method, each.path) for each in home.signing_in.routes] == [
        ("POST", "/auth/token"),
        ("POST", "/auth/revoke"),
        ("POST", "/auth/sign-in"),
        ("POST", "/auth/sign-out"),
        ("POST", "/auth/sessions/{handle}/end"),
        ("POST", "/auth/setup"),
        ("GET", "/auth/oidc/{issuer}"),
        ("GET", "/auth/oidc/{issuer}/callback"),
    ]


def test_only_these_paths_are_there(home: Home) -> None:
    async def statuses(client: httpx.AsyncClient) -> list[int]:
        paths = ("/auth", "/auth/token", "/auth/nothing", "/auth/oidc/idp", "/auth/sign-in")
        return [(await client.get(path)).status_code for path in paths]

    assert asked(home, statuses) == [401, 405, 401, 404, 405]
    assert ORIGIN.startswith("https://")

"""The console's pages: who gets which, and what every one of them tells the browser not to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.console import Console
from headrace.console.face import browser_name
from headrace.serve.editions.edition import Edition
from headrace.serve.forgery import page_token
from headrace.serve.gate import COOKIE
from headrace.serve.signing_in.face import SigningIn
from tests.auth.people import People
from tests.serve.signing_in.house import OWN, PASSWORD, Home

POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'"
)
PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), "
    "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
)
IDP = Issuer("idp", "https://idp.example", "headrace", client_id="console")


class Unpublished:
    """Editions of an environment that nothing was published to."""

    environment = "prod"

    def acquire(self) -> Edition | None:
        return None

    def release(self, edition: Edition) -> None:  # noqa: ARG002
        raise AssertionError("nothing was acquired")


def consoles(signing_in: SigningIn) -> list[Console]:
    return [Console(signing_in, Unpublished(), "coffee")]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.build(tmp_path, more=consoles)
    yield home
    home.close()


def got(home: Home, path: str, cookie: str = "") -> httpx.Response:
    async def run() -> httpx.Response:
        async with home.client() as client:
            headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
            return await client.get(path, headers=headers)

    return asyncio.run(run())


def signed_in(home: Home) -> str:
    async def run() -> str:
        async with home.client() as client:
            fields = {"name": "anna", "password": PASSWORD}
            answer = await client.post("/auth/sign-in", data=fields, headers=OWN)
            return answer.cookies[COOKIE]

    return asyncio.run(run())


def test_every_page_lets_the_browser_load_nothing_but_what_is_ours(home: Home) -> None:
    cookie = signed_in(home)
    for answer in (got(home, "/console/sign-in"), got(home, "/console", cookie)):
        assert answer.status_code == 200
        headers = dict(answer.headers)
        headers.pop("content-length")
        assert headers == {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": POLICY,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": PERMISSIONS,
        }
        for inline in ("<style", "style=", "onclick", "onload", "javascript:"):
            assert inline not in answer.text
        assert answer.text.count("<script") == answer.text.count('<script type="module" src=') == 1


def test_what_pages_load_has_a_name_of_its_content_and_may_be_kept_for_ever(home: Home) -> None:
    page = got(home, "/console/sign-in").text
    names = [part.partition('"')[0] for part in page.split('"/console/static/')[1:]]
    assert [name.rpartition(".")[2] for name in names] == ["css", "js"]
    for name in names:
        answer = got(home, f"/console/static/{name}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))
    for name in ("console.css", "nothing", "layout.html", "%252e%252e"):
        assert got(home, f"/console/static/{name}").status_code == 404


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", 401),
        ("console.css", 404),
        ("console.0000000000000000.js", 404),
        ("..%5Cpages.py", 404),
        ("../pages.py", 401),
        ("..%2Fpages.py", 401),
        (".%2e/templates/layout.html", 401),
        ("%2Fetc%2Fpasswd", 401),
    ],
)
def test_nothing_else_of_the_folder_is_served(home: Home, name: str, status: int) -> None:
    answer = got(home, f"/console/static/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_password_is_masked_and_may_come_from_a_manager(home: Home, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = Home.build(tmp_path, more=consoles, people=People.open(tmp_path / "empty"))
    pages = {
        "current-password": got(home, "/console/sign-in").text,
        "new-password": got(empty, "/console/setup").text,
    }
    empty.close()
    for filled_by, page in pages.items():
        [field] = re.findall(r'<input[^>]* name="password"[^>]*>', page)
        assert 'type="password"' in field
        assert f'autocomplete="{filled_by}"' in field
        # Nothing listens to what is pasted or dropped, in the page or in what it loads.
        [script] = re.findall(r'<script[^>]* src="([^"]+)"', page)
        for text in (page, got(home, script).text):
            assert re.search(r"paste|drop|keydown|password\b.*Listener", text) is None


def test_whoever_is_not_signed_in_is_led_to_where_they_can(home: Home) -> None:
    answer = got(home, "/console")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
    assert got(home, "/console", "x" * 43).headers["location"] == "/console/sign-in"
    assert got(home, "/console/setup").headers["location"] == "/console"


def test_whoever_is_signed_in_is_led_on(home: Home) -> None:
    cookie = signed_in(home)
    assert got(home, "/console/sign-in", cookie).headers["location"] == "/console"
    answer = got(home, "/console/sign-in?next=/stores", cookie)
    assert answer.headers["location"] == "/stores"
    answer = got(home, "/console/sign-in?next=//evil.example", cookie)
    assert answer.headers["location"] == "/console"


def test_without_an_account_there_is_a_setup(tmp_path: Path) -> None:
    home = Home.build(tmp_path, people=People.open(tmp_path), more=consoles)
    for path in ("/console", "/console/sign-in"):
        assert got(home, path).headers["location"] == "/console/setup"
    assert 'action="/auth/setup"' in got(home, "/console/setup").text
    home.close()


def test_without_an_account_but_with_an_issuer_there_are_both(tmp_path: Path) -> None:
    settings = AuthSettings((IDP,))
    home = Home.build(tmp_path, settings, people=People.open(tmp_path), more=consoles)
    assert got(home, "/console").headers["location"] == "/console/sign-in"
    page = got(home, "/console/sign-in").text
    assert 'href="/auth/oidc/idp"' in page
    assert 'href="/console/setup"' in page
    assert "/auth/sign-in" not in page
    home.close()


def test_the_way_that_somebody_was_on_goes_through_every_way_of_signing_in(tmp_path: Path) -> None:
    home = Home.build(tmp_path, AuthSettings((IDP,)), more=consoles)
    page = got(home, "/console/sign-in?next=/stores%3Fsince=2026-01-01").text
    assert 'href="/auth/oidc/idp?next=%2Fstores%3Fsince%3D2026-01-01"' in page
    assert '<input type="hidden" name="next" value="/stores?since=2026-01-01">' in page
    assert 'value="/console"' in got(home, "/console/sign-in?next=https://evil.example").text
    home.close()


def test_a_page_says_what_went_wrong_in_words_of_its_own_alone(home: Home) -> None:
    said = got(home, "/console/sign-in?problem=wrong").text
    assert "The name or the password is not right." in said
    for query in ("problem=<b>x", "problem=wrong&problem=wrong", "problem=", "x=1"):
        assert 'role="alert"' not in got(home, f"/console/sign-in?{query}").text


def test_the_forms_of_a_page_hold_the_token_of_its_session(home: Home) -> None:
    cookie = signed_in(home)
    page = got(home, "/console", cookie).text
    assert page.count(f'name="page_token" value="{page_token(cookie)}"') == 2
    assert cookie not in page
    assert "Nothing is published yet" in page


def test_a_credential_that_is_no_session_has_no_page(home: Home) -> None:
    async def run() -> httpx.Response:
        async with home.client() as client:
            fields = {"name": "anna", "password": PASSWORD}
            granted = await client.post("/auth/token", json=fields)
            bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
            return await client.get("/console", headers=bearer)

    answer = asyncio.run(run())
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
          "Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0"), "Edge on Windows"),
        (("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
          "Gecko) Version/18.5 Safari/605.1.15"), "Safari on macOS"),
        (("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
          "Chrome/150.0.0.0 Mobile Safari/537.36"), "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown browser"),
    ],
)  # fmt: skip
def test_browsers_are_called_what_people_call_them(agent: str, name: str) -> None:
    assert browser_name(agent) == name

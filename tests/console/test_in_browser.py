"""The console in a real browser: no violation of its policy, and no text that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.bootstrap import new_bootstrap_token
from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.access import Access
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.secrets import Secret
from headrace.serve.gate import COOKIE
from headrace.store.store import Store
from tests.console.browser import Browser, opened_browser
from tests.console.serving import console_of, with_canaries
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Shop
from tests.serve.signing_in.real_provider import User, run_server_in_thread

PASSWORD = "ferry copper lantern ridge"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with opened_browser(tmp_path / "profile") as browser:
        yield browser


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A shop whose every text is a canary."""
    shop = Shop(Store.open(tmp_path / "store"))
    analysts = Access("granted", ("analyst",))
    admins = Access("granted", ("admin",))
    many = [
        replace(
            ALL_SALES,
            name=f"sales_{number}",
            path=f"/sales/{number}",
            description=with_canaries("Sales. "),
            access=analysts,
        )
        for number in range(6)
    ]
    shop.publish(
        replace(BY_STORE, access=analysts),
        replace(ALL_SALES, description="Everything that was sold.", access=analysts),
        replace(ALL_SALES, name="secret", path="/secret", access=admins),
        *many,
        tables=(shop.table("sales", SALES.format(rows=50)),),
    )
    return shop.store


def watch(browser: Browser, url: str) -> None:
    """Nothing ran that was not ours, nothing was refused, and nothing left for elsewhere."""
    assert browser.run("typeof canary") == "undefined"
    assert browser.violations == []
    assert browser.console == []
    strange = [each for each in browser.requests if not each.startswith((url, "data:", "about:"))]
    assert strange == []


def test_the_first_account_is_made_signs_out_and_signs_in_again(
    store: Store, browser: Browser
) -> None:
    with console_of(store, AuthSettings()) as server:
        token = new_bootstrap_token(server.accounts)
        assert token is not None
        browser.open(f"{server.url}/console")
        assert browser.path == "/console/setup"
        assert "No person has an account yet." in browser.text()
        browser.fill(token=token.reveal(), name="root", password="passwordpassword")
        browser.click("button")
        assert "That password is easily guessed." in browser.text("[role=alert]")
        browser.fill(token=token.reveal(), name="root", password=PASSWORD)
        browser.click("button")
        assert browser.path == "/console"
        assert browser.text("h1") == "root"
        assert browser.text(".you dl") == "Roles\nadmin"
        [cookie] = browser.cookies()
        assert (cookie["name"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
            COOKIE,
            True,
            True,
            "Lax",
        )
        assert browser.run("document.cookie") == ""
        browser.click(".out button")
        assert browser.path == "/console/sign-in"
        assert browser.text("[role=status]") == "You are signed out."
        assert browser.cookies() == []
        browser.fill(name="root", password="wrong")
        browser.click("button")
        assert browser.text("[role=alert]") == "The name or the password is not right."
        browser.fill(name="root", password=PASSWORD)
        browser.click("button")
        assert browser.path == "/console"
        watch(browser, server.url)


def add_anna(accounts: Accounts) -> None:
    account = Account(
        "anna",
        roles=frozenset({"analyst"}),
        claims={"tenant": with_canaries("north"), "stores": (1, 2)},
    )
    accounts.add_account(account, Passwords().hash(Secret(PASSWORD)))


def sign_in(browser: Browser, url: str) -> None:
    browser.open(f"{url}/console/sign-in")
    browser.fill(name="anna", password=PASSWORD)
    browser.click("button")
    assert browser.path == "/console"


def test_somebody_sees_what_they_may_call_as_text_that_does_nothing(
    store: Store, browser: Browser, tmp_path: Path
) -> None:
    with console_of(store, AuthSettings()) as server:
        add_anna(server.accounts)
        server.service.refresh()
        sign_in(browser, server.url)
        rows = browser.run(
            "[...document.querySelectorAll('tbody tr')].map(row => row.innerText.trim())"
        )
        path, description, age = rows[0].split("\t")
        assert (path, description) == ("/sales", "Everything that was sold.")
        assert age.endswith(" s")
        assert rows[1].split("\t")[1] == with_canaries("Sales. ")
        assert len(rows) == 8
        assert "/secret" not in browser.text()
        assert with_canaries("north") in browser.text(".you")
        assert "1, 2" in browser.text(".you")
        browser.run("document.querySelector('.filter').focus()")
        browser.send("Input.insertText", text="stores day")
        shown = browser.run(
            "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length"
        )
        assert shown == 1
        watch(browser, server.url)
        browser.open(f"{server.url}/sales")
        assert '"revenue"' in browser.text()


def test_somebody_ends_a_session_of_another_browser(
    store: Store, browser: Browser, tmp_path: Path
) -> None:
    with console_of(store, AuthSettings()) as server:
        add_anna(server.accounts)
        server.service.refresh()
        account = server.signing_in.sessions.directory.now.accounts["anna"]
        elsewhere, _ = server.signing_in.sessions.begin_for(account, with_canaries("Strange/1"))
        sign_in(browser, server.url)
        listed = browser.text(".sessions")
        assert "Chrome on Linux this one" in listed
        assert "Strange/1<img" in listed
        browser.click(".sessions li:last-child button")
        assert browser.path == "/console"
        assert "Strange/1" not in browser.text(".sessions")
        assert server.signing_in.sessions.find(elsewhere.reveal()) is None
        browser.click(".sessions button")
        assert browser.path == "/console/sign-in"
        watch(browser, server.url)


def test_a_page_of_another_site_neither_acts_nor_reads(store: Store, browser: Browser) -> None:
    with console_of(store, AuthSettings()) as server:
        add_anna(server.accounts)
        server.service.refresh()
        sign_in(browser, server.url)
        # The same machine by another name is another site.
        foreign = server.url.replace("127.0.0.1", "localhost")
        browser.open(f"{foreign}/livez")
        browser.run(
            f"fetch('{server.url}/auth/sign-out', {{method: 'POST', mode: 'no-cors',"
            " credentials: 'include', body: new URLSearchParams('page_token=x')}).catch(() => 0)"
        )
        read = browser.run(
            f"fetch('{server.url}/console', {{credentials: 'include'}})"
            ".then(answer => answer.text()).catch(() => 'refused')"
        )
        assert read == "refused"
        browser.open(f"{server.url}/console")
        assert browser.path == "/console"


# The provider's own, which it turns into an answer of 500.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_signing_in_by_a_real_provider(
    store: Store, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("CONSOLE_SECRET", "any")
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
            client_secret="env:CONSOLE_SECRET",
        )
        with console_of(store, AuthSettings((issuer,))) as server:
            browser.open(f"{server.url}/console/sign-in")
            browser.click("a.button")
            assert browser.run("location.port") == str(provider.server_port)
            browser.click("button[value=clara]")
            assert browser.path == "/console"
            assert browser.text("h1") == "clara"
            assert browser.text(".you dl") == "Roles\nanalyst\nstore_id\n7"
            assert browser.violations == []
            browser.click(".out button")
            assert browser.path == "/console/sign-in"

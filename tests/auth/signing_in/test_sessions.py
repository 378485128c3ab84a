"""sessions.py: a session lasts until a limit, a sign-out or a change of its account."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.auth.accounts.following import STALE_SECONDS
from headrace.auth.signing_in.sessions import SESSIONS_OF_ONE, Session, Sessions, digest_of
from headrace.base.access import Principal
from headrace.base.auth_settings import AuthSettings, Issuer
from tests.auth.people import People

ISSUER = Issuer("idp", "https://idp.example", "headrace")
SETTINGS = AuthSettings((ISSUER,), session_seconds=12 * 3600, session_idle_seconds=3600)
CLARA = Principal(
    "https://idp.example|clara",
    frozenset({"viewer"}),
    frozenset({"read"}),
    claims={"tenant": "north", "stores": (1, 2), "vip": True},
)


def opened(people: People, settings: AuthSettings = SETTINGS) -> Sessions:
    sessions = Sessions(people.accounts.database, people.directory, settings, people.clock)
    sessions.refresh()
    return sessions


def looked_up(sessions: Sessions, cookie: str) -> Session | None:
    sessions.look_up(digest_of(cookie))
    return sessions.find(cookie)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People.settle(tmp_path)
    yield people
    people.accounts.close()


@pytest.fixture
def sessions(people: People) -> Sessions:
    return opened(people)


@pytest.fixture
def other(people: People) -> Iterator[tuple[Sessions, People]]:
    """Another process on the same file."""
    second = People.open(people.accounts.database.path.parent, people.clock)
    yield opened(second), second
    second.accounts.close()


def test_a_cookie_is_a_new_random_id_that_the_file_does_not_hold(
    people: People, sessions: Sessions
) -> None:
    first, session = sessions.begin_for(people.anna, "Firefox")
    second, _ = sessions.begin_for(people.anna, "Firefox")
    assert first.reveal() != second.reveal()
    assert len(base64.urlsafe_b64decode(first.reveal() + "=")) == 32
    content = people.accounts.database.path.read_bytes()
    assert first.reveal().encode() not in content
    assert base64.urlsafe_b64decode(first.reveal() + "=") not in content
    assert session.digest in content
    assert first.reveal() not in repr((first, session))


def test_a_session_is_its_accounts_principal(people: People, sessions: Sessions) -> None:
    cookie, begun = sessions.begin_for(people.anna)
    session = sessions.find(cookie.reveal())
    assert session == begun
    principal = sessions.principal_of(begun)
    assert principal is not None
    assert (principal.id, principal.roles, principal.claims, principal.scopes) == (
        "user:anna",
        frozenset({"analyst"}),
        {"store_id": 7},
        None,
    )
    assert principal.credential == f"session:{begun.handle}"
    assert principal.expires_at == begun.ends_at
    assert sessions.principal_of(begun) is principal


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "é" * 43, "x" * 10_000, "../../etc/passwd"])
def test_what_is_no_id_is_no_session(sessions: Sessions, cookie: str) -> None:
    assert sessions.find(cookie) is None
    assert looked_up(sessions, cookie) is None


def test_an_unused_session_ends_and_a_used_one_goes_on(people: People, sessions: Sessions) -> None:
    cookie, _ = sessions.begin_for(people.anna)
    for _ in range(4):
        people.clock.advance(3599)
        assert sessions.find(cookie.reveal())
    people.clock.advance(3600)
    assert sessions.find(cookie.reveal()) is None
    assert sessions.of("user:anna") == []


def test_a_session_ends_however_much_it_is_used(people: People, sessions: Sessions) -> None:
    cookie, _ = sessions.begin_for(people.anna)
    for _ in range(23):
        people.clock.advance(1800)
        assert sessions.find(cookie.reveal())
    people.clock.advance(1800)
    assert sessions.find(cookie.reveal()) is None


CHANGES: dict[str, Callable[[People], None]] = {
    "disabled": lambda people: people.accounts.disable("anna"),
    "other roles": lambda people: people.accounts.change_account("anna", roles=["viewer"]),
    "other password": lambda people: people.accounts.set_password_hash("anna", "hash"),
    "signed out everywhere": lambda people: people.accounts.end_sessions("anna"),
    "removed": lambda people: people.accounts.remove_account("anna"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_the_account_ends_its_sessions(
    people: People, sessions: Sessions, change: Callable[[People], None]
) -> None:
    cookie, _ = sessions.begin_for(people.anna)
    change(people)
    people.read()
    assert sessions.find(cookie.reveal()) is None
    assert looked_up(sessions, cookie.reveal()) is None
    assert sessions.of("user:anna") == []


def test_an_account_that_has_changed_while_its_password_was_verified_is_not_signed_in(
    people: People, sessions: Sessions
) -> None:
    before = people.anna
    people.accounts.set_password_hash("anna", "hash")
    people.read()
    cookie, _ = sessions.begin_for(before)
    assert sessions.find(cookie.reveal()) is None


def test_signing_out_ends_one_session_in_every_process(
    people: People, sessions: Sessions, other: tuple[Sessions, People]
) -> None:
    elsewhere, _ = other
    stays, _ = sessions.begin_for(people.anna, "Firefox")
    cookie, session = sessions.begin_for(people.anna, "Chromium")
    elsewhere.refresh()
    assert elsewhere.find(cookie.reveal()) == session
    sessions.end(session)
    assert sessions.find(cookie.reveal()) is None
    assert looked_up(sessions, cookie.reveal()) is None
    elsewhere.refresh()
    assert elsewhere.find(cookie.reveal()) is None
    assert [each.browser for each in elsewhere.of("user:anna")] == ["Firefox"]
    assert elsewhere.find(stays.reveal())


def test_a_session_of_another_process_is_found_before_it_is_in_the_picture(
    people: People, sessions: Sessions, other: tuple[Sessions, People]
) -> None:
    cookie, session = sessions.begin_for(people.anna)
    elsewhere, _ = other
    assert elsewhere.find(cookie.reveal()) is None
    assert looked_up(elsewhere, cookie.reveal()) == session
    assert elsewhere.find(cookie.reveal()) == session


def test_last_use_is_written_in_batches_and_seen_by_others(
    people: People, sessions: Sessions, other: tuple[Sessions, People]
) -> None:
    cookie, _ = sessions.begin_for(people.anna)
    sessions.refresh()
    people.clock.advance(20)
    assert sessions.find(cookie.reveal())
    sessions.refresh()
    elsewhere, _ = other
    elsewhere.refresh()
    start = people.clock.now().timestamp() - 20
    assert [each.used_at for each in elsewhere.of("user:anna")] == [start]
    people.clock.advance(10)
    sessions.refresh()
    elsewhere.refresh()
    assert [each.used_at for each in elsewhere.of("user:anna")] == [start + 20]


def test_what_has_ended_leaves_the_file(people: People, sessions: Sessions) -> None:
    sessions.begin_for(people.anna)
    people.clock.advance(3600 + 61)
    sessions.refresh()
    assert people.accounts.database.rows("sessions") == []


def test_of_one_account_the_oldest_sessions_end(people: People, sessions: Sessions) -> None:
    cookies = []
    for _ in range(SESSIONS_OF_ONE + 2):
        people.clock.advance(1)
        cookies.append(sessions.begin_for(people.anna)[0].reveal())
    assert [sessions.find(cookie) is None for cookie in cookies[:3]] == [True, True, False]
    assert len(sessions.of("user:anna")) == SESSIONS_OF_ONE


def test_whom_another_issuer_knows_is_kept_with_the_session(
    people: People, sessions: Sessions, other: tuple[Sessions, People]
) -> None:
    cookie, session = sessions.begin_by("idp", CLARA)
    elsewhere, _ = other
    found = looked_up(elsewhere, cookie.reveal())
    assert found is not None
    principal = elsewhere.principal_of(found)
    assert principal is not None
    assert (principal.id, principal.roles, principal.scopes, principal.claims) == (
        CLARA.id,
        CLARA.roles,
        CLARA.scopes,
        CLARA.claims,
    )
    assert principal.credential == session.credential


@pytest.mark.parametrize(
    "issuers", [(), (replace(ISSUER, roles={"staff": "viewer"}),), (replace(ISSUER, name="other"),)]
)
def test_when_the_settings_say_something_else_of_its_issuer_a_session_has_ended(
    people: People, sessions: Sessions, issuers: tuple[Issuer, ...]
) -> None:
    cookie, _ = sessions.begin_by("idp", CLARA)
    after = opened(people, replace(SETTINGS, issuers=issuers))
    assert after.find(cookie.reveal()) is None
    assert looked_up(after, cookie.reveal()) is None


def test_when_the_file_cannot_be_read_for_long_nobody_is_signed_in(
    people: People, sessions: Sessions
) -> None:
    cookies = [sessions.begin_for(people.anna)[0], sessions.begin_by("idp", CLARA)[0]]
    people.accounts.database.path.write_bytes(b"no database" * 1000)
    people.clock.advance(STALE_SECONDS)
    people.read()
    assert [sessions.find(cookie.reveal()) for cookie in cookies] == [None, None]


def test_closing_writes_the_last_use(people: People, sessions: Sessions) -> None:
    cookie, _ = sessions.begin_for(people.anna)
    sessions.refresh()
    people.clock.advance(5)
    sessions.find(cookie.reveal())
    sessions.close()
    [row] = people.accounts.database.rows("sessions")
    assert people.clock.now().timestamp() in row

"""session_proofs.py: a cookie proves who has signed in, in whatever process that was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headrace.auth.proofs import BadCredential, KeysMissing
from headrace.auth.signing_in.session_proofs import SessionProofs
from headrace.auth.signing_in.sessions import Sessions
from headrace.base.auth_settings import AuthSettings
from tests.auth.people import People


def opened(people: People) -> tuple[Sessions, SessionProofs]:
    sessions = Sessions(people.accounts.database, people.directory, AuthSettings(), people.clock)
    proofs = SessionProofs(sessions)
    assert not proofs.refresh()
    return sessions, proofs


def test_a_cookie_is_who_has_signed_in_until_the_session_ends(tmp_path: Path) -> None:
    people = People.settle(tmp_path)
    sessions, proofs = opened(people)
    secret, session = sessions.begin_for(people.anna)
    cookie = secret.reveal().encode()
    assert proofs.takes(cookie)
    assert proofs.verify(cookie, 0.0).id == "user:anna"
    people.accounts.disable("anna")
    assert not proofs.refresh()
    with pytest.raises(BadCredential):
        proofs.verify(cookie, 0.0)
    people.accounts.enable("anna")
    proofs.refresh()
    with pytest.raises(BadCredential):
        proofs.verify(cookie, 0.0)
    sessions.end(session)
    people.accounts.close()


def test_a_session_of_another_process_is_fetched_when_it_is_first_seen(tmp_path: Path) -> None:
    people = People.settle(tmp_path)
    sessions, _ = opened(people)
    second = People.open(tmp_path, people.clock)
    _, elsewhere = opened(second)
    people.accounts.set_password_hash("anna", "hash")
    people.read()
    secret, session = sessions.begin_for(people.anna)
    cookie = secret.reveal().encode()
    with pytest.raises(KeysMissing) as missing:
        elsewhere.verify(cookie, 0.0)
    assert secret.reveal() not in repr(missing.value)
    asyncio.run(elsewhere.fetch(missing.value.issuer))
    assert elsewhere.verify(cookie, 0.0).credential == session.credential
    people.accounts.close()
    second.accounts.close()


@pytest.mark.parametrize("cookie", [b"", b"x", b"\xff" * 43, b"x" * 44])
def test_what_is_no_id_is_refused_without_a_look_at_the_file(tmp_path: Path, cookie: bytes) -> None:
    people = People.settle(tmp_path)
    _, proofs = opened(people)
    assert not proofs.takes(cookie)
    with pytest.raises(BadCredential):
        proofs.verify(cookie, 0.0)
    people.accounts.close()

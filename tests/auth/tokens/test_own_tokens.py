"""own_tokens.py: an access token lives for minutes, a refresh token for one use."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headrace.auth.accounts.api_keys import new_key
from headrace.auth.tokens.own_tokens import (
    FAMILIES_OF_ONE,
    OwnTokens,
    RefreshReused,
    is_refresh_token,
)
from headrace.auth.tokens.signing_keys import SigningKeys
from headrace.auth.tokens.verifying import LEEWAY_SECONDS, BadToken, TokenVerifier
from headrace.base.access import Principal
from headrace.base.auth_settings import AuthSettings
from tests.auth.people import SECRET, People

NAME = "headrace:coffee:prod"


def opened(people: People, settings: AuthSettings | None = None, name: str = NAME) -> OwnTokens:
    keys = SigningKeys.open(people.accounts.database, SECRET, people.clock)
    given = settings or AuthSettings()
    database = people.accounts.database
    return OwnTokens(database, keys, people.directory, given, people.clock, name)


def proven(tokens: OwnTokens, token: str) -> Principal | None:
    """Whom a token proves, at the clock of who has made it; None for nobody."""
    verifier = TokenVerifier(clock=tokens.clock)
    verifier.trust(tokens.trust())
    try:
        return asyncio.run(verifier.prove(token))
    except BadToken:
        return None


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People.settle(tmp_path)
    yield people
    people.accounts.close()


@pytest.fixture
def tokens(people: People) -> OwnTokens:
    return opened(people)


def refresh_of(tokens: OwnTokens, people: People) -> str:
    refresh = tokens.grant(people.anna).refresh
    assert refresh is not None
    return refresh.reveal()


def test_an_access_token_is_a_signed_at_jwt_that_says_who_and_when(
    people: People, tokens: OwnTokens
) -> None:
    grant = tokens.grant(people.anna)
    token = grant.access.reveal()
    header, claims, _ = token.split(".")
    read = json.loads(base64.urlsafe_b64decode(header + "=="))
    kid = tokens.keys.signing().kid
    assert read == {"alg": "EdDSA", "kid": kid, "typ": "at+jwt"}
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    now = int(people.clock.now().timestamp())
    assert len(said.pop("jti")) == 32
    assert said == {
        "iss": NAME,
        "aud": NAME,
        "sub": "user:anna",
        "iat": now,
        "exp": now + 900,
        "client_id": "headrace",
        "epoch": people.anna.epoch,
    }
    assert token not in repr(grant)
    principal = proven(tokens, token)
    assert principal is not None
    assert (principal.id, principal.roles, principal.credential, principal.expires_at) == (
        "user:anna",
        frozenset({"analyst"}),
        "token:headrace",
        now + 900.0,
    )


def test_an_access_token_lives_for_a_quarter_of_an_hour_whatever_is_set(people: People) -> None:
    grant = opened(people, AuthSettings(access_token_seconds=86_400)).grant(people.anna)
    assert grant.expires_seconds == 900
    tokens = opened(people, AuthSettings(access_token_seconds=60))
    token = tokens.grant(people.anna).access.reveal()
    people.clock.advance(59 + LEEWAY_SECONDS)
    assert proven(tokens, token)
    people.clock.advance(1)
    assert proven(tokens, token) is None


CHANGES: dict[str, Callable[[People], None]] = {
    "disabled": lambda people: people.accounts.disable("anna"),
    "other roles": lambda people: people.accounts.change_account("anna", roles=["viewer"]),
    "other password": lambda people: people.accounts.set_password_hash("anna", "hash"),
    "removed": lambda people: people.accounts.remove_account("anna"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_the_account_makes_its_tokens_void(
    people: People, tokens: OwnTokens, change: Callable[[People], None]
) -> None:
    token, refresh = tokens.grant(people.anna).access.reveal(), refresh_of(tokens, people)
    change(people)
    people.read()
    assert proven(tokens, token) is None
    assert tokens.refreshed(refresh) is None


def forged(tokens: OwnTokens, headers: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    people_now = int(tokens.clock.now().timestamp())
    epoch = tokens.directory.now.accounts["anna"].epoch
    said = {
        "iss": NAME,
        "aud": NAME,
        "sub": "user:anna",
        "iat": people_now,
        "exp": people_now + 60,
        "jti": "1",
        "epoch": epoch,
        **claims,
    }
    said = {name: value for name, value in said.items() if value is not None}
    signing = tokens.keys.signing()
    algorithm = headers.pop("alg", "EdDSA")
    head = {"typ": "at+jwt", "kid": signing.kid, **headers}
    return jwt.encode(said, key or signing.private(), algorithm=algorithm, headers=head)


def test_the_forger_of_these_tests_can_make_a_valid_one(tokens: OwnTokens) -> None:
    assert proven(tokens, forged(tokens, {}, {}, None)) is not None


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        *[({}, {name: None}) for name in ("iss", "aud", "sub", "iat", "exp", "epoch")],
        ({}, {"iss": "headrace:coffee:dev"}),
        ({}, {"aud": "headrace:coffee:dev"}),
        ({}, {"sub": "user:bert"}),
        ({}, {"sub": "service:anna"}),
        ({}, {"sub": "anna"}),
        ({}, {"epoch": 0}),
        ({}, {"epoch": "1"}),
        ({}, {"exp": 1}),
        ({}, {"exp": 1e300}),
        ({}, {"key": "nosuchkey"}),
        ({"typ": "secevent+jwt"}, {}),
        ({"kid": "other"}, {}),
        ({"kid": "../../x' OR 1=1 --"}, {}),
        ({"crit": ["exp"]}, {}),
        ({"jwk": {"kty": "OKP"}}, {}),
        ({"jku": "https://evil.example/keys"}, {}),
    ],
)
def test_a_token_that_is_not_exactly_ours_is_refused(
    tokens: OwnTokens, headers: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert proven(tokens, forged(tokens, dict(headers), claims, None)) is None


def test_a_token_that_names_the_key_of_somebody_else_is_refused(
    people: People, tokens: OwnTokens
) -> None:
    _, entry = new_key("prod")
    people.accounts.add_key(replace(entry, account="loader"))
    people.read()
    assert proven(tokens, forged(tokens, {}, {"key": entry.id}, None)) is None


def test_a_token_of_another_key_or_algorithm_is_refused(tokens: OwnTokens) -> None:
    assert proven(tokens, forged(tokens, {}, {}, Ed25519PrivateKey.generate())) is None
    public = tokens.keys.signing().private().public_key().public_bytes_raw()
    assert proven(tokens, forged(tokens, {"alg": "HS256"}, {}, public)) is None
    whole = forged(tokens, {}, {}, None)
    head = base64.urlsafe_b64encode(
        json.dumps({"alg": "none", "typ": "at+jwt", "kid": tokens.keys.signing().kid}).encode()
    ).rstrip(b"=")
    assert proven(tokens, f"{head.decode()}.{whole.split('.')[1]}.") is None
    for text in ("", ".", "..", "a.b.c", whole[:-2], "é" * 50, "[" * 100_000):
        assert proven(tokens, text) is None


def test_tokens_of_one_environment_are_none_of_another(people: People, tokens: OwnTokens) -> None:
    dev = opened(people, name="headrace:coffee:dev")
    assert proven(dev, tokens.grant(people.anna).access.reveal()) is None


def test_a_token_made_after_a_change_is_good_in_a_process_that_has_not_seen_it(
    people: People, tokens: OwnTokens, tmp_path: Path
) -> None:
    second = People.open(tmp_path, people.clock)
    elsewhere = opened(second)
    people.accounts.set_password_hash("anna", "hash")
    people.read()
    assert proven(elsewhere, tokens.grant(people.anna).access.reveal())
    second.accounts.close()


def test_a_refresh_token_is_good_once_and_brings_the_next(
    people: People, tokens: OwnTokens
) -> None:
    first = refresh_of(tokens, people)
    assert is_refresh_token(first)
    grant = tokens.refreshed(first)
    assert grant is not None
    assert grant.refresh is not None
    assert proven(tokens, grant.access.reveal())
    assert grant.refresh.reveal() != first
    assert first.encode() not in people.accounts.database.path.read_bytes()


def test_a_refresh_token_that_is_used_twice_revokes_all_of_its_sign_in(
    people: People, tokens: OwnTokens
) -> None:
    first, unrelated = refresh_of(tokens, people), refresh_of(tokens, people)
    grant = tokens.refreshed(first)
    assert grant is not None
    assert grant.refresh is not None
    with pytest.raises(RefreshReused) as error:
        tokens.refreshed(first)
    assert error.value.account == "anna"
    assert tokens.refreshed(grant.refresh.reveal()) is None
    assert tokens.refreshed(unrelated) is not None


def test_refresh_tokens_end_a_while_after_the_sign_in_however_often_rotated(
    people: People,
) -> None:
    tokens = opened(people, AuthSettings(refresh_token_seconds=3000))
    refresh = refresh_of(tokens, people)
    for _ in range(2):
        people.clock.advance(1000)
        grant = tokens.refreshed(refresh)
        assert grant is not None
        assert grant.refresh is not None
        refresh = grant.refresh.reveal()
    people.clock.advance(1000)
    assert tokens.refreshed(refresh) is None
    tokens.grant(people.anna)
    with people.accounts.database.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM refresh_tokens").fetchone() == (1,)


def test_of_one_account_the_oldest_sign_ins_end(people: People, tokens: OwnTokens) -> None:
    refreshes = []
    for _ in range(FAMILIES_OF_ONE + 1):
        people.clock.advance(1)
        refreshes.append(refresh_of(tokens, people))
    assert tokens.refreshed(refreshes[0]) is None
    assert tokens.refreshed(refreshes[1]) is not None
    assert tokens.refreshed(refreshes[-1]) is not None


def test_revoking_makes_a_refresh_token_and_those_after_it_useless(
    people: People, tokens: OwnTokens
) -> None:
    grant = tokens.refreshed(refresh_of(tokens, people))
    assert grant is not None
    assert grant.refresh is not None
    tokens.revoke(grant.refresh.reveal())
    tokens.revoke("hrr_unknown")
    assert tokens.refreshed(grant.refresh.reveal()) is None


def test_a_token_for_a_key_is_confined_as_the_key_is_and_void_when_it_is(people: People) -> None:
    _, entry = new_key("prod")
    entry = replace(entry, account="loader", scopes=frozenset({"read"}))
    people.accounts.add_key(entry)
    people.read()
    tokens = opened(people)
    grant = tokens.grant_for_key(people.directory.now.accounts["loader"], entry.id)
    assert grant.refresh is None
    principal = proven(tokens, grant.access.reveal())
    assert principal is not None
    assert (principal.id, principal.scopes) == ("service:loader", frozenset({"read"}))
    people.accounts.revoke_key(entry.id)
    people.read()
    assert proven(tokens, grant.access.reveal()) is None


def test_a_token_for_a_key_holds_no_longer_than_the_key(people: People) -> None:
    """A proof that held is remembered for as long as it says, so it must say the key's end."""
    ends_at = int(people.clock.now().timestamp()) + 60
    _, entry = new_key("prod")
    people.accounts.add_key(replace(entry, account="loader", expires_at=ends_at))
    people.read()
    tokens = opened(people)
    grant = tokens.grant_for_key(people.directory.now.accounts["loader"], entry.id)
    principal = proven(tokens, grant.access.reveal())
    assert principal is not None
    assert principal.expires_at == ends_at
    people.clock.advance(60)
    assert proven(tokens, grant.access.reveal()) is None

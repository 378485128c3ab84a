"""api_keys.py: a key is told from noise offline, and lets in whom it should, where and while."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import PATTERN, is_key, new_key, parse_key, verify
from headrace.auth.accounts.directory import Account, Directory
from headrace.base.clock import SetClock
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret

NOW = 1793491200


def add_key(accounts: Accounts, account: str = "anna", **columns: object) -> Secret:
    secret, entry = new_key("prod")
    accounts.add_key(replace(entry, account=account, **columns))  # type: ignore[arg-type]
    return secret


def check(accounts: Accounts, secret: Secret, environment: str = "prod") -> str:
    text = secret.reveal().encode()
    found = verify(accounts.directory(), text, environment, accounts.now())
    return found.id if found else ""


@pytest.fixture(autouse=True)
def anna(accounts: Accounts) -> None:
    roles = frozenset(["crm", "viewer"])
    accounts.add_account(Account("anna", roles=roles, claims={"store_id": 7}))


@pytest.mark.parametrize("environment", ["prod", "pr-41", "_", "a_b_c", "-", "x" * 100])
def test_a_key_is_read_whatever_its_environment_is_called(environment: str) -> None:
    secret, entry = new_key(environment)
    parts = parse_key(secret.reveal())
    assert parts is not None
    assert (parts.environment, parts.id) == (environment, entry.id)
    assert re.fullmatch(PATTERN, secret.reveal())


def test_an_environment_that_could_not_be_one_is_refused() -> None:
    with pytest.raises(UsageError):
        new_key("a b")


def test_keys_differ_and_never_print_themselves() -> None:
    made = [new_key("prod") for _ in range(100)]
    assert len({entry.id for _, entry in made}) == 100
    secret, entry = made[0]
    assert str(secret) == "***"
    hidden = secret.reveal().split("_")[3]
    assert hidden not in repr(entry) + repr(secret) + repr(parse_key(secret.reveal()))


def test_one_wrong_character_anywhere_is_no_key() -> None:
    text = new_key("prod")[0].reveal()
    for position in range(len(text)):
        other = "0" if text[position] != "0" else "1"
        assert not is_key(text[:position] + other + text[position + 1 :])
    for noise in ("", text[:-1], text + "0", text + "\n", text.upper(), text.replace("_", "-")):
        assert not is_key(noise)


def test_a_key_is_its_accounts_with_all_that_it_may(accounts: Accounts) -> None:
    secret = add_key(accounts)
    [entry] = accounts.directory().keys.values()
    found = verify(accounts.directory(), secret.reveal().encode(), "prod", NOW)
    assert found is not None
    assert (found.id, found.credential) == ("user:anna", f"key:{entry.id}")
    assert (found.roles, found.scopes) == (frozenset(["crm", "viewer"]), None)
    assert (dict(found.claims), found.expires_at) == ({"store_id": 7}, 0)


def test_a_key_may_be_narrower_than_its_account_but_never_broader(accounts: Accounts) -> None:
    narrow = frozenset(["crm", "admin"])
    secret = add_key(accounts, roles=narrow, scopes=frozenset(["read"]), expires_at=NOW + 60)
    found = verify(accounts.directory(), secret.reveal().encode(), "prod", NOW)
    assert found is not None
    assert found.roles == {"crm"}
    assert (found.scopes, found.expires_at) == (frozenset(["read"]), NOW + 60)


def test_what_lets_nobody_in(accounts: Accounts, clock: SetClock) -> None:
    secret = add_key(accounts, expires_at=NOW + 60)
    assert check(accounts, secret) == "user:anna"
    assert check(accounts, secret, "dev") == ""
    accounts.disable("anna")
    assert check(accounts, secret) == ""
    accounts.enable("anna")
    assert check(accounts, secret) == "user:anna"
    clock.advance(59)
    assert check(accounts, secret) == "user:anna"
    clock.advance(1)
    assert check(accounts, secret) == ""
    other = add_key(accounts)
    accounts.revoke_key(
        next(each.id for each in accounts.directory().keys.values() if not each.expires_at)
    )
    assert check(accounts, other) == ""
    accounts.remove_account("anna")
    assert check(accounts, secret) == ""


def test_a_well_formed_key_of_another_store_lets_nobody_in(accounts: Accounts) -> None:
    add_key(accounts)
    stranger, entry = new_key("prod")
    assert check(accounts, stranger) == ""
    # The id of a key that there is, with a secret and a checksum of one's own.
    known = next(iter(accounts.directory().keys.values()))
    forged = replace(known, digest=entry.digest.replace("0", "1"))
    directory = Directory(accounts={}, keys={entry.id: forged})
    assert verify(directory, stranger.reveal().encode(), "prod", NOW) is None


@pytest.mark.parametrize("text", [b"", b"hr_", b"\xff" * 70, b"Bearer x", b"hr_prod_" + b"0" * 52])
def test_noise_lets_nobody_in(text: bytes) -> None:
    assert verify(Directory(), text, "prod", NOW) is None


def test_the_file_holds_no_usable_key(accounts: Accounts) -> None:
    secrets = [add_key(accounts, name=f"key {number}") for number in range(20)]
    with accounts.database.transaction() as connection:
        dump = "\n".join(connection.iterdump())
    raw = accounts.database.path.read_bytes()
    for secret in secrets:
        parts = parse_key(secret.reveal())
        assert parts is not None
        assert parts.id in dump
        assert parts.secret not in dump
        assert parts.secret.encode() not in raw
    assert re.search(PATTERN, dump) is None


def test_ten_thousand_are_verified_within_a_second(accounts: Accounts) -> None:
    texts = [add_key(accounts).reveal().encode() for _ in range(20)]
    directory = accounts.directory()
    begun = time.process_time()
    for number in range(10_000):
        assert verify(directory, texts[number % 20], "prod", NOW) is not None
    assert time.process_time() - begun < 1

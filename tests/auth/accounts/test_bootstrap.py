"""bootstrap.py: only who has the newest token, within the hour, makes the first account."""

from __future__ import annotations

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.bootstrap import new_bootstrap_token, redeem
from headrace.auth.accounts.directory import Account
from headrace.base.clock import SetClock
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret


def new(accounts: Accounts) -> Secret:
    token = new_bootstrap_token(accounts)
    assert token is not None
    return token


def refused(accounts: Accounts, token: Secret) -> None:
    with pytest.raises(UsageError) as caught:
        redeem(accounts, token, "eve", "$hash")
    assert str(caught.value) == (
        "the setup token is not valid; expected the one that was printed last, within an hour and"
        " before there is an account; start `headrace serve` again for a new one"
    )
    assert "eve" not in accounts.directory().accounts


def test_the_first_account_is_an_admin(accounts: Accounts) -> None:
    made = redeem(accounts, new(accounts), "anna", "$hash")
    assert made == accounts.directory().accounts["anna"]
    assert (made.id, made.roles) == ("user:anna", frozenset(["admin"]))
    assert accounts.password_hash("anna") == "$hash"


def test_a_token_is_used_up(accounts: Accounts) -> None:
    token = new(accounts)
    redeem(accounts, token, "anna", "$hash")
    refused(accounts, token)
    accounts.remove_account("anna")
    refused(accounts, token)


def test_there_is_none_once_there_is_an_account_of_a_person(accounts: Accounts) -> None:
    token = new(accounts)
    accounts.add_account(Account("anna"))
    assert new_bootstrap_token(accounts) is None
    refused(accounts, token)


def test_programs_are_not_the_first_person(accounts: Accounts) -> None:
    """They cannot sign in: without this, nobody could who is not at the command line."""
    accounts.add_account(Account("loader", "service"))
    token = new(accounts)
    accounts.add_account(Account("exporter", "service", frozenset(["admin"])))
    with pytest.raises(UsageError):
        redeem(accounts, token, "loader", "$hash")
    assert redeem(accounts, token, "anna", "$hash").roles == frozenset(["admin"])


def test_a_new_one_replaces_the_old(accounts: Accounts) -> None:
    old, token = new(accounts), new(accounts)
    refused(accounts, old)
    redeem(accounts, token, "anna", "$hash")


def test_it_expires_after_an_hour(accounts: Accounts, clock: SetClock) -> None:
    token = new(accounts)
    clock.advance(3600)
    refused(accounts, token)


def test_a_name_that_is_none_uses_up_no_token(accounts: Accounts) -> None:
    token = new(accounts)
    with pytest.raises(UsageError):
        redeem(accounts, token, "Anna Smith", "$hash")
    redeem(accounts, token, "anna", "$hash")


def test_noise_is_refused_and_the_token_is_kept_as_a_hash(accounts: Accounts) -> None:
    token = new(accounts)
    for noise in ("", "x", "\ud800", token.reveal() + "x"):
        refused(accounts, Secret(noise))
    assert token.reveal().encode() not in accounts.database.path.read_bytes()

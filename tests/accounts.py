"""Lets somebody in: takes a store and what is to be known of them, gives a key of theirs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.base.access import ClaimValue
from headrace.store.store import Store


def key_for(store: Store, name: str, *roles: str, **claims: ClaimValue) -> str:
    """A key, valid in prod, of a new account with these roles and claims."""
    secret, entry = new_key("prod")
    with closing(Accounts.open(store.accounts_path, clock=store.clock)) as accounts:
        accounts.add_account(Account(name, "service", frozenset(roles), frozenset(), claims))
        accounts.add_key(replace(entry, account=name))
    return secret.reveal()

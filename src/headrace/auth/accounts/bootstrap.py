"""The first account of a person: makes a token that adds it, once, within the hour, as long as only
programs have accounts, or nobody.

There is no default account and no default password. Whoever sees the output of the server that
starts may make the first account, an admin.
"""

from __future__ import annotations

import secrets

from headrace.auth.accounts.accounts import Accounts, insert_account
from headrace.auth.accounts.directory import Account
from headrace.base.access import ADMIN
from headrace.base.errors import UsageError
from headrace.base.hashing import hash_bytes
from headrace.base.secrets import Secret

LIFE_SECONDS = 3600
_TOKEN_BYTES = 32


def new_bootstrap_token(accounts: Accounts) -> Secret | None:
    """A token that adds the first account, instead of one made before; None when there is one.

    It is kept as a hash: this is the only time that it can be shown.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with accounts.change() as change:
        if change.column("people"):
            return None
        expires_at = accounts.now() + LIFE_SECONDS
        change.run("put_setup_token", {"digest": _digest(token), "expires_at": expires_at})
    return Secret(token)


def redeem(accounts: Accounts, token: Secret, name: str, password_hash: str) -> Account:
    """Add the first account, an admin, with a bootstrap token, which is used up by it.

    Args:
        accounts: without any.
        token: as it was shown.
        name: of the account.
        password_hash: what is kept of its password.

    Raises:
        UsageError: the token is not the newest one, or is used up or expired, or no account can
            be called so: then the token stays valid.
    """
    with accounts.change() as change:
        taken = change.run(
            "take_setup_token", {"digest": _digest(token.reveal()), "now": accounts.now()}
        )
        if not taken or change.column("people"):
            raise UsageError(
                "the setup token is not valid; expected the one that was printed last, within an"
                " hour and before there is an account; start `headrace serve` again for a new one"
            )
        insert_account(change, Account(name, roles=frozenset([ADMIN])), accounts.now())
        change.run("put_password", {"name": name, "hash": password_hash})
    return accounts.directory().accounts[name]


def _digest(token: str) -> str:
    return hash_bytes(token.encode("utf-8", "surrogatepass"))

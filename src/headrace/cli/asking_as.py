"""Commands that see what somebody else sees: takes the options that say who, gives a principal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from headrace.auth.accounts.directory import Directory
from headrace.base.access import Principal
from headrace.base.errors import NotFound, UsageError
from headrace.base.names import near_miss
from headrace.cli.account_changes import read_claims, read_directory
from headrace.cli.opening import Opened

Command = TypeVar("Command", bound=Callable[..., Any])

_SUPPOSED = "supposed"


def asking_options(function: Command) -> Command:
    """Add `--as`, `--role` and `--claim`, given as `account`, `roles` and `claims`."""
    for option in reversed(
        [
            click.option("--as", "account", metavar="ACCOUNT", help="See what this account sees."),
            click.option(
                "--role", "roles", multiple=True, metavar="ROLE", help="Suppose somebody with it."
            ),
            click.option(
                "--claim",
                "claims",
                multiple=True,
                metavar="NAME=VALUE",
                help="Suppose somebody with it, as in store_id=7.",
            ),
        ]
    ):
        function = option(function)
    return function


def asking(
    opened: Opened, account: str | None, roles: tuple[str, ...], claims: tuple[str, ...]
) -> Principal | None:
    """Who is meant; None when nobody is said.

    Raises:
        NotFound: there is no such account, or it is disabled.
        UsageError: an account and what to suppose, or a claim that is none.
    """
    if account is None:
        if not roles and not claims:
            return None
        return Principal(_SUPPOSED, frozenset(roles), claims=read_claims(claims))
    if roles or claims:
        raise UsageError(
            "--as and --role or --claim: an account has its own roles and claims; expected one of"
            " the two; `headrace users` lists the accounts"
        )
    directory = read_directory(opened)
    found = directory.principal_of(account, credential="command")
    if found is None:
        raise _nobody(account, directory)
    return found


def _nobody(name: str, directory: Directory) -> NotFound:
    if name in directory.accounts:
        return NotFound(
            f"the account {name!r} is disabled; expected one that is let in; `headrace users enable"
            f" {name}` lets it in again; `--role` and `--claim` suppose somebody"
        )
    hint = near_miss(name, directory.accounts) or "`headrace users` lists them"
    return NotFound(
        f"there is no account {name!r}; expected the name of one; {hint}; `--role` and `--claim`"
        " suppose one"
    )

"""`headrace users`: lists the accounts of a project, adds and changes them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from headrace.auth.accounts.directory import Account, AccountKind, Directory
from headrace.auth.accounts.naming import require_account_name
from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.base.secrets import Secret
from headrace.cli.account_changes import (
    claim_text,
    hand_down,
    listed_or_dash,
    open_accounts,
    read_claims,
    read_directory,
)
from headrace.cli.opening import open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import counted, faint, good, print_json, table

Command = TypeVar("Command", bound=Callable[..., Any])

# Two lines that are longer than any password; of more, the rest does not matter.
_MOST_CHARACTERS = 4_096


def password_option(function: Command) -> Command:
    """Add `--password`, given as `ask`."""
    return click.option(
        "--password",
        "ask",
        is_flag=True,
        help="Ask for a password to sign in with, hidden; without a terminal, read it from stdin.",
    )(function)


@click.group(name="users", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """List the accounts: people and programs that may be let in."""
    hand_down(ctx, folder)
    if ctx.invoked_subcommand is not None:
        return
    directory = read_directory(open_project(folder))
    accounts = sorted(directory.accounts.values(), key=lambda account: account.name)
    if as_json:
        print_json([described(directory, account) for account in accounts])
    elif not accounts:
        click.echo(
            "there is no account yet; `headrace users add NAME --role admin --password` adds the"
            " first one, or `headrace serve` prints a link that does"
        )
    else:
        click.echo(_listing(directory, accounts))


@command.command(name="add")
@click.argument("name")
@click.option("--service", is_flag=True, help="A program: it has keys, and never signs in.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role; repeat for more.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group; repeat for more.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    help="What is known of it, as in store_id=7 or stores=[1,2]; repeat for more.",
)
@password_option
@project_option
def add(
    name: str,
    service: bool,
    roles: tuple[str, ...],
    groups: tuple[str, ...],
    claims: tuple[str, ...],
    ask: bool,
    folder: Path,
) -> None:
    """Add an account.

    It can do nothing before it has a password or a key: `headrace keys create NAME`.
    """
    if service and ask:
        raise UsageError(
            "--service and --password: a program does not sign in; expected one of them;"
            f" `headrace keys create {name}` makes a key for it"
        )
    require_account_name(name)
    kind: AccountKind = "service" if service else "user"
    account = Account(name, kind, frozenset(roles), frozenset(groups), read_claims(claims))
    with open_accounts(folder) as to:
        to.accounts.add_account(account, _asked(name) if ask else "")
        to.note("account_added", name, roles=_names(roles), groups=_names(groups))
    click.echo(good(f"added {kind} {name}") + f": {_summary(account)}")
    if not ask:
        click.echo(faint(f"`headrace keys create {name}` makes a key for it"))


@command.command(name="change")
@click.argument("name")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Give it a role.")
@click.option("--remove-role", "less_roles", multiple=True, metavar="ROLE", help="Take a role.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Put it into a group.")
@click.option(
    "--remove-group", "less_groups", multiple=True, metavar="GROUP", help="Take it out of a group."
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set what is known of it, as in store_id=7.",
)
@click.option(
    "--remove-claim", "less_claims", multiple=True, metavar="NAME", help="Forget a claim."
)
@click.option("--sign-out", is_flag=True, help="End all its sessions; keys stay valid.")
@password_option
@project_option
def change(name: str, sign_out: bool, ask: bool, folder: Path, **lists: tuple[str, ...]) -> None:
    """Change an account. Whatever is changed ends its sessions."""
    if not (sign_out or ask or any(lists.values())):
        raise UsageError(
            "there is nothing to change; expected an option, such as --role;"
            " `headrace users change --help` lists them"
        )
    with open_accounts(folder) as to:
        changed = _changed(to.account(name), lists)
        if any(lists.values()):
            to.accounts.change_account(
                name, roles=changed.roles, groups=changed.groups, claims=changed.claims
            )
            to.note(
                "roles_changed",
                name,
                roles=_names(changed.roles),
                groups=_names(changed.groups),
                claims=_names(changed.claims),
            )
        if ask:
            to.accounts.set_password_hash(name, _asked(name))
            to.note("password_changed", name)
        if sign_out:
            to.accounts.end_sessions(name)
            to.note("account_changed", name, signed_out="everywhere")
    click.echo(good(f"changed {changed.kind} {name}") + f": {_summary(changed)}")


@command.command(name="disable")
@click.argument("name")
@project_option
def disable(name: str, folder: Path) -> None:
    """Let nobody in as this account, by whatever credential, until it is enabled."""
    with open_accounts(folder) as to:
        to.accounts.disable(name)
        to.note("account_changed", name, disabled="true")
    click.echo(
        good(f"disabled {name}")
        + f": its sessions have ended, its keys are not valid; `headrace users enable {name}`"
        " makes the keys valid again"
    )


@command.command(name="enable")
@click.argument("name")
@project_option
def enable(name: str, folder: Path) -> None:
    """Let a disabled account in again."""
    with open_accounts(folder) as to:
        to.accounts.enable(name)
        to.note("account_changed", name, disabled="false")
    click.echo(good(f"enabled {name}") + ": it may sign in again, and its keys are valid")


@command.command(name="remove")
@click.argument("name")
@project_option
def remove(name: str, folder: Path) -> None:
    """Remove an account, its password and its keys, for good."""
    with open_accounts(folder) as to:
        keys = sum(key.account == name for key in to.accounts.directory().keys.values())
        to.accounts.remove_account(name)
        to.note("account_removed", name)
    click.echo(good(f"removed {name}") + f" and {counted(keys, 'key')}")


def described(directory: Directory, account: Account) -> dict[str, object]:
    """An account as JSON has it."""
    return {
        "name": account.name,
        "kind": account.kind,
        "roles": sorted(account.roles),
        "groups": sorted(account.groups),
        "all_roles": sorted(directory.roles_of(account)),
        "claims": dict(account.claims),
        "disabled": account.disabled,
        "keys": sum(key.account == account.name for key in directory.keys.values()),
        "created_at": account.created_at,
    }


def _listing(directory: Directory, accounts: list[Account]) -> str:
    rows = [
        (
            account.name,
            account.kind,
            listed_or_dash(directory.roles_of(account)),
            listed_or_dash(account.groups),
            _claims(account),
            "disabled" if account.disabled else "",
        )
        for account in accounts
    ]
    return table(("account", "kind", "roles", "groups", "claims", ""), rows)


def _summary(account: Account) -> str:
    return (
        f"roles {listed_or_dash(account.roles)}; groups {listed_or_dash(account.groups)};"
        f" claims {_claims(account)}"
    )


def _claims(account: Account) -> str:
    return listed_or_dash(f"{name}={claim_text(each)}" for name, each in account.claims.items())


def _changed(account: Account, lists: dict[str, tuple[str, ...]]) -> Account:
    """An account with what the options give and take."""
    claims = {**account.claims, **read_claims(lists["claims"])}
    _require_there("role", lists["less_roles"], account.roles, account.name)
    _require_there("group", lists["less_groups"], account.groups, account.name)
    _require_there("claim", lists["less_claims"], claims, account.name)
    return Account(
        account.name,
        account.kind,
        (account.roles | {*lists["roles"]}) - {*lists["less_roles"]},
        (account.groups | {*lists["groups"]}) - {*lists["less_groups"]},
        {name: value for name, value in claims.items() if name not in lists["less_claims"]},
    )


def _require_there(what: str, gone: Collection[str], there: Collection[str], name: str) -> None:
    """Raises UsageError: something is to be taken that the account has not."""
    for each in gone:
        if each not in there:
            hint = near_miss(each, there) or f"it has {listed(sorted(there))}"
            raise UsageError(f"{name} has no {what} `{each}` to take away; {hint}")


def _names(names: Iterable[str]) -> str:
    """Names for the record: of claims no values, which may be personal."""
    return " ".join(sorted(names))


def _asked(name: str) -> str:
    """The hash of a password that is asked for twice, or comes on stdin."""
    # argon2 is for those who ask for a password.
    from headrace.auth.signing_in.passwords import Passwords, require_good

    password = _typed() if sys.stdin.isatty() else _piped()
    require_good(password, name)
    return Passwords().hash(password)


def _typed() -> Secret:
    return Secret(
        str(click.prompt("password", hide_input=True, confirmation_prompt="again", err=True))
    )


def _piped() -> Secret:
    """Raises UsageError: stdin is not one line, nor the same line twice."""
    lines = sys.stdin.read(_MOST_CHARACTERS).splitlines()
    if len(lines) not in (1, 2) or len(set(lines)) != 1:
        found = "two different lines" if len(lines) == 2 else counted(len(lines), "line")
        raise UsageError(
            f"--password: stdin has {found}; expected the password on one line, or twice, on two;"
            " at a terminal, it is asked for"
        )
    return Secret(lines[0])

"""`headrace keys`: lists API keys, creates, revokes and checks them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from headrace.auth.accounts.api_keys import find_key, new_key, parse_key
from headrace.auth.accounts.directory import Account, Directory, KeyEntry
from headrace.base.clock import format_time
from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.cli.account_changes import (
    hand_down,
    listed_or_dash,
    open_accounts,
    read_directory,
    read_span,
)
from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import age, bad, cut, good, moment, print_json, table

INVALID = 1
_NAME_COLUMNS = 40
_MOST_CHARACTERS = 1000


@click.group(name="keys", invoke_without_command=True)
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """List the API keys; the keys themselves are kept nowhere."""
    hand_down(ctx, folder)
    if ctx.invoked_subcommand is not None:
        return
    opened = open_project(folder)
    now = opened.store.clock.now()
    directory = read_directory(opened)
    keys = sorted(directory.keys.values(), key=lambda key: (key.account, key.created_at, key.id))
    if as_json:
        print_json([described(directory, key, now.timestamp()) for key in keys])
    elif not keys:
        click.echo("there is no key yet; `headrace keys create ACCOUNT` makes one for an account")
    else:
        click.echo(_listing(directory, keys, now))


@command.command(name="create")
@click.argument("account")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="Confine it to a scope; repeat for more. Without, it is confined to nothing.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="Give it this one of the account's roles; repeat for more. Without, it has them all.",
)
@click.option("--expires", "span", metavar="TIME", help="When it ends, as in 12h, 90d or 4w.")
@click.option("--name", default="", help="A remark, for the list of keys.")
@environment_option
@project_option
@json_option
def create(
    account: str,
    scopes: tuple[str, ...],
    roles: tuple[str, ...],
    span: str | None,
    name: str,
    environment: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Create a key for an account, and print it, this once."""
    seconds = read_span(span) if span else 0
    with open_accounts(folder) as to:
        owner = to.account(account)
        _require_roles(to.accounts.directory(), owner, roles)
        secret, entry = new_key(to.opened.environment(environment))
        entry = replace(
            entry,
            account=account,
            scopes=frozenset(scopes) if scopes else None,
            roles=frozenset(roles) if roles else None,
            name=name,
            expires_at=to.accounts.now() + seconds if seconds else 0,
        )
        to.accounts.add_key(entry)
        to.note("key_created", entry.id, account=account)
        directory = to.accounts.directory()
        now = to.accounts.now()
    kept = directory.keys[entry.id]
    if as_json:
        print_json({"key": secret.reveal(), **described(directory, kept, now)})
        return
    click.echo(secret.reveal())
    until = f", until {_time(kept.expires_at)} UTC" if kept.expires_at else ""
    click.echo(
        good(f"key {kept.id} of {owner.kind} {account} in {kept.environment}{until}")
        + ": this is the only time that it is shown",
        err=True,
    )


@command.command(name="revoke")
@click.argument("key_id", metavar="ID")
@project_option
def revoke(key_id: str, folder: Path) -> None:
    """Make a key invalid, for good."""
    with open_accounts(folder) as to:
        before = to.accounts.directory().keys.get(key_id)
        to.accounts.revoke_key(key_id)
        if before is not None and before.revoked_at:
            click.echo(f"key {key_id} was revoked at {_time(before.revoked_at)} UTC already")
            return
        to.note("key_revoked", key_id)
        entry = to.accounts.directory().keys[key_id]
    click.echo(
        good(f"revoked key {key_id} of {entry.account}")
        + ": servers refuse it within a few seconds"
    )


@command.command(name="check")
@project_option
@json_option
@click.pass_context
def check(ctx: click.Context, folder: Path, as_json: bool) -> None:
    """Say whose key is given on stdin, and whether it is valid.

    The exit code is 1 when it lets nobody in. A key on the command line would be seen by everybody
    on the machine.
    """
    opened = open_project(folder)
    directory = read_directory(opened)
    now = opened.store.clock.now().timestamp()
    parts = parse_key(_given())
    entry = find_key(directory, parts) if parts is not None else None
    state = "malformed" if parts is None else "unknown"
    if entry is not None:
        state = _state(directory, entry, now)
    if as_json:
        more = described(directory, entry, now) if entry is not None else {"state": state}
        print_json({"well_formed": parts is not None, **more})
    else:
        click.echo(_verdict(state, entry))
    if state != "active":
        ctx.exit(INVALID)


def described(directory: Directory, key: KeyEntry, now: float) -> dict[str, object]:
    """A key as JSON has it; `now` is in seconds since 1970."""
    return {
        "id": key.id,
        "account": key.account,
        "environment": key.environment,
        "name": key.name,
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "roles": None if key.roles is None else sorted(key.roles),
        "state": _state(directory, key, now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def _listing(directory: Directory, keys: list[KeyEntry], now: datetime) -> str:
    rows = [
        (
            key.id,
            key.account,
            key.environment,
            "any" if key.scopes is None else listed_or_dash(key.scopes),
            "all" if key.roles is None else listed_or_dash(key.roles),
            _time(key.expires_at) if key.expires_at else "never",
            age(_iso(key.last_used_at), now) if key.last_used_at else "never",
            _state(directory, key, now.timestamp()),
            cut(key.name, _NAME_COLUMNS),
        )
        for key in keys
    ]
    headers = (
        *("id", "account", "environment", "scopes", "roles", "expires (UTC)", "last used"),
        *("state", "name"),
    )
    return table(headers, rows)


def _state(directory: Directory, key: KeyEntry, now: float) -> str:
    state = key.state(now)
    return "disabled" if state == "active" and directory.accounts[key.account].disabled else state


def _verdict(state: str, entry: KeyEntry | None) -> str:
    if entry is None:
        return bad("not valid") + (
            ": this is no key; expected `hr_…`, whole, as it was printed"
            if state == "malformed"
            else ": a well-formed key, but none of this project"
        )
    whose = f": key {entry.id} of {entry.account} in {entry.environment}"
    if state == "active":
        return good("valid") + whose
    reasons = {
        "revoked": f"revoked at {_time(entry.revoked_at)} UTC",
        "expired": f"expired at {_time(entry.expires_at)} UTC",
        "disabled": "its account is disabled",
    }
    return bad("not valid") + f"{whose}; {reasons[state]}"


def _given() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("key", hide_input=True, err=True)).strip()
    return sys.stdin.read(_MOST_CHARACTERS).strip()


def _require_roles(directory: Directory, account: Account, roles: tuple[str, ...]) -> None:
    """Raises UsageError: a key would have a role that its account has not."""
    has = directory.roles_of(account)
    for role in roles:
        if role not in has:
            hint = near_miss(role, has) or f"it has {listed(sorted(has))}"
            raise UsageError(
                f"--role {role}: {account.name} has no such role, so that its key cannot have it;"
                f" {hint}"
            )


def _iso(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))


def _time(seconds: int) -> str:
    return moment(_iso(seconds))

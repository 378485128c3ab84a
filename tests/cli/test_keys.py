"""`headrace keys` shows a key once, lists what is kept of it, and says whose one is."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from click.testing import Result

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import is_key
from headrace.auth.accounts.directory import Account
from tests.cli.shops import Shop, call


def keys(shop: Shop, *arguments: str, given: str | None = None) -> Result:
    return call("keys", *arguments, "--project", str(shop.root), given=given)


@pytest.fixture(autouse=True)
def accounts(shop: Shop) -> None:
    with closing(Accounts.open(shop.store.accounts_path)) as opened:
        opened.add_account(Account("loader", "service", roles=frozenset(["crm", "viewer"])))


def test_without_keys_it_says_how_to_make_one(shop: Shop) -> None:
    assert keys(shop).stdout == (
        "there is no key yet; `headrace keys create ACCOUNT` makes one for an account\n"
    )
    assert json.loads(keys(shop, "--json").stdout) == []


def test_a_key_is_alone_on_stdout_and_kept_nowhere(shop: Shop) -> None:
    result = keys(shop, "create", "loader", "--name", "nightly")
    key = result.stdout.strip()
    assert is_key(key)
    assert result.stderr == (
        f"key {key.split('_')[2]} of service loader in prod: this is the only time that it is"
        " shown\n"
    )
    assert key not in keys(shop).stdout + keys(shop, "--json").stdout
    assert key.split("_")[3].encode() not in shop.store.accounts_path.read_bytes()


def test_keys_are_listed(shop: Shop) -> None:
    keys(shop, "create", "loader", "--name", "nightly")
    keys(shop, "create", "loader", "--scope", "read", "--role", "crm", "--expires", "90d")
    header, *rows = keys(shop).stdout.splitlines()
    assert " ".join(header.split()) == (
        "id account environment scopes roles expires (UTC) last used state name"
    )
    shown = sorted(" ".join(row.split()[1:5]) for row in rows)
    assert shown == ["loader prod any all", "loader prod read crm"]
    listed = {each["name"]: each for each in json.loads(keys(shop, "--json").stdout)}
    assert (listed["nightly"]["scopes"], listed["nightly"]["roles"]) == (None, None)
    assert listed[""]["expires_at"] - listed[""]["created_at"] == 90 * 86_400
    assert (listed[""]["scopes"], listed[""]["roles"]) == (["read"], ["crm"])
    assert "digest" not in listed[""]


def test_json_has_the_key_this_once(shop: Shop) -> None:
    made = json.loads(keys(shop, "create", "loader", "--env", "dev", "--json").stdout)
    assert is_key(made["key"])
    assert (made["environment"], made["state"]) == ("dev", "active")


def test_what_cannot_be_created_is_said(shop: Shop) -> None:
    assert keys(shop, "create", "lodaer").stderr == (
        "error: there is no account 'lodaer'; expected the name of one; did you mean `loader`?\n"
    )
    assert keys(shop, "create", "loader", "--role", "admin").stderr == (
        "error: --role admin: loader has no such role, so that its key cannot have it; it has"
        " `crm`, `viewer`\n"
    )
    assert keys(shop, "create", "loader", "--expires", "soon").stderr == (
        "error: --expires 'soon' is no length of time; expected minutes, hours, days or weeks, as"
        " in `12h`, `90d` or `4w`\n"
    )


def test_a_key_is_checked_from_stdin(shop: Shop) -> None:
    key = keys(shop, "create", "loader").stdout
    name = key.split("_")[2]
    valid = keys(shop, "check", given=key)
    assert (valid.exit_code, valid.stdout) == (0, f"valid: key {name} of loader in prod\n")
    broken = keys(shop, "check", given=key.strip()[:-1])
    assert (broken.exit_code, broken.stdout) == (
        1,
        "not valid: this is no key; expected `hr_…`, whole, as it was printed\n",
    )
    call("users", "disable", "loader", "--project", str(shop.root))
    assert keys(shop, "check", given=key).stdout == (
        f"not valid: key {name} of loader in prod; its account is disabled\n"
    )
    assert keys(shop, "revoke", name).stdout == (
        f"revoked key {name} of loader: servers refuse it within a few seconds\n"
    )
    revoked = keys(shop, "check", given=key)
    assert revoked.exit_code == 1
    assert revoked.stdout.startswith(f"not valid: key {name} of loader in prod; revoked at 20")
    report = json.loads(keys(shop, "check", "--json", given=key).stdout)
    assert (report["well_formed"], report["state"], report["id"]) == (True, "revoked", name)
    call("users", "remove", "loader", "--project", str(shop.root))
    assert keys(shop, "check", given=key).stdout == (
        "not valid: a well-formed key, but none of this project\n"
    )
    report = json.loads(keys(shop, "check", "--json", given="x").stdout)
    assert report == {"well_formed": False, "state": "malformed"}


def test_a_key_is_revoked_once_and_put_on_record_once(shop: Shop) -> None:
    call("users", "add", "loader", "--service", "--project", str(shop.root))
    name = json.loads(keys(shop, "create", "loader", "--json").stdout)["id"]
    keys(shop, "revoke", name)
    again = keys(shop, "revoke", name)
    assert again.exit_code == 0
    assert again.stdout.startswith(f"key {name} was revoked at 20")
    assert again.stdout.endswith(" UTC already\n")
    log = call("audit", "export", "--action", "key_revoked", "--project", str(shop.root)).stdout
    assert len(log.splitlines()) == 1


def test_a_key_that_is_none_cannot_be_revoked(shop: Shop) -> None:
    result = keys(shop, "revoke", "nothing")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: there is no key 'nothing'; expected the id of one, the twelve characters before"
        " its last two parts; `headrace keys` lists them\n"
    )

"""`headrace users` adds, changes and lists accounts, and says what to do where there is none."""

from __future__ import annotations

import json
from contextlib import closing

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.secrets import Secret
from headrace.store.audit.log import Audit, operator
from tests.cli.shops import Shop, call

PASSWORD = "correct horse battery staple"


def users(shop: Shop, *arguments: str, given: str | None = None) -> str:
    """What a command below `users` prints."""
    result = call("users", *arguments, "--project", str(shop.root), given=given)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(shop: Shop, *arguments: str, given: str | None = None) -> str:
    """What a command below `users` refuses with."""
    result = call("users", *arguments, "--project", str(shop.root), given=given)
    assert result.exit_code == 2, result.stdout
    return result.stderr


def account(shop: Shop, name: str) -> Account:
    with closing(Accounts.open(shop.store.accounts_path)) as accounts:
        return accounts.directory().accounts[name]


def test_a_project_without_accounts_says_how_to_add_one_and_makes_no_file(shop: Shop) -> None:
    assert users(shop) == (
        "there is no account yet; `headrace users add NAME --role admin --password` adds the first"
        " one, or `headrace serve` prints a link that does\n"
    )
    assert json.loads(users(shop, "--json")) == []
    assert not shop.store.accounts_path.exists()


def test_accounts_are_listed_with_all_their_roles(shop: Shop) -> None:
    assert users(
        shop, "add", "anna", "--role", "crm", "--group", "south", "--claim", "store_id=7"
    ) == (
        "added user anna: roles crm; groups south; claims store_id=7\n"
        "`headrace keys create anna` makes a key for it\n"
    )
    assert users(shop, "add", "loader", "--service") == (
        "added service loader: roles -; groups -; claims -\n"
        "`headrace keys create loader` makes a key for it\n"
    )
    call("roles", "group", "south", "--role", "viewer", "--project", str(shop.root))
    users(shop, "disable", "loader")
    assert users(shop).splitlines() == [
        "account  kind     roles        groups  claims",
        "anna     user     crm, viewer  south   store_id=7",
        "loader   service  -            -       -           disabled",
    ]
    [anna, loader] = json.loads(users(shop, "--json"))
    assert (anna["roles"], anna["all_roles"], anna["claims"]) == (
        ["crm"],
        ["crm", "viewer"],
        {"store_id": 7},
    )
    assert (loader["kind"], loader["disabled"], loader["keys"]) == ("service", True, 0)


def test_the_folder_may_stand_before_the_command_below(shop: Shop) -> None:
    result = call("users", "--project", str(shop.root), "add", "anna")
    assert result.exit_code == 0
    assert account(shop, "anna").name == "anna"


def test_claims_have_the_type_that_is_written(shop: Shop) -> None:
    written = ["a=7", "b=[1,2]", "c=south", "d=true", "e=1.5", 'f="7"', "g=007", "h=", "i=NaN"]
    users(shop, "add", "anna", *[part for each in written for part in ("--claim", each)])
    assert account(shop, "anna").claims == {
        "a": 7,
        "b": (1, 2),
        "c": "south",
        "d": True,
        "e": 1.5,
        "f": "7",
        "g": "007",
        "h": "",
        "i": "NaN",
    }
    listed = users(shop).splitlines()[1]
    assert 'a=7, b=[1, 2], c=south, d=true, e=1.5, f="7", g=007, h=, i=NaN' in listed


def test_a_claim_without_a_value_is_refused(shop: Shop) -> None:
    assert refused(shop, "add", "anna", "--claim", "store_id") == (
        "error: --claim 'store_id' is no claim, or another one of its name is there; expected a"
        " name and a value, as in `--claim store_id=7`\n"
    )


def test_a_password_is_asked_for_twice_and_kept_as_a_hash(shop: Shop) -> None:
    shown = users(shop, "add", "anna", "--password", given=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in shown
    with closing(Accounts.open(shop.store.accounts_path)) as accounts:
        stored = accounts.password_hash("anna")
    assert Passwords().verify(stored, Secret(PASSWORD)).matches
    assert PASSWORD.encode() not in shop.store.accounts_path.read_bytes()


def test_a_password_from_a_pipe_is_read_once_or_twice_and_nothing_is_asked(shop: Shop) -> None:
    command = ("users", "add", "--password", "--project", str(shop.root))
    for name, given in (("anna", PASSWORD), ("ben", f"{PASSWORD}\r\n{PASSWORD}\r\n")):
        result = call(*command, name, given=given)
        assert result.stdout == f"added user {name}: roles -; groups -; claims -\n"
        assert result.stderr == ""
        with closing(Accounts.open(shop.store.accounts_path)) as accounts:
            assert Passwords().verify(accounts.password_hash(name), Secret(PASSWORD)).matches


def test_what_is_no_password_on_stdin_is_said_without_it(shop: Shop) -> None:
    for given, found in (
        ("", "0 lines"),
        (f"{PASSWORD}\n{PASSWORD}!\n", "two different lines"),
        (f"{PASSWORD}\n" * 3, "3 lines"),
    ):
        assert refused(shop, "add", "anna", "--password", given=given) == (
            f"error: --password: stdin has {found}; expected the password on one line, or twice,"
            " on two; at a terminal, it is asked for\n"
        )
    assert users(shop, "--json") == "[]\n"


def test_a_bad_password_adds_no_account(shop: Shop) -> None:
    error = refused(shop, "add", "anna", "--password", given="short\nshort\n")
    assert "the password has 5 characters" in error
    assert users(shop, "--json") == "[]\n"


def test_a_program_has_no_password(shop: Shop) -> None:
    assert refused(shop, "add", "loader", "--service", "--password") == (
        "error: --service and --password: a program does not sign in; expected one of them;"
        " `headrace keys create loader` makes a key for it\n"
    )


def test_a_change_gives_and_takes(shop: Shop) -> None:
    users(shop, "add", "anna", "--role", "crm", "--group", "south", "--claim", "store_id=7")
    before = account(shop, "anna").epoch
    shown = users(
        *(shop, "change", "anna", "--role", "viewer", "--remove-role", "crm"),
        *("--group", "north", "--remove-group", "south"),
        *("--claim", "store_id=8", "--claim", "tenant=x", "--remove-claim", "tenant"),
    )
    assert shown == "changed user anna: roles viewer; groups north; claims store_id=8\n"
    after = account(shop, "anna")
    assert (after.roles, after.groups) == (frozenset(["viewer"]), frozenset(["north"]))
    assert after.claims == {"store_id": 8}
    assert after.epoch > before


def test_signing_out_ends_sessions_and_changes_nothing_else(shop: Shop) -> None:
    users(shop, "add", "anna", "--role", "crm")
    before = account(shop, "anna")
    users(shop, "change", "anna", "--sign-out")
    after = account(shop, "anna")
    assert after.epoch > before.epoch
    assert after.roles == before.roles


def test_what_cannot_be_changed_is_said(shop: Shop) -> None:
    users(shop, "add", "anna", "--role", "crm")
    assert refused(shop, "change", "anna") == (
        "error: there is nothing to change; expected an option, such as --role;"
        " `headrace users change --help` lists them\n"
    )
    assert refused(shop, "change", "anna", "--remove-role", "cmr") == (
        "error: anna has no role `cmr` to take away; did you mean `crm`?\n"
    )
    assert refused(shop, "change", "anna", "--remove-group", "south") == (
        "error: anna has no group `south` to take away; it has none\n"
    )
    for name in ("change", "disable", "enable", "remove"):
        options = ("--role", "x") if name == "change" else ()
        assert refused(shop, name, "ana", *options) == (
            "error: there is no account 'ana'; expected the name of one; did you mean `anna`?\n"
        )


def test_an_account_is_disabled_enabled_and_removed(shop: Shop) -> None:
    users(shop, "add", "anna")
    call("keys", "create", "anna", "--project", str(shop.root))
    assert users(shop, "disable", "anna") == (
        "disabled anna: its sessions have ended, its keys are not valid; `headrace users enable"
        " anna` makes the keys valid again\n"
    )
    assert account(shop, "anna").disabled
    assert users(shop, "enable", "anna") == (
        "enabled anna: it may sign in again, and its keys are valid\n"
    )
    assert users(shop, "remove", "anna") == "removed anna and 1 key\n"
    assert json.loads(users(shop, "--json")) == []


def test_everything_that_is_changed_is_on_record(shop: Shop) -> None:
    users(shop, "add", "anna", "--role", "crm", "--claim", "store_id=7")
    users(shop, "change", "anna", "--group", "south", "--sign-out")
    users(shop, "change", "anna", "--password", given=f"{PASSWORD}\n{PASSWORD}\n")
    users(shop, "disable", "anna")
    users(shop, "enable", "anna")
    call("roles", "group", "south", "--role", "viewer", "--project", str(shop.root))
    key = call("keys", "create", "anna", "--project", str(shop.root)).stdout
    key_id = key.split("_")[2]
    call("keys", "revoke", key_id, "--project", str(shop.root))
    users(shop, "remove", "anna")
    refused(shop, "remove", "anna")
    with closing(Audit.open(shop.store.root)) as audit:
        entries = [json.loads(line) for line in audit.export()]
    assert {entry["actor"] for entry in entries} == {operator()}
    assert [(entry["action"], entry["target"], entry["detail"]) for entry in entries] == [
        ("account_added", "anna", {"groups": "", "roles": "crm"}),
        ("roles_changed", "anna", {"claims": "store_id", "groups": "south", "roles": "crm"}),
        ("account_changed", "anna", {"signed_out": "everywhere"}),
        ("password_changed", "anna", {}),
        ("account_changed", "anna", {"disabled": "true"}),
        ("account_changed", "anna", {"disabled": "false"}),
        ("roles_changed", "south", {"group": "true", "roles": "viewer"}),
        ("key_created", key_id, {"account": "anna"}),
        ("key_revoked", key_id, {}),
        ("account_removed", "anna", {}),
    ]


def test_nothing_is_changed_that_could_not_be_put_on_record(shop: Shop) -> None:
    users(shop, "add", "anna")
    [lines] = (shop.store.root / "audit").iterdir()
    lines.chmod(0o600)
    lines.write_bytes(b"")
    result = call("users", "disable", "anna", "--project", str(shop.root))
    assert result.exit_code == 1
    assert "the audit log is not as headrace left it" in result.stderr
    assert not account(shop, "anna").disabled

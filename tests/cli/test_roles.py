"""`headrace roles` says who has each role, and what it opens of what is published."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.base.access import AUTHENTICATED, PUBLIC, Access
from headrace.store.snapshots import (
    ColumnMask,
    Manifest,
    PythonModule,
    RowCase,
    Snapshot,
    TablePolicy,
)
from tests.cli.shops import REVENUE, Shop, call

CRM = Access("granted", roles=("crm",))
TABLES = {
    "customers": TablePolicy(
        access=Access("granted", roles=("analyst",)),
        rows=(RowCase("crm"), RowCase("manager", "store_id = $auth_store_id", ("store_id",))),
        masks=(ColumnMask("email", ("crm",)),),
    )
}


def publish(shop: Shop) -> None:
    endpoints = tuple(
        replace(REVENUE, name=name, path=f"/{name}", access=access)
        for name, access in {
            "one": CRM,
            "two": PUBLIC,
            "three": AUTHENTICATED,
            "four": Access("granted", scopes=("read",)),
        }.items()
    )
    modules = (
        PythonModule("endpoints/mine.py", shop.store.put_object(b"x"), router=True, access=CRM),
    )
    manifest = Manifest("shop", endpoints, modules, TABLES)
    shop.store.publish("prod", Snapshot({}, manifest), parent=None, reason="built")


def test_a_project_without_anything_has_one_role(shop: Shop) -> None:
    assert shop.call("roles").stdout == (
        "admin\n"
        "  accounts       nobody\n"
        "  manages        accounts, keys and snapshots\n"
        "without a role\n"
        "  public         nothing\n"
        "  authenticated  nothing\n"
        "  by scope       nothing\n"
        "nothing is published in prod: `headrace run` publishes\n"
    )


def test_each_role_says_who_has_it_and_what_it_opens(shop: Shop) -> None:
    publish(shop)
    with closing(Accounts.open(shop.store.accounts_path)) as accounts:
        accounts.add_account(Account("anna", roles=frozenset(["crm"])))
        accounts.add_account(Account("ben", groups=frozenset(["south"])))
        accounts.set_group("south", ["manager"])
    assert shop.call("roles").stdout == (
        "admin\n"
        "  accounts       nobody\n"
        "  manages        accounts, keys and snapshots\n"
        "analyst\n"
        "  accounts       nobody\n"
        "  tables         customers\n"
        "crm\n"
        "  accounts       anna\n"
        "  endpoints      /one\n"
        "                 endpoints/mine.py\n"
        "  rows           customers: all\n"
        "  columns        customers.email\n"
        "manager\n"
        "  accounts       ben\n"
        "  groups         south\n"
        "  rows           customers: store_id = $auth.store_id\n"
        "without a role\n"
        "  public         /two\n"
        "  authenticated  /three\n"
        "  by scope       /four (scope read)\n"
    )
    report = json.loads(shop.call("roles", "--json").stdout)
    assert [role["role"] for role in report["roles"]] == ["admin", "analyst", "crm", "manager"]
    assert report["roles"][2] == {
        "role": "crm",
        "accounts": ["anna"],
        "groups": [],
        "endpoints": ["/one", "endpoints/mine.py"],
        "tables": [],
        "rows": {"customers": "all"},
        "columns": ["customers.email"],
    }
    assert report["public"] == ["/two"]


def test_a_group_gives_the_roles_that_are_named_last(shop: Shop) -> None:
    def group(*roles: str) -> str:
        options = [part for role in roles for part in ("--role", role)]
        return call("roles", "group", "south", *options, "--project", str(shop.root)).stdout

    with closing(Accounts.open(shop.store.accounts_path)) as accounts:
        accounts.add_account(Account("ben", groups=frozenset(["south"])))
    assert group("manager", "crm") == "group south gives crm, manager to 1 member\n"
    assert group() == "group south gives no role to 1 member\n"

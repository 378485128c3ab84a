"""audit_publishing.py: what a publish changes for whom is on record, or it does not happen."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.access import AUTHENTICATED, NOBODY, PUBLIC, Access
from headrace.base.changes import ContractChange
from headrace.base.errors import StoreError
from headrace.base.tables import Column, Version
from headrace.store.audit.log import Audit, operator
from headrace.store.audit.publishing import (
    PolicyChange,
    Published,
    events,
    on_record,
    policy_changes,
)
from headrace.store.snapshots import (
    ColumnMask,
    EndpointContract,
    Manifest,
    PythonModule,
    Ref,
    RowCase,
    Snapshot,
    TablePolicy,
)
from headrace.store.store import Store
from tests.projects import SHOP, Shop, write_files

ANALYSTS = Access("granted", roles=("analyst",), scopes=("sales",))
OWN = RowCase("", "store_id = $auth_store_id", ("store_id",))
ALL = RowCase("head_office")
REF = Ref("prod", 7, "s", "c", "2026-11-26T12:00:00.000000Z", "built orders", "run-1")


def endpoint(name: str, access: Access) -> EndpointContract:
    return EndpointContract(name, f"/{name}", "r", "SELECT 1", (), (), (), 0, 0, access=access)


def manifest(
    endpoints: dict[str, Access] | None = None,
    tables: dict[str, TablePolicy] | None = None,
    routers: dict[str, Access] | None = None,
) -> Manifest:
    return Manifest(
        "shop",
        tuple(endpoint(name, access) for name, access in (endpoints or {}).items()),
        tuple(PythonModule(path, "o", True, access) for path, access in (routers or {}).items()),
        tables or {},
    )


def test_a_change_of_access_is_told_for_what_comes_and_goes_too() -> None:
    before = manifest({"sales": ANALYSTS, "old": PUBLIC, "same": PUBLIC}, routers={"r.py": PUBLIC})
    after = manifest({"sales": PUBLIC, "new": AUTHENTICATED, "same": PUBLIC}, routers={})
    assert list(policy_changes(before, after)) == [
        PolicyChange("endpoint /new", "access", "nobody", "authenticated"),
        PolicyChange("endpoint /old", "access", "public", "nobody"),
        PolicyChange("endpoint /sales", "access", "analyst, scope sales", "public"),
        PolicyChange("router r.py", "access", "public", "nobody"),
    ]


def test_a_change_of_rows_is_told_with_the_conditions() -> None:
    before = manifest(tables={"orders": TablePolicy(rows=(OWN,)), "open": TablePolicy()})
    after = manifest(
        tables={"orders": TablePolicy(rows=(replace(OWN, role="manager"), ALL)), "shut": _SHUT}
    )
    assert list(policy_changes(before, after)) == [
        PolicyChange("table open", "rows", "everybody: all", "nobody"),
        PolicyChange(
            "table orders",
            "rows",
            "everybody: store_id = $auth.store_id",
            "manager: store_id = $auth.store_id; head_office: all",
        ),
    ]


_SHUT = TablePolicy(rows=())


def test_a_change_of_columns_and_of_ad_hoc_queries_is_told() -> None:
    before = manifest(
        tables={"people": TablePolicy(PUBLIC, masks=(ColumnMask("email", ("crm",)),))}
    )
    masks = (ColumnMask("email", (), "hashed"), ColumnMask("phone", ("crm", "sales"), "absent"))
    after = manifest(tables={"people": TablePolicy(ANALYSTS, masks=masks)})
    assert list(policy_changes(before, after)) == [
        PolicyChange("table people", "access", "public", "analyst, scope sales"),
        PolicyChange(
            "column people.email", "values", "crm (others: masked)", "nobody (others: hashed)"
        ),
        PolicyChange("column people.phone", "values", "everybody", "crm, sales (others: absent)"),
    ]


def test_the_same_policies_are_no_change() -> None:
    one = manifest({"sales": NOBODY}, {"orders": TablePolicy(rows=(OWN,))}, {"r.py": PUBLIC})
    assert list(policy_changes(one, one)) == []


def test_a_publish_is_on_record_with_what_was_accepted() -> None:
    column = (Column("a", "BIGINT"),)
    before = Snapshot({"gone": Version("gone", "model", "r", column, ())}, manifest())
    after = Snapshot({"orders": Version("orders", "model", "r", column, ())}, manifest())
    breaking = ContractChange("sales", "changed", "`day` is gone", breaking=True, calls=12)
    harmless = ContractChange("sales", "changed", "`hour` is new")
    published = Published("published", REF, before, after, (breaking, harmless))
    found = [
        (each.actor, each.action, each.target, each.detail)
        for each in events(published, "os:marie")
    ]
    detail = {"reason": "built orders", "run": "run-1", "tables": "gone (gone), orders (0 rows)"}
    change = {"endpoint": "sales", "change": breaking.said, "calls": 12}
    assert found == [
        ("os:marie", "published", "prod:7", detail),
        ("os:marie", "breaking_accepted", "prod:7", change),
    ]


def test_a_run_a_rollback_and_its_actor_are_on_record(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    report = shop.run()
    store = shop.store
    with closing(Audit.open(store.root)) as audit:
        first = audit.newest(9)[-1]
    assert (first.action, first.actor, first.target) == ("published", operator(), "prod:1")
    detail = first.as_json()["detail"]
    assert detail.pop("reason").startswith("built ")
    assert detail == {
        "run": report.run,
        "tables": "cities (2 rows), daily_revenue (4 rows), orders (5 rows), "
        "orders__quarantine (0 rows), store_revenue (2 rows), stores (2 rows), "
        "stores__quarantine (0 rows)",
    }


def test_nothing_is_published_that_cannot_be_put_on_record(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    with closing(Audit.open(shop.store.root)) as audit:
        audit.append(*events(Published("published", REF, _EMPTY, _EMPTY)))
    [file] = (shop.store.root / "audit").glob("*.ndjson")
    file.write_bytes(b"")
    report = shop.run()
    assert report.outcome == "failed"
    [failure] = report.failures
    assert failure == (
        f"{shop.store.root}/audit.db: the audit log is not as headrace left it (the files end with"
        " entry 0; expected 1); nothing is put on record, so that it stays as it is; run"
        " `headrace audit verify`, keep audit.db and audit/ as evidence, and move both away to"
        " begin a new log"
    )
    assert shop.store.head("prod") is None


_EMPTY = Snapshot({}, manifest())


def test_what_is_published_already_stays_so_when_the_disk_is_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(tmp_path)
    with caplog.at_level(logging.ERROR), on_record(store) as record:
        (tmp_path / "audit").rmdir()
        (tmp_path / "audit").write_bytes(b"")
        record(Published("published", REF, _EMPTY, _EMPTY))
    [logged] = caplog.records
    assert logged.getMessage().startswith("prod:7 is published, but not on record: ")


def test_a_log_that_is_broken_lets_nothing_begin(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with closing(Audit.open(tmp_path)) as audit:
        audit.append(*events(Published("published", REF, _EMPTY, _EMPTY)))
    (tmp_path / "audit.db").unlink()
    with (
        pytest.raises(StoreError, match="the files end with entry 1; expected 0"),
        on_record(store),
    ):
        pytest.fail("it began")

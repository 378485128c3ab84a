"""A plan says what must be built and checked, takes up all that exists, and asks no engine."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.tables import Version
from headrace.pipeline.workspace import open_workspace
from headrace.store.snapshots import Snapshot
from tests.projects import SHOP, Shop, built, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def test_the_first_plan_builds_everything_in_order(shop: Shop) -> None:
    plan = shop.plan()
    order = [step.table for step in plan.steps]
    assert sorted(order) == ["cities", "daily_revenue", "orders", "store_revenue", "stores"]
    assert order.index("orders") < order.index("daily_revenue") < order.index("store_revenue")
    assert (plan.parent, plan.before.tables, plan.reused) == (None, {}, {})
    assert len(plan.checks) == len(plan.graph.checks) > 0
    assert [step.rows_expected for step in plan.steps] == [None] * 5
    assert [(each.endpoint, each.kind) for each in plan.changes] == [("revenue", "added")]
    assert not plan.nothing_to_do


def test_a_plan_of_what_is_published_is_empty(shop: Shop) -> None:
    shop.run()
    plan = shop.plan()
    assert (plan.steps, plan.checks, plan.reasons, plan.changes, plan.removed) == ((),) * 5
    assert dict(plan.reused) == dict(plan.before.tables)
    assert plan.nothing_to_do


def test_only_unread_files_are_to_be_read(shop: Shop) -> None:
    shop.run()
    shop.write("data/orders/2024-03.csv", "order_id,store_id,ordered_at,amount\n")
    shop.write("data/orders/2024-01.csv", SHOP["data/orders/2024-01.csv"] + "\n")
    [orders, *_] = shop.plan().steps
    assert [file.path for file in orders.files] == [
        "data/orders/2024-01.csv",
        "data/orders/2024-03.csv",
    ]
    assert orders.rows_expected == 5


def test_a_check_is_to_be_made_when_its_rule_or_its_rows_changed(shop: Shop) -> None:
    shop.run()
    shop.write("checks/known_stores.sql", "SELECT store_id FROM daily_revenue WHERE store_id < 0\n")
    assert [check.name for check in shop.plan().checks] == ["known_stores"]
    shop.write("data/stores.csv", SHOP["data/stores.csv"] + "        12,Rome\n")
    names = {check.name for check in shop.plan().checks}
    assert names == {"known_stores", "stores.store_id: key"}


def test_what_a_killed_run_has_built_is_taken_up(shop: Shop) -> None:
    """Its cells are in the store, and no snapshot names them."""
    shop.write("checks/never.sql", "SELECT * FROM cities, store_revenue\n")
    shop.run()
    (shop.root / "checks/never.sql").unlink()
    plan = shop.plan()
    assert (plan.steps, plan.parent) == ((), None)
    assert len(plan.reused) == 7
    assert "orders: an earlier run has built it already" in plan.reasons


def test_a_source_whose_quarantine_is_gone_is_read_again(shop: Shop) -> None:
    shop.run()
    snapshot, store = shop.published(), shop.store
    for path in (store.data_root / "orders__quarantine").iterdir():
        path.unlink()
    quarantine = snapshot.tables["orders__quarantine"]
    without: dict[str, Version] = dict(snapshot.tables) | {
        "orders__quarantine": replace(quarantine, cells=())
    }
    store.publish("prod", Snapshot(without, snapshot.manifest), parent=1, reason="test")
    plan = shop.plan()
    assert [(step.table, len(step.files)) for step in plan.steps] == [("orders", 2)]
    assert "orders__quarantine" not in plan.reused
    assert built(shop.run()) == ["orders"]
    assert shop.run().outcome == "unchanged"


def test_planning_imports_no_engine(shop: Shop) -> None:
    shop.run()
    program = (
        "import sys; from pathlib import Path\n"
        "from headrace.pipeline.workspace import open_workspace, plan_workspace\n"
        f"plan = plan_workspace(open_workspace(Path({str(shop.root)!r})), 'prod')\n"
        "assert plan.nothing_to_do\n"
        "assert not {'duckdb', 'pyarrow', 'numpy', 'sqlglot'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_plan_reads_its_store_and_changes_nothing(shop: Shop) -> None:
    shop.run()
    shop.write("models/cities.sql", "SELECT DISTINCT lower(city) AS city FROM stores\n")
    root = open_workspace(shop.root).store.root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    shop.plan()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before

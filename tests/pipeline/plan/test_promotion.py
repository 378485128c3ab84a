"""promotion.py: what is stale, and what would lose all its rows, is said in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.pipeline.plan.promotion import emptied_tables, stale_reasons
from tests.projects import SHOP, Shop, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(write_files(tmp_path / "shop", SHOP), "dev")
    shop.run()
    return shop


def test_what_has_just_run_is_not_stale(shop: Shop) -> None:
    assert list(stale_reasons(shop.plan())) == []


def test_a_step_a_removed_table_and_a_check_make_it_stale(shop: Shop) -> None:
    shop.write("models/daily_revenue.sql", SHOP["models/daily_revenue.sql"].replace("sum", "max"))
    (shop.root / "models/cities.sql").unlink()
    shop.write("checks/new.sql", "SELECT city FROM stores WHERE city = 'Rome'\n")
    reasons = list(stale_reasons(shop.plan()))
    assert reasons[:2] == [
        "daily_revenue: its SQL changed",
        "store_revenue: its input daily_revenue changed",
    ]
    assert "cities is not in the project any more" in reasons
    assert "the check new has not been made" in reasons


def test_what_waits_for_a_python_model_is_stale(shop: Shop) -> None:
    shop.write(
        "models/wide.py",
        "import pyarrow as pa\nfrom headrace import model\n\n\n"
        "@model\ndef wide(stores: pa.Table) -> pa.Table:\n    return stores\n",
    )
    assert "wide waits for a Python model to run" in list(stale_reasons(shop.plan()))


def test_a_table_that_had_rows_and_has_none_is_named(shop: Shop) -> None:
    before = shop.published()
    shop.write("models/cities.sql", "SELECT city FROM stores WHERE city = 'Rome'\n")
    shop.environment = "other"
    shop.run()
    plan, promoted = shop.plan(), shop.published()
    assert list(emptied_tables(plan, promoted, before)) == [
        "cities had 2 rows and has none now; if that is right, say `allow_empty: true`"
    ]
    assert list(emptied_tables(plan, promoted, replace(before, tables={}))) == []
    assert list(emptied_tables(plan, replace(promoted, tables={}), before)) == []

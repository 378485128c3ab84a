"""`headrace diff` names every table and field that differs, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from headrace.base.hashing import address
from headrace.base.tables import Column
from headrace.store.snapshots import Manifest, RowCase, Snapshot, TablePolicy
from tests.cli.shops import REVENUE, Shop


@pytest.fixture
def changed(shop: Shop) -> Shop:
    """Snapshot 2 differs from snapshot 1 in every way."""
    shop.publish(
        {
            "gone": "SELECT 1 AS id",
            "orders": "SELECT range AS id, 'x' AS note FROM range(1000)",
            "same": "SELECT 1 AS id",
        }
    )
    shop.publish(
        {
            "new": "SELECT range AS id FROM range(2)",
            "orders": "SELECT range::INTEGER AS id, 1.5 AS amount FROM range(1500)",
            "same": "SELECT 1 AS id",
        },
        endpoints=(replace(REVENUE, columns=(Column("day", "TIMESTAMP"),)),),
    )
    return shop


def test_tables_and_fields(changed: Shop) -> None:
    result = changed.call("diff", "1", "2")
    assert result.exit_code == 0
    title, *lines = result.stdout.splitlines()
    assert title.startswith("prod:1 (")
    assert lines == [
        "Tables",
        "  removed  gone    1 row",
        "  added    new     2 rows",
        (
            "  changed  orders  1,000 → 1,500 rows (+500); column note removed;"
            " column amount (DECIMAL(2,1)) added; column id: BIGINT becomes INTEGER"
        ),
        "API",
        "  changed  store_revenue  field revenue (DECIMAL(12,2)) removed  breaking",
        "  changed  store_revenue  field day: DATE becomes TIMESTAMP      breaking",
        "1 table the same",
    ]


def test_json_has_the_figures(changed: Shop) -> None:
    answer = json.loads(changed.call("diff", "1", "2", "--json").stdout)
    assert answer["tables"][0] == {
        "table": "gone",
        "kind": "removed",
        "rows_before": 1,
        "rows_after": None,
        "columns": [],
        "recipe_changed": False,
        "cells": [],
        "cells_after": 0,
    }
    assert [change["detail"] for change in answer["api"]] == [
        "field revenue (DECIMAL(12,2)) removed",
        "field day: DATE becomes TIMESTAMP",
    ]


def test_environments_are_compared_by_what_they_publish(changed: Shop) -> None:
    changed.publish({"same": "SELECT 1 AS id"}, environment="dev")
    answer = json.loads(changed.call("diff", "prod:1", "dev", "--json").stdout)
    assert answer["after"]["environment"] == "dev"
    assert [change["table"] for change in answer["tables"]] == ["gone", "orders"]


def test_equal_snapshots_have_no_difference(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 1 AS id"})
    result = shop.call("diff", "1", "prod")
    assert result.stdout.splitlines()[1:] == ["No difference: the same data and the same API."]


def test_who_sees_what_is_a_difference(shop: Shop) -> None:
    tables = {"orders": "SELECT 1 AS id"}
    for rows in (None, (RowCase("", "id = $auth_id", ("id",)),)):
        shop.publish(tables, policies={"orders": TablePolicy(rows=rows, columns=("id",))})
    said = "orders: rows were everybody's, now by id"
    lines = shop.call("diff", "1", "2").stdout.splitlines()
    assert lines[1:] == ["Who sees what", f"  {said}", "1 table the same"]
    assert json.loads(shop.call("diff", "1", "2", "--json").stdout)["policies"] == [said]


def test_other_rows_of_the_same_number_are_a_difference(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 1 AS id"})
    shop.publish({"orders": "SELECT 2 AS id"})
    assert "  changed  orders  1 row as before, but another" in shop.call("diff", "1", "2").stdout


def _months(shop: Shop, *months: str) -> None:
    """Publish `orders` with a cell for each raw file: "01=a" is the file 01.csv with content a."""
    version = shop.version("orders", "SELECT 1 AS id")
    [cell] = version.cells
    cells = tuple(
        replace(cell, label=f"{month[:2]}.csv", address=address("cell", month)) for month in months
    )
    head = shop.store.head("prod")
    shop.store.publish(
        "prod",
        Snapshot({"orders": replace(version, cells=cells)}, Manifest("shop")),
        parent=head.number if head else None,
        reason="months",
    )


def test_the_cells_that_differ_are_named_by_their_files(shop: Shop) -> None:
    _months(shop, "01=a", "02=a", "03=a")
    _months(shop, "01=a", "02=b", "04=a")
    assert shop.call("diff", "1", "2").stdout.splitlines()[2] == (
        "  changed  orders  3 rows as before, but others; 3 cells of 3: 02.csv, 03.csv, 04.csv"
    )
    answer = json.loads(shop.call("diff", "1", "2", "--json").stdout)
    assert answer["tables"][0]["cells"] == ["02.csv", "03.csv", "04.csv"]


def test_many_cells_are_counted(shop: Shop) -> None:
    _months(shop, *(f"{month:02}=a" for month in range(1, 13)))
    _months(shop, "01=a", *(f"{month:02}=b" for month in range(2, 13)))
    assert (
        shop.call("diff", "1", "2")
        .stdout.splitlines()[2]
        .endswith("; 11 cells of 12: 02.csv, 03.csv, 04.csv and 8 more")
    )


def test_a_table_that_is_made_another_way_says_so(shop: Shop) -> None:
    version = shop.version("orders", "SELECT 1 AS id")
    for parent, recipe in ((None, "a"), (1, "b")):
        snapshot = Snapshot({"orders": replace(version, recipe=recipe)}, Manifest("shop"))
        shop.store.publish("prod", snapshot, parent=parent, reason=recipe)
    assert shop.call("diff", "1", "2").stdout.splitlines()[2] == (
        "  changed  orders  1 row as before; its recipe changed"
    )


def test_what_names_no_snapshot_is_the_users_mistake(shop: Shop) -> None:
    result = shop.call("diff", ":1", "2")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: ':1' does not name a snapshot; expected a number, an environment, or both as in"
        " `prod:12`; `headrace snapshots` lists them\n"
    )

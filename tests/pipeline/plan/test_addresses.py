"""Addresses follow from recipes and raw files, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.partitions import Split
from headrace.pipeline.compile.graph import Graph, Locality, Relation
from headrace.pipeline.plan.addresses import (
    address_of,
    check_address,
    model_cells,
    quarantine_address,
    window,
)
from headrace.pipeline.plan.plans import Cells, NamedCell, Plan
from tests.projects import SHOP, Shop, write_files

DAY = Split(("day",), "day")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


@pytest.fixture
def graph(shop: Shop) -> Graph:
    return shop.plan().graph


def changed(before: Plan, after: Plan) -> set[str]:
    """The tables whose address is another."""
    assert before.addresses.keys() == after.addresses.keys()
    return {name for name in before.addresses if before.addresses[name] != after.addresses[name]}


def test_every_table_has_an_address_before_anything_is_built(shop: Shop) -> None:
    plan = shop.plan()
    assert list(plan.addresses) == [relation.name for relation in plan.graph.relations]
    assert len(set(plan.addresses.values())) == len(plan.addresses)
    assert shop.plan().addresses == plan.addresses


def test_a_changed_file_changes_its_source_and_what_is_below(shop: Shop) -> None:
    before = shop.plan()
    shop.write("data/orders/2024-01.csv", SHOP["data/orders/2024-02.csv"])
    assert changed(before, shop.plan()) == {
        "orders",
        "orders__quarantine",
        "daily_revenue",
        "store_revenue",
    }


def test_a_renamed_file_changes_the_source_because_the_quarantine_names_it(shop: Shop) -> None:
    before = shop.plan()
    (shop.root / "data/orders/2024-02.csv").rename(shop.root / "data/orders/2024-03.csv")
    assert "orders" in changed(before, shop.plan())


def test_cells_are_one_for_each_file_or_one_for_a_model(shop: Shop) -> None:
    plan = shop.plan()
    cells = plan.cells
    assert [cell.partition for cell in cells["orders"]] == [None, None]
    aside = [quarantine_address(cell.address) for cell in cells["orders"]]
    assert [cell.address for cell in cells["orders__quarantine"]] == aside
    relation = plan.graph.relation("store_revenue")
    assert cells["store_revenue"] == model_cells(relation, cells, plan.addresses)
    assert plan.addresses["store_revenue"] == address_of(relation, cells["store_revenue"])


def test_a_checks_address_follows_its_rule_and_the_tables_that_it_reads(shop: Shop) -> None:
    plan = shop.plan()
    addresses = dict(plan.addresses)
    [check] = [each for each in plan.graph.checks if each.name == "known_stores"]
    address = check_address(check, addresses)
    assert check_address(replace(check, recipe="other"), addresses) != address
    assert check_address(check, addresses | {"stores": "other"}) != address
    assert check_address(check, addresses | {"cities": "other"}) == address
    assert check_address(replace(check, severity="warn", name="x"), addresses) == address


def test_what_waits_for_a_python_model_has_none(shop: Shop) -> None:
    shop.write(
        "models/wide.py",
        "import pyarrow as pa\nfrom headrace import model\n"
        "@model\ndef wide(stores: pa.Table) -> pa.Table:\n    return stores\n",
    )
    shop.write("models/narrow.sql", "SELECT city FROM wide\n")
    shop.write("models/narrower.sql", "SELECT city FROM narrow\n")
    plan: Plan = shop.plan()
    assert "wide" in plan.addresses
    assert plan.addresses.keys().isdisjoint({"narrow", "narrower"})
    assert plan.deferred == ("wide", "narrow", "narrower")


# Partitions


def daily(graph: Graph, locality: Locality, split: Split = DAY) -> Relation:
    """A model with partitions that reads `orders`, and maybe `stores`."""
    return replace(
        graph.relation("daily_revenue"),
        inputs=tuple(sorted(locality.inputs)),
        split=split,
        locality=locality,
    )


def cells_of(**addresses: str) -> Cells:
    """Cells by their day in March, "d01" for the first."""
    return tuple(NamedCell(f"2024-03-{day[1:]}", each) for day, each in addresses.items())


VERSIONS = {"orders": "v1", "stores": "v2"}
ORDERS = {"orders": cells_of(d01="a", d02="b", d03="c"), "stores": (NamedCell(None, "s"),)}


def rebuilt(relation: Relation, cells: dict[str, Cells], versions: dict[str, str]) -> set[str]:
    """The partitions of a model that have another address than over `ORDERS`."""
    before = set(model_cells(relation, ORDERS, VERSIONS))
    after = model_cells(relation, cells, versions)
    return {str(cell.partition) for cell in after if cell not in before}


def test_a_cell_follows_the_cells_of_its_own_partition_only(graph: Graph) -> None:
    relation = daily(graph, Locality({"orders": "same", "stores": "latest"}))
    cells = ORDERS | {"orders": cells_of(d01="a", d02="X", d03="c", d04="d")}
    assert rebuilt(relation, cells, {"orders": "v9", "stores": "v9"}) == {
        "2024-03-02",
        "2024-03-04",
    }


def test_an_input_that_is_needed_whole_is_part_of_every_cell(graph: Graph) -> None:
    relation = daily(graph, Locality({"orders": "same", "stores": "whole"}))
    assert rebuilt(relation, ORDERS, VERSIONS) == set()
    assert len(rebuilt(relation, ORDERS, VERSIONS | {"stores": "v9"})) == 3


def test_a_cell_that_looks_back_follows_the_cells_before_it(graph: Graph) -> None:
    relation = daily(graph, Locality({"orders": "same"}, lookback=1))
    cells = {"orders": cells_of(d01="X", d02="b", d03="c")}
    assert rebuilt(relation, cells, VERSIONS) == {"2024-03-01", "2024-03-02"}
    shifted = {"orders": cells_of(d02="a", d03="b")}
    assert rebuilt(relation, shifted, VERSIONS) == {"2024-03-02", "2024-03-03"}


def test_a_coarser_model_has_one_cell_for_the_cells_within(graph: Graph) -> None:
    relation = daily(graph, Locality({"orders": "same"}), Split(("month",), "month"))
    cells = {"orders": (*ORDERS["orders"], NamedCell("2024-04-01", "d"))}
    assert [each.partition for each in model_cells(relation, cells, VERSIONS)] == [
        "2024-03",
        "2024-04",
    ]
    assert rebuilt(relation, cells, VERSIONS) == {"2024-04"}


def test_two_pieces_of_a_partition_are_both_part_of_its_cell(graph: Graph) -> None:
    relation = daily(graph, Locality({"orders": "same"}))
    cells = {"orders": (*ORDERS["orders"], NamedCell("2024-03-02", "late"))}
    assert rebuilt(relation, cells, VERSIONS) == {"2024-03-02"}


def test_a_window_holds_the_partitions_before_and_ends_with_the_own() -> None:
    assert window("2024-03-01", DAY, 2) == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert window("2024-01", Split(("m",), "month"), 1) == ["2023-12", "2024-01"]
    assert window("0001-01-01", DAY, 2) == ["0001-01-01"]

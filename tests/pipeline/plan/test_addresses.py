"""Addresses follow from recipes and raw files, and from nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.tables import RawFile
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.plan.addresses import (
    cell_addresses,
    check_address,
    model_address,
    quarantine_address,
    version_addresses,
)
from headrace.pipeline.plan.plans import Plan
from tests.projects import SHOP, Shop, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


@pytest.fixture
def graph(shop: Shop) -> Graph:
    return shop.plan().graph


FILES = {
    "orders": (RawFile("a.csv", 1, "1" * 64), RawFile("b.csv", 2, "2" * 64)),
    "stores": (RawFile("s.csv", 3, "3" * 64),),
}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The tables whose address is another."""
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_every_table_has_an_address_before_anything_is_built(graph: Graph) -> None:
    addresses = version_addresses(graph, FILES)
    assert list(addresses) == [relation.name for relation in graph.relations]
    assert len(set(addresses.values())) == len(addresses)
    assert version_addresses(graph, FILES) == addresses


def test_a_changed_file_changes_its_source_and_what_is_below(graph: Graph) -> None:
    files = FILES | {"orders": (replace(FILES["orders"][0], sha256="4" * 64), FILES["orders"][1])}
    assert changed(version_addresses(graph, FILES), version_addresses(graph, files)) == {
        "orders",
        "orders__quarantine",
        "daily_revenue",
        "store_revenue",
    }


def test_a_renamed_file_changes_the_source_because_the_quarantine_names_it(graph: Graph) -> None:
    files = FILES | {"stores": (replace(FILES["stores"][0], path="t.csv"),)}
    assert "stores" in changed(version_addresses(graph, FILES), version_addresses(graph, files))


def test_cells_are_one_for_each_file_or_one_for_a_model(graph: Graph) -> None:
    addresses = version_addresses(graph, FILES)

    def cells(name: str) -> list[str]:
        return cell_addresses(graph, graph.relation(name), FILES, addresses)

    assert len(cells("orders")) == 2
    assert cells("orders__quarantine") == [quarantine_address(cell) for cell in cells("orders")]
    [cell] = cells("store_revenue")
    assert cell == model_address(graph.relation("store_revenue"), addresses)


def test_a_checks_address_follows_its_rule_and_the_tables_that_it_reads(graph: Graph) -> None:
    addresses = version_addresses(graph, FILES)
    [check] = [each for each in graph.checks if each.name == "known_stores"]
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

"""A source reads the files that are new, and every row of them is in one of its two tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.base.tables import Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.plan.plans import SourceFiles
from headrace.pipeline.run.reading import build_source
from headrace.pipeline.workspace import open_workspace
from tests.projects import SHOP, Shop, write_files

BAD = """\
    order_id,store_id,ordered_at,amount
    6,10,2024-03-01 08:00:00,free
    7,10,2024-03-01 08:01:00,2.00
    ,10,2024-03-01 08:02:00,3.00
    """


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def build_orders(shop: Shop, built: SourceFiles | None = None) -> tuple[Version, Version]:
    """The next version of `orders` and of its quarantine; `built` is what is read already."""
    plan, store = shop.plan(), open_workspace(shop.root).store
    engine = DuckDBEngine(threads=1)
    try:
        return build_source(
            engine,
            store,
            shop.root,
            plan.graph.relation("orders"),
            plan.graph.relation("orders__quarantine"),
            built or plan.sources["orders"],
        )
    finally:
        engine.close()


def test_each_file_is_a_cell_in_the_order_of_the_files(shop: Shop) -> None:
    orders, quarantine = build_orders(shop)
    labels = ["data/orders/2024-01.csv", "data/orders/2024-02.csv"]
    assert [(cell.label, cell.rows, cell.rows_in) for cell in orders.cells] == [
        (labels[0], 3, 3),
        (labels[1], 2, 2),
    ]
    assert [(cell.label, cell.rows, cell.file) for cell in quarantine.cells] == [
        (labels[0], 0, ""),
        (labels[1], 0, ""),
    ]
    assert (orders.rows, len(orders.files), quarantine.files) == (5, 1, ())


def test_rows_in_is_rows_and_quarantine(shop: Shop) -> None:
    shop.write("data/orders/2024-03.csv", BAD)
    orders, quarantine = build_orders(shop)
    assert [cell.rows_in for cell in orders.cells] == [3, 2, 3]
    assert [cell.rows for cell in orders.cells] == [3, 2, 1]
    assert [cell.rows for cell in quarantine.cells] == [0, 0, 2]


def test_only_files_that_are_not_read_yet_are_read(shop: Shop) -> None:
    before, _ = build_orders(shop)
    shop.write("data/orders/2024-03.csv", BAD)
    (shop.root / "data/orders/2024-01.csv").write_text("nobody reads this again")
    plan = shop.plan()
    known = dict(plan.sources["orders"].built)
    assert [cell.cell for (cell,) in known.values()] == [before.cells[1]]
    shop.write("data/orders/2024-01.csv", SHOP["data/orders/2024-01.csv"])
    after, _ = build_orders(shop)
    assert after.cells[:2] == before.cells
    assert len(after.files) == 2


def test_rows_stay_in_the_order_of_their_file(shop: Shop) -> None:
    lines = [f"{number},10,2024-03-01 08:00:00,1.00" for number in range(20000, 0, -1)]
    header = "order_id,store_id,ordered_at,amount"
    shop.write("data/orders/2024-01.csv", "\n".join([header, *lines]) + "\n")
    orders, _ = build_orders(shop)
    engine = DuckDBEngine(threads=2)
    engine.attach(orders, open_workspace(shop.root).store.data_root)
    rows = engine.cursor().execute("SELECT order_id FROM orders LIMIT 20000").fetchall()
    engine.close()
    assert rows == [(number,) for number in range(20000, 0, -1)]


def test_reading_again_in_the_same_run_starts_afresh(shop: Shop) -> None:
    """A run plans again when a Python model shows its columns; a file may have come meanwhile."""
    plan, store = shop.plan(), open_workspace(shop.root).store
    relation = plan.graph.relation
    engine = DuckDBEngine(threads=1)
    versions = [
        build_source(
            engine,
            store,
            shop.root,
            relation("orders"),
            relation("orders__quarantine"),
            plan.sources["orders"],
        )
        for _ in range(2)
    ]
    engine.close()
    assert versions[0][0].rows == versions[1][0].rows == 5

"""Where tables and columns end: at sources, and at the columns of Python models."""

from __future__ import annotations

from headrace.pipeline.compile.sourcing import find_ends
from tests.pipeline.compile.projects import ORDERS, STORES, compiled, endpoint, model, source


def test_the_ends_of_a_chain_of_any_length_are_found() -> None:
    """Longer than Python's stack is deep."""
    links = 1500
    chain = [model("m_0000", "SELECT day AS d, amount + qty AS v FROM orders")]
    chain += [
        model(f"m_{number:04}", f"SELECT d, v FROM m_{number - 1:04}") for number in range(1, links)
    ]
    last = endpoint("last", f"SELECT v FROM {chain[-1].name}")
    graph = compiled(source("orders", ORDERS), *chain, last)
    assert graph.endpoints[0].lineage == {"v": ("orders.amount", "orders.qty")}
    assert graph.endpoints[0].sources == ("orders",)


def test_a_column_ends_at_every_source_that_it_derives_from() -> None:
    graph = compiled(
        source("orders", ORDERS),
        source("stores", STORES),
        model("named", "SELECT o.*, s.name FROM orders o JOIN stores s USING (store_id)"),
        model("one", "SELECT name || status AS label, 1 AS one FROM named"),
    )
    ends = find_ends(graph.relations)
    assert ends.columns["one.label"] == {"orders.status", "stores.name"}
    assert ends.columns["one.one"] == set()
    assert ends.columns["orders.status"] == {"orders.status"}
    assert ends.sources_of(["one"]) == ("orders", "stores")
    assert ends.sources_of(["stores", "stores__quarantine"]) == ("stores",)
    assert ends.columns_of({"x": ("one.label", "orders.qty"), "y": ()}) == {
        "x": ("orders.qty", "orders.status", "stores.name"),
        "y": (),
    }

"""Every built-in check finds exactly the rows that break it, on a real engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.base.declarations import CheckDeclaration, ColumnContract
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.checks.builtin import KINDS, CheckQuery, check_query, declared_checks
from headrace.engines.duckdb import DuckDBEngine

HERE = Place("models/orders.sql", 2, 3)
ORDERS = (
    Column("id", "INTEGER"),
    Column("store", "INTEGER"),
    Column("status", "VARCHAR"),
    Column("amount", "DECIMAL(12,2)"),
)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=1)
    engine.cursor().execute(
        """
        CREATE TABLE orders AS SELECT * FROM (VALUES
            (1, 10, 'paid',  CAST(5.00 AS DECIMAL(12,2))),
            (2, 10, 'open',  -1.00),
            (2, 11, 'PAID',  7.50),
            (3, 12, NULL,    NULL),
            (NULL, NULL, 'paid', 99.00)
        ) AS t(id, store, status, amount);
        CREATE TABLE __before_orders AS SELECT * FROM orders WHERE amount IS NULL OR amount < 99;
        CREATE TABLE stores AS SELECT * FROM (VALUES (10), (11)) AS t(store_id);
        """
    )
    yield engine
    engine.close()


def wrong_rows(engine: DuckDBEngine, query: CheckQuery) -> int:
    return len(engine.rows(query.sql, 100))


@pytest.mark.parametrize(
    ("check", "name", "wrong"),
    [
        (CheckDeclaration("not_null", ("id",), HERE), "orders.id: not_null", 1),
        (CheckDeclaration("not_null", ("id", "status"), HERE), "orders: not_null id, status", 2),
        (CheckDeclaration("unique", ("id",), HERE), "orders.id: unique", 1),
        (CheckDeclaration("unique", ("id", "store"), HERE), "orders: unique id, store", 0),
        (CheckDeclaration("key", ("id",), HERE), "orders.id: key", 2),
        (
            CheckDeclaration("accepted", ("status",), HERE, accepted=("paid", "open")),
            "orders.status: accepted paid, open",
            1,
        ),
        (CheckDeclaration("min", ("amount",), HERE, bound=0), "orders.amount: min 0", 1),
        (CheckDeclaration("min", ("amount",), HERE, bound="5.00"), "orders.amount: min 5.00", 1),
        (CheckDeclaration("max", ("amount",), HERE, bound=99), "orders.amount: max 99", 0),
        (
            CheckDeclaration("pattern", ("status",), HERE, pattern="[a-z]+"),
            "orders.status: pattern [a-z]+",
            1,
        ),
        (
            CheckDeclaration(
                "references", ("store",), HERE, to_table="stores", to_columns=("store_id",)
            ),
            "orders.store: references stores.store_id",
            1,
        ),
        (CheckDeclaration("row_count", (), HERE, min_rows=6), "orders: row_count min 6", 1),
        (
            CheckDeclaration("row_count", (), HERE, min_rows=1, max_rows=5),
            "orders: row_count min 1 max 5",
            0,
        ),
        (CheckDeclaration("unique", ("status", "store"), HERE), "orders: unique status, store", 0),
        (CheckDeclaration("key", ("status", "store"), HERE), "orders: key status, store", 2),
        (
            CheckDeclaration("mean", ("amount",), HERE, low=27.5, high=27.7),
            "orders.amount: mean min 27.5 max 27.7",
            0,
        ),
        (CheckDeclaration("mean", ("amount",), HERE, high=27), "orders.amount: mean max 27", 1),
        (CheckDeclaration("nulls", ("id",), HERE, share=0.2), "orders.id: nulls max 20 %", 0),
        (CheckDeclaration("nulls", ("id",), HERE, share=0.19), "orders.id: nulls max 19 %", 1),
        (CheckDeclaration("change", (), HERE, grow=0.25), "orders: change of rows grow 25 %", 0),
        (
            CheckDeclaration("change", (), HERE, grow=0.24, shrink=0.24),
            "orders: change of rows by 24 %",
            1,
        ),
        (
            CheckDeclaration("change", ("amount",), HERE, shrink=0.5),
            "orders.amount: change of sum shrink 50 %",
            0,
        ),
        (
            CheckDeclaration("distribution", ("status",), HERE, share=0.14),
            "orders.status: distribution within 14 %",
            1,
        ),
        (
            CheckDeclaration("distribution", ("amount",), HERE, share=0.25),
            "orders.amount: distribution within 25 %",
            0,
        ),
        (
            CheckDeclaration("distribution", ("amount",), HERE, share=0.24),
            "orders.amount: distribution within 24 %",
            1,
        ),
    ],
)
def test_a_check_finds_the_wrong_rows(
    engine: DuckDBEngine, check: CheckDeclaration, name: str, wrong: int
) -> None:
    query = check_query("orders", ORDERS, check)
    assert query.name == name
    assert wrong_rows(engine, query) == wrong
    if query.aggregate:
        [row] = engine.rows(f"SELECT {query.aggregate} AS found FROM orders", 1)
        assert bool(row["found"]) is (wrong > 0)


def test_the_table_above_has_every_kind() -> None:
    assert set(KINDS) == {
        "not_null", "unique", "key", "accepted", "min", "max", "pattern", "references", "row_count",
        "mean", "nulls", "freshness", "change", "distribution",
    }  # fmt: skip


def test_a_row_condition_counts_what_its_query_returns(engine: DuckDBEngine) -> None:
    """One scan with FILTER must give the same answer as the query by itself."""
    check = CheckDeclaration("accepted", ("status",), HERE, accepted=("paid", "it's"))
    query = check_query("orders", ORDERS, check)
    [row] = engine.rows(f"SELECT count(*) FILTER (WHERE {query.condition}) AS n FROM orders", 1)
    assert row["n"] == wrong_rows(engine, query) == 2


def test_a_reference_reads_both_tables() -> None:
    check = CheckDeclaration(
        "references", ("store",), HERE, to_table="stores", to_columns=("store_id",)
    )
    assert check_query("orders", ORDERS, check).tables == ("orders", "stores")


def test_names_and_values_are_quoted(engine: DuckDBEngine) -> None:
    engine.cursor().execute("""CREATE TABLE "Order ""Details" AS SELECT 'it''s' AS "a b" """)
    schema = (Column("a b", "VARCHAR"),)
    check = CheckDeclaration("accepted", ("a b",), HERE, accepted=("it's",))
    assert wrong_rows(engine, check_query('Order "Details', schema, check)) == 0


def test_a_header_is_expanded_in_order() -> None:
    column = ColumnContract(
        "amount", "", HERE, not_null=True, unique=True, min=0, max=9, accepted=(1,), pattern="."
    )
    extra = CheckDeclaration("row_count", (), HERE, min_rows=1)
    kinds = [check.kind for check in declared_checks((column,), ("id",), (extra,), HERE)]
    assert kinds == ["key", "not_null", "unique", "accepted", "min", "max", "pattern", "row_count"]

"""Dividing a table gives each of its rows once: kept as it is, or aside with every reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.base.declarations import CheckDeclaration
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.checks.setting_aside import divide
from headrace.engines.duckdb import DuckDBEngine

HERE = Place("models/orders.sql", 2, 3)
ORDERS = (Column("id", "INTEGER"), Column("store", "INTEGER"), Column("amount", "INTEGER"))
MIN = CheckDeclaration("min", ("amount",), HERE, bound=0)
NOT_NULL = CheckDeclaration("not_null", ("store", "amount"), HERE)
STORES = CheckDeclaration("references", ("store",), HERE, to_table="stores", to_columns=("id",))
KEY = CheckDeclaration("key", ("id",), HERE)
UNIQUE = CheckDeclaration("unique", ("id",), HERE)
BOTH = CheckDeclaration("unique", ("id", "store"), HERE)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=2)
    engine.cursor().execute(
        """
        CREATE TABLE orders__all AS SELECT * FROM (VALUES
            (3, 10, 5), (1, 10, 5), (2, 10, -5), (2, 10, 7), (1, 77, -1), (4, NULL, 1), (5, 10, 1),
            (5, 11, 2), (NULL, 10, 3), (NULL, 11, 4)
        ) AS t(id, store, amount);
        CREATE TABLE stores AS SELECT * FROM (VALUES (10), (11)) AS t(id);
        """
    )
    yield engine
    engine.close()


DIVIDED = [
    ((MIN,), {(2, 10, -5): "amount: min 0", (1, 77, -1): "amount: min 0"}),
    (
        (MIN, STORES, NOT_NULL),
        {
            (2, 10, -5): "amount: min 0",
            (1, 77, -1): "amount: min 0; store: references stores.id",
            (4, None, 1): "not_null store, amount",
        },
    ),
    (
        (UNIQUE,),
        dict.fromkeys(
            [(1, 10, 5), (2, 10, -5), (2, 10, 7), (1, 77, -1), (5, 10, 1), (5, 11, 2)], "id: unique"
        ),
    ),
    (
        (UNIQUE, MIN),
        {
            (2, 10, -5): "amount: min 0",
            (1, 77, -1): "amount: min 0",
            (5, 10, 1): "id: unique",
            (5, 11, 2): "id: unique",
        },
    ),
    (
        (KEY, MIN),
        {
            (2, 10, -5): "amount: min 0",
            (1, 77, -1): "amount: min 0",
            (5, 10, 1): "id: key",
            (5, 11, 2): "id: key",
            (None, 10, 3): "id: key",
            (None, 11, 4): "id: key",
        },
    ),
    ((BOTH,), {(2, 10, -5): "unique id, store", (2, 10, 7): "unique id, store"}),
]


@pytest.mark.parametrize(("rules", "aside"), DIVIDED)
def test_each_row_is_kept_or_set_aside_in_order(
    engine: DuckDBEngine,
    rules: tuple[CheckDeclaration, ...],
    aside: dict[tuple[int | None, ...], str],
) -> None:
    everything = engine.cursor().execute("FROM orders__all").fetchall()
    divided = divide("orders__all", ORDERS, rules)
    kept = engine.cursor().execute(divided.kept).fetchall()
    assert kept == [row for row in everything if row not in aside]
    found = engine.cursor().execute(divided.aside).fetchall()
    assert found == [(*row, aside[row]) for row in everything if row in aside]


def test_names_and_texts_are_quoted(engine: DuckDBEngine) -> None:
    engine.cursor().execute("""CREATE TABLE "o'all" AS SELECT 'it''s' AS "a ""b" """)
    rule = CheckDeclaration("pattern", ('a "b',), HERE, pattern="[^']+")
    divided = divide("o'all", (Column('a "b', "VARCHAR"),), (rule,))
    assert engine.cursor().execute(divided.aside).fetchall() == [("it's", "a \"b: pattern [^']+")]

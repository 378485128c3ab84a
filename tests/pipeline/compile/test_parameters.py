"""Parameters of endpoints: types from use, casts in the query that is served."""

from __future__ import annotations

import duckdb
import pytest

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Answer, Mistake
from tests.pipeline.compile.projects import ORDERS, STORES, schema

TABLES = {"orders": schema(ORDERS), "stores": schema(STORES), "tags": schema({"l": "INTEGER[]"})}

TYPED = [
    ("FROM orders WHERE store_id = $x", "INTEGER"),
    ("FROM orders WHERE $x < order_id", "BIGINT"),
    ("FROM orders WHERE day >= $x", "DATE"),
    ("FROM orders WHERE day IS NOT DISTINCT FROM $x", "DATE"),
    ("FROM orders WHERE $x BETWEEN qty AND order_id", "INTEGER"),
    ("FROM orders WHERE amount BETWEEN 0 AND $x", "DECIMAL(12,2)"),
    ("FROM orders WHERE status IN ('a', $x)", "VARCHAR"),
    ("FROM orders WHERE status NOT IN ($x)", "VARCHAR"),
    ("FROM orders WHERE $x IN (SELECT store_id FROM stores)", "INTEGER"),
    ("FROM orders WHERE status LIKE $x", "VARCHAR"),
    ("FROM orders WHERE status NOT ILIKE '%' || $x", "VARCHAR"),
    ("FROM orders WHERE lower(status) = lower($x)", "VARCHAR"),
    ("FROM orders WHERE regexp_matches(status, $x)", "VARCHAR"),
    ("FROM orders WHERE date_trunc('month', day) = $x", "TIMESTAMP"),
    ("FROM orders WHERE year(day) = $x", "BIGINT"),
    ("SELECT date_trunc($x, day) AS d FROM orders", "VARCHAR"),
    ("SELECT qty * $x AS n FROM orders", "INTEGER"),
    ("FROM orders WHERE $x IS NULL OR day = $x", "DATE"),
    ("FROM orders WHERE store_id = coalesce($x, store_id)", "INTEGER"),
    ("FROM orders WHERE $x OR qty > 1", "BOOLEAN"),
    ("SELECT CASE WHEN $x THEN 1 END AS c FROM orders", "BOOLEAN"),
    ("FROM orders LIMIT $x", "BIGINT"),
    ("FROM orders LIMIT 1 OFFSET $x", "BIGINT"),
    ("SELECT $x::DECIMAL(9,3) AS v FROM orders", "DECIMAL(9,3)"),
    ("FROM orders WHERE day > DATE '2024-01-01' + INTERVAL ($x) DAY", "INTEGER"),
    ("FROM tags WHERE list_contains(l, $x)", "INTEGER"),
    ("FROM orders WHERE list_contains($x, store_id)", "INTEGER[]"),
    ("SELECT store_id FROM orders GROUP BY ALL HAVING sum(qty) > $x", "BIGINT"),
    ("SELECT store_id, sum(qty) AS n FROM orders GROUP BY ALL HAVING n > $x", "BIGINT"),
    ("SELECT store_id, avg(qty) AS a FROM orders GROUP BY ALL HAVING a / store_id > $x", "DOUBLE"),
    ("FROM orders QUALIFY row_number() OVER (ORDER BY day) <= $x", "BIGINT"),
    ("WITH o AS (FROM orders WHERE qty > $x) FROM o", "INTEGER"),
    ("WITH o AS (SELECT upper(status) AS s FROM orders) FROM o WHERE s = $x", "VARCHAR"),
    ("SELECT (SELECT max(day) FROM orders WHERE store_id = $x) AS d", "INTEGER"),
    (
        "FROM stores s WHERE EXISTS (FROM orders o WHERE o.store_id = s.store_id AND s.name = $x)",
        "VARCHAR",
    ),
    ("SELECT 1 AS a FROM orders UNION ALL SELECT 2 FROM stores WHERE opened > $x", "TIMESTAMP"),
    ("FROM orders WHERE qty = $x AND order_id = $x", "BIGINT"),
    ("FROM orders WHERE store_id = (SELECT max(store_id) FROM stores WHERE name = $x)", "VARCHAR"),
    ("FROM stores JOIN orders ON orders.store_id = stores.store_id AND qty > $x", "INTEGER"),
    (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < $x) FROM r",
        "INTEGER",
    ),
]


@pytest.mark.parametrize(("sql", "expected"), TYPED, ids=[sql for sql, _ in TYPED])
def test_a_parameter_has_the_type_of_what_it_is_used_with(
    analyst: DuckDBAnalyst, sql: str, expected: str
) -> None:
    answer = analyst.answer(sql, TABLES, {})
    assert isinstance(answer, Answer), answer
    assert answer.types == {"x": expected}
    assert f"CAST($x AS {expected.replace(',', ', ')})" in answer.sql
    with duckdb.connect() as connection:
        for table, columns in TABLES.items():
            listed = ", ".join(f"{column.name} {column.type}" for column in columns)
            connection.execute(f"CREATE TABLE {table} ({listed})")
        connection.execute(answer.sql, {"x": None}).fetchall()


UNTYPED = [
    ("SELECT $x AS v FROM orders", "its type does not follow from its use"),
    ("FROM orders WHERE $x IS NULL", "its type does not follow from its use"),
    ("FROM orders WHERE day + $x > day", "its type does not follow from its use"),
    ("FROM orders WHERE qty = $x OR status = $x", "it is used as INTEGER and as VARCHAR"),
    ("FROM orders WHERE qty = $x OR amount = $x", "it is used as DECIMAL(12,2) and as INTEGER"),
]


@pytest.mark.parametrize(("sql", "said"), UNTYPED, ids=[sql for sql, _ in UNTYPED])
def test_a_parameter_of_no_type_or_of_several_must_be_declared(
    analyst: DuckDBAnalyst, sql: str, said: str
) -> None:
    fix = "say it in the header: params: {x: {type: …}}"
    expected = Mistake(1, sql.index("$x") + 1, f"parameter `$x`: {said}", "one type", fix)
    assert analyst.answer(sql, TABLES, {}) == (expected,)
    declared = analyst.answer(
        sql.replace("day + $x > day", "day + $x > day"), TABLES, {"x": "INTEGER"}
    )
    assert isinstance(declared, Answer | tuple)


def test_a_declared_type_wins_over_use(analyst: DuckDBAnalyst) -> None:
    answer = analyst.answer("FROM orders WHERE amount > $x", TABLES, {"x": "DOUBLE"})
    assert isinstance(answer, Answer)
    assert answer.types == {"x": "DOUBLE"}
    assert answer.sql == "SELECT * FROM orders WHERE (amount > CAST($x AS DOUBLE))"


def test_the_served_query_is_the_same_for_every_layout(analyst: DuckDBAnalyst) -> None:
    one = analyst.answer("SELECT  day FROM orders -- x\nWHERE qty>$n", TABLES, {})
    other = analyst.answer("select day from orders\n\nwhere qty > $n", TABLES, {})
    assert one == other


def test_a_query_that_duckdb_cannot_write_is_served_as_the_user_wrote_it(
    analyst: DuckDBAnalyst,
) -> None:
    sql = "SELECT 'é' AS e, v FROM (VALUES (1)) AS t(v) WHERE v = $x OR v > $yy"
    answer = analyst.answer(sql, {}, {})
    assert isinstance(answer, Answer)
    assert answer.sql == (
        "SELECT 'é' AS e, v FROM (VALUES (1)) AS t(v)"
        " WHERE v = (CAST($x AS INTEGER)) OR v > (CAST($yy AS INTEGER))"
    )


def test_a_mistake_has_its_place_in_the_users_text(analyst: DuckDBAnalyst) -> None:
    answer = analyst.answer("SELECT day\nFROM orders\nWHERE quantity > 1 AND qty > $x", TABLES, {})
    assert isinstance(answer, tuple)
    assert [(each.line, each.column) for each in answer] == [(3, 7)]
    assert answer[0].found == 'Referenced column "quantity" not found in FROM clause'

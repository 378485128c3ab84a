"""failing.py: a query that no value of a row can make fail is told from all others."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from headrace.engines.failing import casts_values, may_fail
from headrace.engines.tree_texts import serialized


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def told(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    [statement] = serialized(connection, sql)["statements"]
    return may_fail(statement["node"])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t",
        "SELECT day, sum(a) AS a, count(*) FROM t WHERE day >= CAST($since AS DATE) GROUP BY 1",
        "SELECT * EXCLUDE (a) FROM t WHERE a IN (1, 2) AND b NOT IN (SELECT x FROM u) OR c IS NULL",
        "SELECT a FROM t WHERE day < DATE '2024-03-31' - INTERVAL 1 MONTH AND a BETWEEN 1 AND $x",
        "SELECT CASE WHEN a > 1 THEN b ELSE coalesce(c, 0) END FROM t JOIN u USING (id)",
        "SELECT date_trunc('month', day) AS month, max(a) FROM t GROUP BY month",
        "SELECT row_number() OVER (PARTITION BY b ORDER BY c) FROM t WHERE lower(name) LIKE 'a%'",
        "SELECT TRY_CAST(code AS INTEGER) FROM t ORDER BY a LIMIT 3",
        "WITH w AS (SELECT a FROM t) SELECT (SELECT max(a) FROM w) FROM t",
    ],
)
def test_what_is_total_cannot(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert not told(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(code AS INTEGER) FROM t",
        "SELECT code::DATE FROM t",
        "SELECT 1 FROM t WHERE a + 1 > 2",
        "SELECT 1 FROM t WHERE a > $x * 2",
        "SELECT sum(amount * qty) FROM t",
        "SELECT -a FROM t",
        "SELECT a[1] FROM t",
        "SELECT strptime(code, '%Y') FROM t",
        "SELECT date_trunc(code, day) FROM t",
        "SELECT a FROM t WHERE error(code) IS NULL",
        "SELECT list_transform(a, x -> x) FROM t",
        "SELECT a FROM t, unnest([1, 2]) AS u(b)",
        "SELECT a FROM t WHERE a = (SELECT max(b) FROM u WHERE CAST(u.code AS INTEGER) = t.a)",
        "SELECT a FROM t JOIN u ON t.id = u.id AND CAST(u.code AS INTEGER) = 1",
        "WITH w AS (SELECT code::INTEGER AS n FROM t) SELECT n FROM w",
        "SELECT a FROM t GROUP BY a HAVING sum(a) / 2 > 1",
        "SELECT a FROM t ORDER BY code::INTEGER",
        "SELECT a FROM t WHERE a COLLATE nocase = 'x'",
    ],
)
def test_anything_else_may(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert told(connection, sql)


TABLE = """
CREATE TABLE orders (id INTEGER, day DATE, amount DECIMAL(12,2), qty INTEGER, status VARCHAR)
"""


@pytest.mark.parametrize(
    ("condition", "casts"),
    [
        ("qty = 1", False),
        ("day >= '2024-01-01'", False),
        ("amount > 3", False),
        ("status = CAST($x AS VARCHAR) AND qty < CAST($y AS INTEGER)", False),
        ("day < CAST(CAST($x AS VARCHAR) AS DATE)", False),
        ("status LIKE 'a%' AND status IN ('a', 'b')", False),
        ("date_trunc('month', day) = DATE '2024-01-01'", False),
        ("TRY_CAST(status AS INTEGER) = 1", False),
        ("status = 5", True),
        ("5 <> status", True),
        ("status IN (1, 2)", True),
        ("status NOT IN (1)", True),
        ("status IS DISTINCT FROM 5", True),
        ("nullif(status, 5) IS NULL", True),
        ("CASE status WHEN 1 THEN true ELSE false END", True),
        ("status = qty", True),
        ("day = status", True),
        ("coalesce(day, '2024-01-01') = status", True),
        ("CAST(status AS INTEGER) = 1", True),
        ("TRY_CAST(CAST(status AS DATE) AS TIMESTAMP) IS NULL", True),
        ("nowhere = 1", True),
    ],
)
def test_a_cast_of_values_is_seen_where_nobody_has_written_one(condition: str, casts: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(TABLE)
        sql = f"SELECT count(*) FROM orders WHERE {condition}"
        assert casts_values(connection, sql) == casts

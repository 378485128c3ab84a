"""Narrowed queries: whatever a query says, it answers as if the other tenant's rows were not there.

Each query runs twice: narrowed, over the rows of two tenants, and as it is, over the rows of one.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from headrace.base.errors import UsageError
from headrace.engines.duckdb import open_duckdb
from headrace.engines.scoped_sql import require_known, scoped_sql, tables_read

CANARY = "other-tenant"
ROWS = (
    "CREATE TABLE sales AS SELECT i AS id, i % 2 AS tenant, i % 7 AS kind,"
    f" CASE WHEN i % 2 = 0 THEN 'own ' || i ELSE '{CANARY}' END AS note FROM range(40) r(i);"
    "CREATE TABLE stores AS SELECT i AS kind, (i // 7) % 2 AS tenant,"
    f" CASE WHEN i < 7 THEN 'shop ' || i ELSE '{CANARY}' END AS name FROM range(14) r(i);"
    "CREATE TABLE open AS SELECT 1 AS a"
)
OWN = "CAST($auth_case_0 AS BOOLEAN) AND tenant = CAST($auth_tenant AS BIGINT)"
SELECTS = {
    "sales": f"SELECT id, tenant, kind, note FROM sales WHERE ({OWN})",
    "stores": f"SELECT kind, tenant, name FROM stores WHERE ({OWN})",
}
BOUND = {"auth_case_0": True, "auth_tenant": 0}

QUERIES = [
    "SELECT * FROM sales",
    "FROM sales",
    "TABLE sales",
    "SELECT sales.note, sales.* FROM sales",
    'SELECT "SALES".note FROM "Sales"',
    "SELECT s.note AS n FROM sales AS s",
    "SELECT x.b FROM sales AS x(a, b, c)",
    "SELECT main.sales.note FROM main.sales",
    "SELECT memory.main.sales.note FROM memory.main.sales",
    "SELECT sales.note FROM main.sales ORDER BY main.sales.id",
    "SELECT sales FROM sales",
    "SELECT count(sales), count(*) FROM sales",
    "SELECT count(*) FROM sales WHERE tenant = 1 OR true",
    f"SELECT * FROM sales WHERE note = '{CANARY}' OR 1 = 1",
    "SELECT * FROM sales JOIN stores USING (kind)",
    "SELECT * FROM sales NATURAL JOIN stores",
    "SELECT * FROM sales LEFT JOIN stores ON sales.kind = stores.kind",
    "SELECT * FROM sales FULL JOIN stores ON sales.id = stores.kind + 30",
    "SELECT * FROM sales RIGHT JOIN stores USING (kind, tenant)",
    "SELECT * FROM sales SEMI JOIN stores USING (kind)",
    "SELECT * FROM sales ANTI JOIN stores ON sales.id = stores.kind",
    "SELECT a.id, b.id FROM sales a, sales b WHERE a.kind = b.kind",
    "SELECT a.id, b.id FROM sales a POSITIONAL JOIN sales b",
    "SELECT * FROM sales ASOF JOIN stores ON sales.kind = stores.kind AND sales.id >= stores.kind",
    "SELECT * FROM sales, LATERAL (SELECT max(name) FROM stores WHERE stores.kind = sales.kind) x",
    "SELECT * FROM (sales JOIN stores USING (kind)) AS x(p, q)",
    "SELECT * FROM (sales) AS x",
    "SELECT id FROM sales UNION ALL SELECT kind FROM stores",
    "SELECT note FROM sales UNION SELECT name FROM stores ORDER BY 1",
    "SELECT id, note FROM sales UNION ALL BY NAME SELECT kind AS id, name FROM stores",
    "SELECT kind FROM stores EXCEPT SELECT kind FROM sales",
    "SELECT id FROM sales INTERSECT SELECT id FROM sales WHERE tenant = 1",
    "WITH sales AS (SELECT * FROM sales) SELECT * FROM sales",
    "WITH sales AS MATERIALIZED (FROM sales) SELECT * FROM sales, stores",
    "WITH sales AS (SELECT 1 AS id) SELECT * FROM sales, main.sales AS own",
    "WITH a AS (FROM sales), sales AS (SELECT note FROM a) SELECT * FROM sales",
    "SELECT * FROM (WITH sales AS (SELECT 1 AS x) FROM sales) AS y, sales",
    "WITH x AS (SELECT 1 AS a) SELECT (WITH sales AS (FROM x) FROM sales), note FROM sales",
    (
        "WITH RECURSIVE r AS (SELECT 0 AS id UNION ALL SELECT r.id + 1 FROM r"
        " JOIN sales USING (id))"
        " SELECT * FROM r"
    ),
    (
        "WITH RECURSIVE sales AS (SELECT 0 AS id UNION ALL SELECT sales.id + 2 FROM sales"
        " JOIN main.sales AS own USING (id)) SELECT * FROM sales"
    ),
    "WITH RECURSIVE sales AS (SELECT * FROM sales) SELECT * FROM sales",
    (
        "WITH RECURSIVE sales AS (SELECT id, note FROM sales UNION ALL SELECT id + 50, note"
        " FROM sales WHERE id < 50) SELECT sales.note FROM sales"
    ),
    (
        "WITH RECURSIVE sales AS (WITH x AS (SELECT id, note FROM sales) FROM x UNION"
        " SELECT id + 50, note FROM sales WHERE id < 50) SELECT * FROM sales"
    ),
    "WITH sales AS (SELECT 7 AS id), b AS (FROM sales) SELECT sales.id FROM b, sales",
    "(WITH sales AS (SELECT 7 AS id) FROM sales) UNION ALL SELECT id FROM sales",
    "WITH sales AS (SELECT 7 AS id) (SELECT id FROM sales UNION ALL SELECT s.id FROM sales AS s)",
    'WITH SALES AS (SELECT 7 AS id), sales_with_1 AS (SELECT 1 AS a) FROM "sales", sales_with_1',
    "WITH a AS (WITH sales AS (SELECT 1 AS id) FROM sales) SELECT * FROM a, sales",
    "WITH x AS (SELECT 1 AS i) FROM x, LATERAL (WITH sales AS (SELECT x.i) FROM sales) y, sales",
    "SELECT (SELECT max(note) FROM sales)",
    "SELECT * FROM stores WHERE kind IN (SELECT kind FROM sales WHERE tenant = 1)",
    "SELECT * FROM stores WHERE EXISTS (FROM sales WHERE sales.id = stores.kind)",
    "SELECT * FROM stores WHERE NOT EXISTS (FROM sales WHERE sales.id = stores.kind)",
    "SELECT kind > ALL (SELECT kind FROM sales) FROM stores",
    "SELECT kind FROM sales GROUP BY kind HAVING count(*) < (SELECT count(*) FROM stores)",
    "SELECT kind, count(*) FROM sales GROUP BY ROLLUP (kind)",
    "SELECT id, sum(id) OVER (ORDER BY id) FROM sales QUALIFY row_number() OVER (ORDER BY id) < 5",
    "SELECT id, lag(note) OVER (ORDER BY id) FROM sales",
    "SELECT id FROM sales ORDER BY (SELECT max(kind) FROM stores), id",
    "SELECT id FROM sales ORDER BY id LIMIT (SELECT count(*) FROM stores)",
    "SELECT DISTINCT ON (kind) kind, note FROM sales ORDER BY kind, id",
    "SELECT * EXCLUDE (note) REPLACE ((SELECT max(name) FROM stores) AS kind) FROM sales",
    "SELECT COLUMNS('n.*') FROM sales",
    "SELECT [x FOR x IN (SELECT list(note ORDER BY id) FROM sales) IF x <> 'own 2']",
    "SELECT {'k': (SELECT min(note) FROM sales)}",
    "SELECT CASE WHEN (SELECT count(*) FROM sales) > 20 THEN 'many' ELSE 'few' END",
    "SELECT * FROM range((SELECT max(id) FROM sales))",
    "SELECT unnest((SELECT list(note ORDER BY id) FROM sales))",
    "PIVOT sales ON tenant IN (0, 1) USING count(*) GROUP BY kind",
    "SELECT * FROM sales PIVOT (max(note) FOR tenant IN (0, 1))",
    "UNPIVOT sales ON id, kind INTO NAME n VALUE v",
    "SELECT * FROM sales USING SAMPLE 100 PERCENT (bernoulli)",
    "SELECT * FROM sales TABLESAMPLE reservoir(1000 ROWS)",
    "SELECT * FROM (VALUES (1), (2)) AS v(id) JOIN sales USING (id)",
    "VALUES ((SELECT max(note) FROM sales))",
    "SELECT id FROM sales WHERE id = (SELECT max(id) FROM sales AS x WHERE x.kind = sales.kind)",
    "SELECT * FROM sales, open",
    "SELECT note FROM sales GROUP BY ALL ORDER BY ALL",
    "SELECT arg_max(note, id), min_by(note, id), string_agg(note, ',' ORDER BY id) FROM sales",
    "SELECT approx_count_distinct(note) FROM sales",
]


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    """Two instances: the rows of both tenants, and those of one."""
    everything, own = open_duckdb({"threads": 1}), open_duckdb({"threads": 1})
    for connection in (everything, own):
        connection.execute(ROWS)
    own.execute("DELETE FROM sales WHERE tenant = 1; DELETE FROM stores WHERE tenant = 1")
    yield everything, own
    everything.close()
    own.close()


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    values = {name: value for name, value in BOUND.items() if f"${name}" in sql}
    return sorted(map(repr, connection.execute(sql, values).fetchall()))


@pytest.mark.parametrize("sql", QUERIES)
def test_a_query_answers_as_if_the_other_rows_were_not_there(
    both: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], sql: str
) -> None:
    everything, own = both
    found = rows(everything, scoped_sql(everything, sql, SELECTS))
    assert found == rows(own, sql)
    assert CANARY not in repr(found)


@pytest.mark.parametrize("sql", QUERIES)
def test_nobody_known_sees_nothing(
    both: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection], sql: str
) -> None:
    everything, _ = both
    narrowed = scoped_sql(everything, sql, SELECTS)
    values = {"auth_case_0": False, "auth_tenant": None}
    bound = {name: value for name, value in values.items() if f"${name}" in narrowed}
    found = repr(everything.execute(narrowed, bound).fetchall())
    assert CANARY not in found
    assert "own " not in found


def test_a_reference_becomes_a_subquery_of_the_same_name() -> None:
    connection = open_duckdb({})
    selects = {"t": "SELECT a FROM t WHERE (b = CAST($auth_b AS INTEGER))"}
    assert scoped_sql(connection, "SELECT x.a, $p FROM t AS x", selects) == (
        "SELECT x.a, $p FROM (SELECT a FROM t WHERE (b = CAST($auth_b AS INTEGER))) AS x"
    )
    assert scoped_sql(connection, "SELECT a FROM other", selects) == "SELECT a FROM other"


NO_ROWS = "DESCRIBE, SHOW and SUMMARIZE are not queries over rows; expected a SELECT"
BY_TEXT = "reads a table by a text; expected the table itself"
OUTSIDE = "is outside of the snapshot; expected a table of it by its own name"
CHANGES = "the query changes a table; expected one that reads"
OLDER = "`sales AT (…)` asks for an older version; a query reads the newest one"
TWO = "the query is not one SELECT; expected exactly one SELECT; 2 statements"


def test_no_reference_by_the_name_of_a_table_is_left_beside_its_own_select() -> None:
    connection = open_duckdb({})
    sql = "WITH t AS (SELECT a FROM t) SELECT t.a FROM t JOIN t AS u USING (a)"
    assert scoped_sql(connection, sql, {"t": "SELECT a FROM t WHERE $x"}) == (
        "WITH t_with_1 AS (SELECT a FROM (SELECT a FROM t WHERE $x) AS t) SELECT t.a"
        " FROM (t_with_1 AS t INNER JOIN t_with_1 AS u USING (a))"
    )


REFUSED = [
    ("SUMMARIZE sales", NO_ROWS),
    ("SELECT * FROM (DESCRIBE sales)", NO_ROWS),
    ("SHOW TABLES", NO_ROWS),
    ("SELECT * FROM query_table('sales')", f"`query_table()` {BY_TEXT}"),
    ("SELECT * FROM query('FROM sales')", f"`query()` {BY_TEXT}"),
    ("SELECT * FROM histogram(sales, note)", f"`histogram()` {BY_TEXT}"),
    ("SELECT * FROM temp.sales", f"`temp.sales` {OUTSIDE}"),
    ("SELECT * FROM information_schema.tables", f"`information_schema.tables` {OUTSIDE}"),
    ("SELECT * FROM recurring.sales", f"`recurring.sales` {OUTSIDE}"),
    ("SELECT * FROM sales AT (VERSION => 1)", OLDER),
    ("WITH d AS (DELETE FROM sales RETURNING *) FROM d", CHANGES),
    ("WITH d AS (INSERT INTO open VALUES (1) RETURNING *) SELECT * FROM d, sales", CHANGES),
    ("SELECT 1; SELECT 2", TWO),
]


@pytest.mark.parametrize(("sql", "message"), REFUSED)
def test_what_cannot_be_narrowed_is_refused(sql: str, message: str) -> None:
    connection = open_duckdb({})
    with pytest.raises(UsageError) as caught:
        scoped_sql(connection, sql, SELECTS)
    assert str(caught.value) == message
    with pytest.raises(UsageError) as caught:
        require_known(connection, sql, SELECTS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x AS FROM sales",
        "COPY sales TO 'x.csv'",
        "PRAGMA table_info('sales')",
        "SET threads = 1",
        "ATTACH 'x.db'",
        "CALL pragma_version()",
        "EXPLAIN FROM sales",
        "SELECT $a, ? FROM sales",
        "not sql",
        "",
    ],
)
def test_anything_but_one_select_is_refused(sql: str) -> None:
    connection = open_duckdb({})
    for check in (scoped_sql, require_known):
        with pytest.raises(UsageError, match=r"^the query is not one SELECT; expected exactly one"):
            check(connection, sql, SELECTS)


@pytest.mark.parametrize(
    "name",
    [
        *("getenv", "getvariable", "current_setting", "current_database", "current_query"),
        *("nextval", "json_serialize_plan", "json_execute_serialized_sql", "sleep_ms", "write_log"),
        *("error", "system.main.getenv", "pg_sleep", "no_such_function"),
    ],
)
def test_a_function_that_may_read_more_than_its_arguments_is_refused(name: str) -> None:
    connection = open_duckdb({})
    for sql in (f"SELECT {name}('x')", f"SELECT 1 FROM sales ORDER BY [{name}('x')]"):
        with pytest.raises(UsageError) as caught:
            require_known(connection, sql, SELECTS)
        assert str(caught.value) == (
            f"`{name.rpartition('.')[2]}()` is not for ad-hoc queries;"
            " expected a function of its arguments alone"
        )


@pytest.mark.parametrize(
    "name",
    [
        *("read_csv", "read_parquet", "read_text", "read_blob", "read_json", "glob", "sniff_csv"),
        *("parquet_scan", "parquet_metadata", "duckdb_tables", "duckdb_secrets", "pragma_version"),
        *("duckdb_settings", "read_duckdb", "pg_timezone_names", "repeat"),
    ],
)
def test_a_table_function_that_reads_elsewhere_is_refused(name: str) -> None:
    connection = open_duckdb({})
    for sql in (f"SELECT * FROM {name}('x')", f"SELECT (SELECT 1 FROM {name}('x')) FROM sales"):
        with pytest.raises(UsageError) as caught:
            require_known(connection, sql, SELECTS)
        assert str(caught.value) == (
            f"`{name}()` is not for ad-hoc queries;"
            " expected one of `generate_series`, `range`, `unnest`"
        )


@pytest.mark.parametrize("name", ["'x.parquet'", "'https://x/y.csv'", "secrets", '"a b"', "open"])
def test_a_table_that_is_not_there_or_not_for_the_asker_is_refused_in_the_same_words(
    name: str,
) -> None:
    connection = open_duckdb({})
    connection.execute(ROWS)
    plain = name.strip("'\"")
    for sql in (f"FROM {name}", f"SELECT (SELECT count(*) FROM {name}) FROM sales"):
        with pytest.raises(UsageError) as caught:
            require_known(connection, sql, SELECTS)
        assert str(caught.value) == (
            f"there is no table `{plain}` here; expected one of `sales`, `stores`"
        )


def test_the_tables_of_a_query_that_is_let_through_are_told() -> None:
    connection = open_duckdb({})
    sql = "WITH x AS (FROM SALES) SELECT max(note), lower('A') FROM x, range(3) WHERE [1][1] = 1"
    assert require_known(connection, sql, ["stores", "sales"]) == ("sales",)
    assert require_known(connection, "SELECT 1", SELECTS) == ()


def test_the_tables_of_a_query_are_those_that_no_with_query_stands_for() -> None:
    connection = open_duckdb({})
    sql = "WITH a AS (FROM Stores), b AS (FROM b) SELECT * FROM a, b, (SELECT 1 FROM sales) AS x"
    assert tables_read(connection, sql) == {"stores", "sales", "b"}


def test_behind_a_limit_no_expression_meets_a_row_that_is_not_seen() -> None:
    """Otherwise the message of an expression that fails would have the row's value in it."""
    connection = open_duckdb({"threads": 1})
    connection.execute(ROWS)
    barred = {name: f"{sql} LIMIT 9223372036854775807" for name, sql in SELECTS.items()}
    for condition in (
        "CAST(substr(note, 5) AS INTEGER) >= 0",
        "CASE WHEN tenant = 1 THEN error(note) END IS NULL",
        "id IN (SELECT CASE WHEN tenant = 1 THEN CAST(note AS INTEGER) ELSE id END FROM sales)",
    ):
        sql = scoped_sql(connection, f"SELECT id FROM sales WHERE {condition}", barred)
        assert len(rows(connection, sql)) == 20

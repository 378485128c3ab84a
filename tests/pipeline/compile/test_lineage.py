"""Column lineage: exact results for every construct that makes a column."""

from __future__ import annotations

import pytest

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Bound
from tests.pipeline.compile.projects import schema

TABLES = {
    "t": schema({"id": "INTEGER", "d": "DATE", "s": "VARCHAR", "st": "STRUCT(x INTEGER)"}),
    "u": schema({"id": "INTEGER", "k": "VARCHAR", "l": "INTEGER[]"}),
}

CASES = [
    ("SELECT id AS x, d FROM t", {"x": "t.id", "d": "t.d"}),
    ("FROM t SELECT id", {"id": "t.id"}),
    ("SELECT * EXCLUDE (st, d) FROM t", {"id": "t.id", "s": "t.s"}),
    (
        "SELECT * REPLACE (length(s) AS id) FROM t",
        {"id": "t.s", "d": "t.d", "s": "t.s", "st": "t.st"},
    ),
    ("SELECT * RENAME (k AS word) FROM u", {"id": "u.id", "word": "u.k", "l": "u.l"}),
    ("SELECT COLUMNS('^[ds]$') FROM t", {"d": "t.d", "s": "t.s"}),
    ("SELECT max(COLUMNS(*)) FROM (SELECT id, d FROM t)", {"id": "t.id", "d": "t.d"}),
    ("SELECT T.ID + length(U.k) AS n FROM t T JOIN u U ON T.id = U.id", {"n": "t.id u.k"}),
    ("SELECT a.* FROM u AS a", {"id": "u.id", "k": "u.k", "l": "u.l"}),
    ("SELECT x FROM t AS a(x)", {"x": "t.id"}),
    (
        "SELECT * FROM t JOIN u USING (id)",
        {"id": "t.id", "d": "t.d", "s": "t.s", "st": "t.st", "k": "u.k", "l": "u.l"},
    ),
    ("SELECT id, k FROM t JOIN u USING (id)", {"id": "t.id u.id", "k": "u.k"}),
    (
        "SELECT * FROM t NATURAL JOIN u",
        {"id": "t.id", "d": "t.d", "s": "t.s", "st": "t.st", "k": "u.k", "l": "u.l"},
    ),
    ("SELECT * FROM u SEMI JOIN t USING (id)", {"id": "u.id", "k": "u.k", "l": "u.l"}),
    ("SELECT t.s, u.k FROM t ASOF JOIN u ON t.s = u.k AND t.id >= u.id", {"s": "t.s", "k": "u.k"}),
    ("WITH t AS (SELECT k AS id FROM u) SELECT id FROM t", {"id": "u.k"}),
    (
        "WITH a(x) AS (SELECT id FROM t), b AS (SELECT x + 1 AS y FROM a) SELECT y FROM b",
        {"y": "t.id"},
    ),
    (
        (
            "WITH RECURSIVE r(n, w) AS (SELECT id, s FROM t UNION ALL SELECT n + 1, k FROM r, u)"
            " SELECT n, w FROM r"
        ),
        {"n": "t.id", "w": "t.s u.k"},
    ),
    ("SELECT id FROM t UNION SELECT id FROM u", {"id": "t.id u.id"}),
    ("SELECT id, s FROM t UNION ALL BY NAME SELECT k AS s FROM u", {"id": "t.id", "s": "t.s u.k"}),
    ("SELECT id + 1 AS a, a * 2 AS b FROM t", {"a": "t.id", "b": "t.id"}),
    ("SELECT count(*) AS n FROM t WHERE s = 'x'", {"n": ""}),
    ("SELECT s, sum(id) AS n FROM t GROUP BY ALL", {"s": "t.s", "n": "t.id"}),
    (
        "SELECT sum(id) FILTER (WHERE s = 'a') OVER (PARTITION BY d) AS n FROM t",
        {"n": "t.d t.id t.s"},
    ),
    ("SELECT row_number() OVER w AS n FROM t WINDOW w AS (ORDER BY d)", {"n": "t.d"}),
    ("SELECT (SELECT max(k) FROM u WHERE u.id = t.id) AS m FROM t", {"m": "t.id u.id u.k"}),
    ("SELECT EXISTS (FROM u WHERE u.id = t.id) AS m FROM t", {"m": "t.id u.id u.k u.l"}),
    ("SELECT id IN (SELECT id FROM u) AS m FROM t", {"m": "t.id u.id"}),
    ("SELECT x FROM t, LATERAL (SELECT t.id + 1 AS x)", {"x": "t.id"}),
    ("SELECT v FROM u, unnest(u.l) AS g(v)", {"v": "u.l"}),
    ("SELECT list_transform(l, lambda s: s + id) AS m FROM u", {"m": "u.id u.l"}),
    ("SELECT [y * 2 FOR y IN l IF y > 1] AS m FROM u", {"m": "u.l"}),
    ("SELECT st.x, t.st.x AS y, st['x'] AS z FROM t", {"x": "t.st", "y": "t.st", "z": "t.st"}),
    ("SELECT t AS whole FROM (SELECT id, s FROM t) AS t", {"whole": "t.id t.s"}),
    ("SELECT #2 AS n FROM t", {"n": "t.d"}),
    (
        "PIVOT t ON s IN ('a', 'b') USING count(id) GROUP BY d",
        {"d": "t.d", "a": "t.id t.s", "b": "t.id t.s"},
    ),
    (
        "SELECT d, p_n FROM t PIVOT (max(id) AS n FOR s IN ('p') GROUP BY d)",
        {"d": "t.d", "p_n": "t.id t.s"},
    ),
    ("UNPIVOT u ON k INTO NAME n VALUE v", {"id": "u.id", "l": "u.l", "n": "", "v": "u.k"}),
    ("FROM (VALUES (1, 'a')) AS v(a, b)", {"a": "", "b": ""}),
    ("SELECT unnest(st) FROM t", {"x": "t.st"}),
    ("SELECT st.* FROM t", {"x": "t.st"}),
    ("SELECT i FROM range(3) AS r(i)", {"i": ""}),
    ("SELECT value FROM t, json_each(t.s)", {"value": "t.s"}),
    ("SELECT CASE WHEN id = 1 THEN s END AS c FROM main.t", {"c": "t.id t.s"}),
    ("SELECT DISTINCT ON (id) s FROM t ORDER BY id, d", {"s": "t.s"}),
    ("SELECT x FROM (SELECT unnest(st) FROM t) AS q", {"x": "t.st"}),
    ("FROM (SELECT unnest(st) FROM t) AS q", {"x": "t.st"}),
    ("WITH q AS (SELECT unnest(st) FROM t) FROM q", {"x": "t.st"}),
    ("WITH q AS (SELECT unnest(st) FROM t) SELECT x + 1 AS y FROM q", {"y": "t.st"}),
    (
        (
            "WITH RECURSIVE r AS (SELECT unnest(st) FROM t UNION ALL"
            " SELECT r.x + u.id FROM r JOIN u ON r.x < u.id) SELECT x FROM r"
        ),
        {"x": "t.st u.id"},
    ),
    ("WITH q(z) AS (SELECT unnest(st) FROM t) SELECT z FROM q", {"z": "t.st"}),
    (
        "SELECT id FROM u UNION ALL BY NAME SELECT unnest(st) FROM t",
        {"id": "t.st u.id", "x": "t.st u.id"},
    ),
    ("SELECT COLUMNS(lambda c: c = 'd') FROM t", {"d": "t.d t.id t.s t.st"}),
    ("SELECT main.t.id AS x FROM main.t", {"x": "t.id"}),
]


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql for sql, _ in CASES])
def test_every_column_names_the_columns_that_its_value_is_made_of(
    analyst: DuckDBAnalyst, sql: str, expected: dict[str, str]
) -> None:
    bound = analyst.bind(sql, TABLES)
    assert isinstance(bound, Bound), bound
    assert {name: " ".join(inputs) for name, inputs in bound.lineage.items()} == expected


def test_a_star_that_only_the_engine_can_count_names_every_input(analyst: DuckDBAnalyst) -> None:
    """`struct.*` beside other columns: all that the query mentions, never less than the truth."""
    bound = analyst.bind("SELECT k, st.* FROM t JOIN u USING (id)", TABLES)
    assert isinstance(bound, Bound)
    assert set(bound.lineage) == {"k", "x"}
    assert {"u.k", "t.st"} <= set(bound.lineage["k"])
    assert {"u.k", "t.st"} <= set(bound.lineage["x"])

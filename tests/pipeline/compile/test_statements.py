"""Reading SQL: dependencies, canonical form, and where a text is not one SELECT."""

from __future__ import annotations

from contextlib import suppress

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Mistake

READS = [
    ("SELECT * FROM a", "a"),
    ("FROM a", "a"),
    ("TABLE a", "a"),
    ('SELECT * FROM "A" AS "b c"', "A"),
    ("SELECT b.x FROM a AS b", "a"),
    ("SELECT a AS b FROM a", "a"),
    ("WITH a AS (SELECT 1 AS x) SELECT * FROM a", ""),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "a"),
    ("WITH b AS (SELECT * FROM c), c AS (SELECT * FROM b) SELECT * FROM c", "c"),
    ("WITH b AS (SELECT 1 AS x) SELECT * FROM (SELECT * FROM b), main.b", "b"),
    ("SELECT * FROM (WITH x AS (FROM a) FROM x) JOIN x ON true", "a x"),
    ("WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r, b) FROM r", "b"),
    ("WITH RECURSIVE a AS (FROM a UNION ALL SELECT x + 1 FROM a WHERE x < 9) FROM a", "a"),
    ("SELECT (SELECT max(x) FROM b WHERE b.i = a.i) FROM a", "b a"),
    ("SELECT 1 FROM a WHERE EXISTS (FROM b) AND x IN (SELECT y FROM c)", "a b c"),
    ("SELECT x FROM a UNION ALL BY NAME SELECT y FROM b ORDER BY (SELECT 1 FROM c)", "a b c"),
    ("FROM a EXCEPT FROM b", "a b"),
    ("SELECT * EXCLUDE (x) REPLACE ((SELECT 1 FROM b) AS y) FROM a", "b a"),
    ("PIVOT a ON x IN ('p', 'q') USING sum(y)", "a"),
    ("UNPIVOT a ON x, y INTO NAME n VALUE v", "a"),
    ("SELECT * FROM a ASOF JOIN b ON a.i = b.i AND a.t >= b.t", "a b"),
    ("SELECT * FROM a, LATERAL (SELECT a.x + c.y FROM c)", "a c"),
    ("SELECT {'k': (SELECT 1 FROM b)}, [x for x in (SELECT list(y) FROM c)] FROM a", "b c a"),
    ("SELECT x FROM a QUALIFY row_number() OVER (ORDER BY (SELECT 1 FROM b)) = 1", "a b"),
    ("SELECT x FROM a LIMIT (SELECT count(*) FROM b)", "a b"),
    ("SELECT * FROM generate_series(1, (SELECT max(x) FROM a))", "a"),
    ("SELECT * FROM main.a", "a"),
    ("VALUES ((SELECT 1 FROM a))", "a"),
]


@pytest.mark.parametrize(("sql", "tables"), READS, ids=[sql for sql, _ in READS])
def test_the_tables_of_a_query_are_read_from_its_tree(
    analyst: DuckDBAnalyst, sql: str, tables: str
) -> None:
    found = [use.name for use in analyst.parse(sql).tables]
    assert sorted(found) == sorted(tables.split())


SAME = [
    ("SELECT a,b FROM t", "select\n  A, -- first\n  b /* second */\nfrom T ;"),
    ("SELECT count(*) FROM t", "select COUNT(*) from t"),
    ("SELECT x::INT FROM t", "SELECT CAST(x AS int) FROM t"),
    ("FROM t", "SELECT * FROM t"),
    ("SELECT a FROM t WHERE b LIKE 'x%'", "SELECT a\nFROM t\nWHERE (b LIKE 'x%')"),
    ('SELECT "a" FROM "t"', "SELECT a FROM t"),
]
DIFFERENT = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT 'a' FROM t", "SELECT 'A' FROM t"),
    ("SELECT a FROM t", "SELECT a AS b FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    ("SELECT a FROM t LIMIT 1", "SELECT a FROM t LIMIT 2"),
    ("SELECT {'A': 1} FROM t", "SELECT {'A': 2} FROM t"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_layout_comments_and_case_do_not_change_a_query(
    analyst: DuckDBAnalyst, one: str, other: str
) -> None:
    assert analyst.parse(one).canonical == analyst.parse(other).canonical


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_changes_an_answer_changes_the_query(
    analyst: DuckDBAnalyst, one: str, other: str
) -> None:
    assert analyst.parse(one).canonical != analyst.parse(other).canonical


NOT_ONE_SELECT = [
    ("", Mistake(1, 1, "there is no query here", "one SELECT")),
    ("-- nothing\n", Mistake(1, 1, "there is no query here", "one SELECT")),
    (
        "SELECT 'é;' ; -- end\n\n  SELECT 2",
        Mistake(3, 3, "a second statement starts here", "one SELECT a file"),
    ),
    (
        "SELECT a\nFROM t WHERE 'é' b c",
        Mistake(2, 18, 'syntax error at or near "b"', "one SELECT"),
    ),
    ("CREATE TABLE x (a INT)", Mistake(1, 1, "this is not a query", "one SELECT")),
    ("ATTACH 'x.db'", Mistake(1, 1, "this is not a query", "one SELECT")),
    (
        "SELECT ?, $a FROM t",
        Mistake(0, 0, "named and positional parameters are mixed", "`$name` throughout"),
    ),
    (
        "WITH p AS (\n  PIVOT t ON x USING sum(y)) FROM p",
        Mistake(
            2,
            3,
            "the columns of this PIVOT depend on the data",
            fix="list its values: PIVOT … ON column IN ('a', 'b') …",
        ),
    ),
]


@pytest.mark.parametrize(("sql", "mistake"), NOT_ONE_SELECT)
def test_a_text_that_is_not_one_select_is_refused_where_it_stops_being_one(
    analyst: DuckDBAnalyst, sql: str, mistake: Mistake
) -> None:
    assert analyst.parse(sql).mistakes == (mistake,)


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT 'a;b' ; -- more", "SELECT 'a;b' "),
        ("SELECT 'é' -- x;y\n;;", "SELECT 'é' -- x;y\n"),
    ],
)
def test_a_statement_ends_at_its_semicolon(
    analyst: DuckDBAnalyst, sql: str, statement: str
) -> None:
    assert analyst.parse(sql).statement == statement


def test_two_spellings_of_a_parameter_are_one_too_many(analyst: DuckDBAnalyst) -> None:
    assert analyst.parse("SELECT $a, $A").mistakes == (
        Mistake(1, 12, "`$A` is spelled `$a` elsewhere", "one spelling"),
    )


_NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("SELECT * FROM ({}) AS q".format, inner),
        st.builds("SELECT 1 AS x FROM {} WHERE EXISTS ({})".format, _NAMES, inner),
        st.builds("({}) UNION ALL ({})".format, inner, inner),
        st.builds("WITH {} AS ({}) SELECT * FROM {}".format, _NAMES, inner, _NAMES),
        st.builds("SELECT ({}) AS x FROM {} JOIN {} ON true".format, inner, _NAMES, _NAMES),
        st.builds(
            "WITH {0} AS ({1}), {2} AS ({3}) FROM {4}".format, _NAMES, inner, _NAMES, inner, _NAMES
        ),
    )


_QUERIES = st.recursive(st.builds("SELECT 1 AS x FROM {}".format, _NAMES), _deeper, max_leaves=6)
_ANALYST = DuckDBAnalyst()


@settings(max_examples=150, deadline=None)
@given(_QUERIES)
def test_any_query_binds_where_only_the_tables_exist_that_it_is_said_to_read(sql: str) -> None:
    """And DuckDB's own list of names, which takes more names for WITH queries, is part of ours."""
    query = _ANALYST.parse(sql)
    if query.mistakes:
        assert query.mistakes[0].found.startswith("Duplicate CTE")
        return
    tables = {use.name for use in query.tables}
    assert duckdb.get_table_names(sql) <= tables
    with duckdb.connect() as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE {table} (x INTEGER)")
        # A join's `SELECT *` has two columns: not every query of this shape binds at all. One
        # that misses a table raises CatalogException.
        with suppress(duckdb.BinderException):
            connection.execute(f"DESCRIBE {sql}")

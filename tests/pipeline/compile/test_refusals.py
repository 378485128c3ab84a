"""What no query of a project may hold: reads from outside, clocks, dice, changes."""

from __future__ import annotations

import duckdb
import pytest

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Mistake
from headrace.pipeline.compile.refusals import (
    PURE_TABLE_FUNCTIONS,
    SESSION_FUNCTIONS,
    VOLATILE_FUNCTIONS,
)
from tests.pipeline.compile.projects import model, problems, schema

CLOCK = (
    "say in the header how long its value holds, as in `volatile: day`,"
    " or derive it from the data, as in (SELECT max(ordered_at) FROM orders)"
)
SOURCE = "declare a source for it in sources/ and read that"
REFUSED = [
    ("SELECT *\nFROM read_csv('x.csv')", 2, 6, "`read_csv()` reads outside the project", SOURCE),
    ("FROM 'data/*.parquet'", 1, 6, "'data/*.parquet' is read from outside the project", SOURCE),
    ("FROM glob('*')", 1, 6, "`glob()` reads outside the project", SOURCE),
    ("FROM duckdb_tables()", 1, 6, "`duckdb_tables()` reads outside the project", SOURCE),
    ("FROM query('SELECT 1')", 1, 6, "`query()` reads outside the project", SOURCE),
    (
        "FROM information_schema.tables",
        1,
        6,
        "`information_schema.tables` is outside the project",
        SOURCE,
    ),
    (
        "SELECT 1 AS a, nextval('s') AS n",
        1,
        16,
        "`nextval()` gives another value at every run",
        "derive the value from the data",
    ),
    (
        "SELECT current_setting('threads')",
        1,
        8,
        "`current_setting()` reads the session, not the project",
        "write the value itself",
    ),
    (
        "FROM t TABLESAMPLE 10%",
        1,
        6,
        "a sample differs from run to run",
        "filter by a hash of the key instead",
    ),
    (
        "WITH c AS (INSERT INTO t VALUES (1) RETURNING *) FROM c",
        1,
        34,
        "a query of a project reads, and changes nothing",
        "write a SELECT",
    ),
    (
        "DESCRIBE t",
        0,
        0,
        "DESCRIBE, SHOW and SUMMARIZE are not queries over rows",
        "write a SELECT",
    ),
    (
        "FROM t AT (VERSION => 3)",
        1,
        6,
        "`t AT (…)` asks for an older version",
        "a query reads the newest version",
    ),
]


@pytest.mark.parametrize(
    ("sql", "line", "column", "found", "fix"), REFUSED, ids=[each[0] for each in REFUSED]
)
def test_it_is_refused_with_its_place(
    analyst: DuckDBAnalyst, sql: str, line: int, column: int, found: str, fix: str
) -> None:
    assert analyst.parse(sql).mistakes == (Mistake(line, column, found, fix=fix),)


def test_a_function_without_parentheses_is_refused() -> None:
    assert problems(model("m", "SELECT order_id,\n  current_date AS today FROM orders")) == [
        f"models/m.sql:2:3: `current_date` gives another value at every run; {CLOCK}"
    ]
    assert problems(
        model("m", "SELECT 1 AS a, now() AS t, random() AS r, age(day) AS g FROM orders")
    ) == [
        f"models/m.sql:1:16: `now()` gives another value at every run; {CLOCK}",
        (
            "models/m.sql:1:28: `random()` gives another value at every run; say `volatile: run` in"
            " the header, and every run builds it anew"
        ),
        f"models/m.sql:1:43: `age()` of one argument reads the clock; {CLOCK}",
    ]
    assert problems(model("m", "SELECT user FROM orders")) == [
        "models/m.sql:1:8: `user` reads the session, not the project; write the value itself"
    ]


def test_a_rows_place_in_a_file_is_refused() -> None:
    """Tables are views over data files when a run reads them: they have no `rowid`."""
    assert problems(model("m", "SELECT rowid FROM orders")) == [
        (
            "models/m.sql:1:8: `rowid` is a row's place in a file, not a value of it; use a column"
            " that names the row"
        )
    ]


def test_a_column_may_have_the_name_of_such_a_function(analyst: DuckDBAnalyst) -> None:
    tables = {"t": schema({"user": "VARCHAR", "current_date": "DATE"})}
    bound = analyst.bind("SELECT user, current_date FROM t", tables)
    assert not isinstance(bound, Mistake)
    assert bound.lineage == {"user": ("t.user",), "current_date": ("t.current_date",)}


def test_every_function_that_duckdb_calls_volatile_is_refused() -> None:
    """`error` raises, which is the same at every run."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()"
            " WHERE stability IS NOT NULL AND stability <> 'CONSISTENT'"
        ).fetchall()
    assert {name for (name,) in rows} - {"error"} <= VOLATILE_FUNCTIONS | SESSION_FUNCTIONS


def test_every_table_function_that_may_be_used_is_one_of_duckdb() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'table'"
        ).fetchall()
    assert {name for (name,) in rows} >= PURE_TABLE_FUNCTIONS

"""Where the header says how long the clock holds, the SQL that runs holds the time written out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from headrace.base.moments import Moment, Volatile
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.compiling import compile_project
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.compile.pinning import BARE_CLOCK, CLOCK_FUNCTIONS
from headrace.pipeline.compile.queries import Bound, Mistake
from tests.pipeline.compile.projects import (
    endpoint,
    model,
    problems,
    project,
    schema,
    sql_check,
)

MOMENT = Moment(datetime(2024, 3, 14, 15, 9, 26, 535897, tzinfo=UTC), "a1")
DAY = "(CAST('2024-03-01' AS DATE))"


def graph(sql: str, volatile: Volatile, moment: Moment = MOMENT) -> Graph:
    shop = project(Path(), model("m", sql, volatile=volatile))
    return compile_project(shop, CompileCache(), {}, moment)


def rows(sql: str, volatile: Volatile = "day") -> list[tuple[object, ...]]:
    """What the pinned SQL of a model gives over one order of 2024-03-01."""
    cursor = DuckDBEngine(threads=1).cursor()
    cursor.execute("CREATE TABLE orders AS SELECT 1 AS order_id, DATE '2024-03-01' AS day")
    relation = graph(sql, volatile).relation("m")
    found = cursor.execute(relation.sql)
    assert relation.schema is not None
    assert [each[0] for each in found.description] == [each.name for each in relation.schema]
    return [tuple(map(str, row)) for row in found.fetchall()]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT now() FROM orders", "2024-03-14 00:00:00+00:00"),
        ("SELECT NOW ( ) FROM orders", "2024-03-14 00:00:00+00:00"),
        ("SELECT main.now() FROM orders", "2024-03-14 00:00:00+00:00"),
        ("SELECT current_timestamp AS t FROM orders", "2024-03-14 00:00:00+00:00"),
        ("SELECT localtimestamp FROM orders", "2024-03-14 00:00:00"),
        ("SELECT current_date FROM orders", "2024-03-14"),
        ("SELECT Today() - day FROM orders", "13"),
        ("SELECT localtime FROM orders", "00:00:00"),
        ("SELECT CAST(age(day) AS VARCHAR) AS a FROM orders", "13 days"),
        ("SELECT CAST(age ((day)) AS VARCHAR) FROM orders", "13 days"),
        ("SELECT count(*) AS n FROM orders WHERE day < current_date GROUP BY current_date", "1"),
        ("SELECT max(x) AS x FROM (VALUES (current_date), (today())) v(x)", "2024-03-14"),
        ("WITH a AS (SELECT current_date FROM orders) SELECT current_date FROM a", "2024-03-14"),
        ("SELECT extract(month FROM current_date) AS m FROM orders -- now()", "3"),
        ("SELECT 'now() ü' AS s FROM orders WHERE 'ü' <> '' AND now() > day", "now() ü"),
        ("SELECT [current_date FOR x IN [1]][1] AS d FROM orders", "2024-03-14"),
        ("SELECT current_date AS d FROM orders ORDER BY current_date", "2024-03-14"),
    ],
)
def test_every_way_to_ask_for_the_time_gives_the_start_of_the_day(sql: str, expected: str) -> None:
    assert rows(sql) == [(expected,)]


@pytest.mark.parametrize("name", sorted(CLOCK_FUNCTIONS))
def test_each_function_of_the_clock_becomes_a_literal_of_its_own_type(
    analyst: DuckDBAnalyst, name: str
) -> None:
    called = name if name in BARE_CLOCK else f"{name}()"
    before = analyst.bind(f"SELECT {called} AS t", {})
    assert isinstance(before, Bound)
    if before.schema[0].type == "TIME WITH TIME ZONE":  # which no table can hold
        called = f"CAST({called} AS TIME)"
    sql = graph(f"SELECT {called} AS t FROM orders", "day").relation("m").sql
    pinned = analyst.bind(sql, {"orders": schema({"order_id": "BIGINT"})})
    assert isinstance(pinned, Bound)
    assert pinned.volatile == ()


@pytest.mark.parametrize(
    ("volatile", "expected"),
    [
        ("hour", "2024-03-14 15:00:00+00:00"),
        ("month", "2024-03-01 00:00:00+00:00"),
        ("year", "2024-01-01 00:00:00+00:00"),
        ("run", "2024-03-14 15:09:26.535897+00:00"),
    ],
)
def test_the_time_is_the_start_of_the_grain(volatile: Volatile, expected: str) -> None:
    assert rows("SELECT now() AS t FROM orders", volatile) == [(expected,)]


def test_the_recipe_does_not_follow_the_clock_but_the_moment_does() -> None:
    sql = "SELECT current_date AS d FROM orders"
    first = graph(sql, "day").relation("m")
    later = graph(sql, "day", Moment(datetime(2024, 3, 15, tzinfo=UTC))).relation("m")
    assert first.recipe == later.recipe
    assert (first.moment, later.moment) == ("2024-03-14", "2024-03-15")


def test_a_column_of_that_name_is_left_alone(analyst: DuckDBAnalyst) -> None:
    tables = {"t": schema({"current_date": "DATE"})}
    bound = analyst.bind("SELECT current_date, t.current_date AS d FROM t", tables)
    assert isinstance(bound, Bound)
    assert bound.volatile == ()


def test_a_clock_that_cannot_be_replaced_is_a_mistake_never_left(analyst: DuckDBAnalyst) -> None:
    assert analyst.bind("SELECT now(/* so */) AS t", {}) == Mistake(
        1,
        8,
        "`now` cannot be replaced by the time where it stands",
        fix="select it once, under a name, in a WITH query, and use that name",
    )


def test_dice_need_a_run_of_their_own() -> None:
    assert problems(model("m", "SELECT uuid() AS u FROM orders", volatile="day")) == [
        (
            "models/m.sql:1:8: `uuid()` gives another value at every run; say `volatile: run`"
            " in the header, and every run builds it anew"
        )
    ]
    assert graph("SELECT uuid() AS u FROM orders", "run").relation("m").moment == "a1"


def test_volatile_where_nothing_is_would_build_for_nothing() -> None:
    found = (
        "`volatile: day`, and the query reads neither clock nor dice; expected a function such as"
        " `now()`, `current_date`, `random()`; take `volatile` out"
    )
    assert problems(model("m", "SELECT day FROM orders", volatile="day")) == [
        f"models/m.sql:1: {found}"
    ]
    assert problems(sql_check("c", "SELECT day FROM orders", volatile="day")) == [
        f"checks/c.sql:1: {found}"
    ]


def test_a_check_may_be_of_its_day() -> None:
    late = sql_check("late", "SELECT day FROM orders WHERE day > current_date", volatile="day")
    shop = project(Path(), late)
    first, again = (compile_project(shop, CompileCache(), {}, MOMENT).checks[-1] for _ in "ab")
    assert "current_date" not in first.sql
    assert first.recipe == again.recipe
    tomorrow = Moment(datetime(2024, 3, 15, tzinfo=UTC))
    assert compile_project(shop, CompileCache(), {}, tomorrow).checks[-1].recipe != first.recipe
    assert problems(replace(late, volatile="")) == [
        (
            "checks/late.sql:1:36: `current_date` gives another value at every run; say in the"
            " header how long its value holds, as in `volatile: day`, or derive it from the"
            " data, as in (SELECT max(ordered_at) FROM orders)"
        )
    ]


def test_an_endpoint_is_told_to_read_a_model() -> None:
    expected = "expected an answer that follows from its snapshot; select it in a model with"
    assert problems(endpoint("e", "SELECT now() AS t, random() AS r FROM orders")) == [
        (
            f"endpoints/e.sql:1:8: `now()` gives another value at every run; {expected}"
            " `volatile: day` in its header, and read that"
        ),
        (
            f"endpoints/e.sql:1:20: `random()` gives another value at every run; {expected}"
            " `volatile: run` in its header, and read that"
        ),
    ]


def test_duckdb_takes_no_text_for_the_time() -> None:
    """`'now'::TIMESTAMP` would be a clock that no function names."""
    with duckdb.connect() as connection:
        for text in ("now", "today", "tomorrow", "yesterday"):
            for type_name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
                with pytest.raises(duckdb.ConversionException):
                    connection.execute(f"SELECT '{text}'::{type_name}")

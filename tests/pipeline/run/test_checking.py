"""Checks count wrong rows and show some; one that raises has failed and hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from headrace.base.errors import Place
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import CompiledCheck
from headrace.pipeline.plan.addresses import check_address
from headrace.pipeline.run.checking import Standard, make_checks, sample, scan
from headrace.pipeline.run.outcomes import SAMPLE_CHARACTERS, SAMPLE_ROWS, CheckOutcome

VERSIONS = {"t": "version of t", "u": "version of u"}
STANDARD = Standard(datetime(2024, 3, 1, 12, tzinfo=UTC), {})


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=1)
    engine.cursor().execute(
        "CREATE TABLE t AS SELECT i, CASE WHEN i < 50 THEN i::VARCHAR ELSE 'x' || i END AS s"
        " FROM range(100) AS r(i)"
    )
    engine.cursor().execute("CREATE TABLE u AS SELECT 1 AS i")
    yield engine
    engine.close()


def row_check(condition: str, table: str = "t") -> CompiledCheck:
    """A check that looks at one row at a time."""
    sql = f"SELECT * FROM {table} WHERE {condition}"
    check = CompiledCheck(
        condition, table, (table,), "error", sql, condition, condition, Place("c")
    )
    return replace(check, aggregate=f"count(*) FILTER (WHERE {condition})")


def query_check(sql: str) -> CompiledCheck:
    """A check that is a query of its own."""
    return CompiledCheck(sql, "t", ("t", "u"), "warn", sql, "", sql, Place("c"))


def counts(outcomes: list[CheckOutcome]) -> list[int]:
    """The wrong rows of each, -1 for one that raised."""
    return [outcome.result.failing for outcome in outcomes]


def test_checks_are_answered_in_their_order_whatever_shares_a_scan(engine: DuckDBEngine) -> None:
    checks = [
        row_check("i < 3"),
        query_check("SELECT * FROM u WHERE i > 5"),
        row_check("i = 1", "u"),
        row_check("i IS NULL"),
        query_check("SELECT * FROM t JOIN u USING (i)"),
        row_check("i > 97"),
    ]
    outcomes = make_checks(engine, checks, VERSIONS, STANDARD)
    assert counts(outcomes) == [3, 0, 1, 0, 1, 2]
    assert [outcome.result.name for outcome in outcomes] == [check.name for check in checks]
    for check, outcome in zip(checks, outcomes, strict=True):
        assert outcome.result.address == check_address(check, VERSIONS)
        assert outcome.result.severity == check.severity
        assert len(outcome.sample) == outcome.result.failing


def test_a_check_that_raises_has_failed_and_hides_no_other_of_its_scan(
    engine: DuckDBEngine,
) -> None:
    outcomes = make_checks(
        engine,
        [row_check("i < 3"), row_check("s::INTEGER < 0"), row_check("i > 97")],
        VERSIONS,
        STANDARD,
    )
    assert counts(outcomes) == [3, -1, 2]
    [_, raised, _] = outcomes
    assert raised.result.message == (
        "Conversion Error: Could not convert string 'x50' to INT32"
        " when casting from source column s"
    )
    assert (raised.sample, raised.stops_publish) == ((), True)


def test_a_query_that_raises_only_for_its_rows_has_failed(engine: DuckDBEngine) -> None:
    """Counting needs no column, so that only looking at the rows shows it."""
    [outcome] = make_checks(
        engine, [query_check("SELECT error('no coffee') FROM t")], VERSIONS, STANDARD
    )
    assert counts([outcome]) == [-1]
    assert outcome.result.message == "Invalid Input Error: no coffee"


def test_a_condition_that_is_null_is_no_wrong_row_and_a_row_of_nulls_is_one(
    engine: DuckDBEngine,
) -> None:
    outcomes = make_checks(
        engine,
        [row_check("NULL::BOOLEAN"), query_check("SELECT NULL AS x, NULL AS y")],
        VERSIONS,
        STANDARD,
    )
    assert counts(outcomes) == [0, 1]
    assert outcomes[1].sample == ({"x": None, "y": None},)


@pytest.mark.parametrize("ending", ["-- that is all", "ORDER BY i LIMIT 7", "/* so */"])
def test_a_query_may_end_as_it_likes(engine: DuckDBEngine, ending: str) -> None:
    [outcome] = make_checks(
        engine, [query_check(f"SELECT i FROM t WHERE i < 7 {ending}")], VERSIONS, STANDARD
    )
    assert counts([outcome]) == [7]


def test_a_sample_is_short_and_of_text(engine: DuckDBEngine) -> None:
    [outcome] = make_checks(engine, [row_check("i >= 0")], VERSIONS, STANDARD)
    assert counts([outcome]) == [100]
    assert len(outcome.sample) == SAMPLE_ROWS
    assert outcome.sample[0] == {"i": "0", "s": "0"}


def test_a_sample_shows_values_of_any_type(engine: DuckDBEngine) -> None:
    rows = sample(
        engine,
        "SELECT {'a': 1, 'b': [NULL]} AS st, '\\xFF\\x00a'::BLOB AS bl, [1, NULL] AS l, NULL AS n,"
        " MAP {'k': 1.5} AS m, TIMESTAMPTZ '2024-01-02 03:04:05+02' AS tz, INTERVAL 1 MONTH AS iv,"
        " 12345678901234567890123456789012345678::HUGEINT AS h, 'NaN'::DOUBLE AS f, ''::TEXT AS e",
    )
    assert rows == (
        {
            "st": "{'a': 1, 'b': [NULL]}",
            "bl": "\\xFF\\x00a",
            "l": "[1, NULL]",
            "n": None,
            "m": "{k=1.5}",
            "tz": "2024-01-02 01:04:05+00",
            "iv": "1 month",
            "h": "12345678901234567890123456789012345678",
            "f": "nan",
            "e": "",
        },
    )


def test_a_sample_keeps_columns_of_one_name_apart(engine: DuckDBEngine) -> None:
    [row] = sample(engine, 'SELECT t.i, u.i, \'a\' AS "odd ""name" FROM t JOIN u ON t.i = u.i')
    assert row == {"i": "1", "i_1": "1", 'odd "name': "a"}


def test_no_checks_cost_no_query(engine: DuckDBEngine) -> None:
    assert make_checks(engine, [], {}, STANDARD) == []


def test_every_aggregate_of_a_table_shares_a_scan(engine: DuckDBEngine) -> None:
    checks = [row_check("i < 3"), query_check("FROM t"), row_check("i = 1")]
    assert scan(engine, checks, "t") == {checks[0]: 3, checks[2]: 1}


def test_a_check_can_be_made_of_some_rows_of_its_table(engine: DuckDBEngine) -> None:
    check = row_check("i < 3")
    assert scan(engine, [check], "(SELECT * FROM t WHERE i > 0)") == {check: 2}


def test_a_check_that_gives_null_has_failed(engine: DuckDBEngine) -> None:
    check = replace(row_check("i < 0"), aggregate="max(NULL::INTEGER)")
    [outcome] = make_checks(engine, [check], VERSIONS, STANDARD)
    assert counts([outcome]) == [-1]
    assert outcome.result.message == "the check gave NULL, which says neither right nor wrong"


def test_a_long_value_is_kept_up_to_its_limit(engine: DuckDBEngine) -> None:
    [row] = sample(
        engine, "SELECT repeat('é', 999) AS a, repeat('é', 1000) AS b, repeat('é', 1001) AS c"
    )
    assert SAMPLE_CHARACTERS == 1000
    assert row == {"a": "é" * 999, "b": "é" * 1000, "c": "é" * 1000 + "…"}

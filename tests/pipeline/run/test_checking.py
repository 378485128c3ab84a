"""Checks of one table share a scan, and one that raises hides no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.base.errors import Place
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import CompiledCheck
from headrace.pipeline.run.checking import make_checks
from headrace.pipeline.run.outcomes import SAMPLE_ROWS


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=1)
    engine.cursor().execute("CREATE TABLE t AS SELECT i AS a FROM range(100) AS r(i)")
    yield engine
    engine.close()


def check(condition: str, name: str) -> CompiledCheck:
    sql = f"SELECT * FROM t WHERE {condition}"
    return CompiledCheck(name, "t", ("t",), "error", sql, condition, name, Place("models/t.sql"))


def test_each_check_gets_its_own_count_and_a_bounded_sample(engine: DuckDBEngine) -> None:
    few, many = make_checks(engine, [check("a < 2", "few"), check("a >= 0", "many")], {"t": "v"})
    assert (few.result.failing, many.result.failing) == (2, 100)
    assert few.sample == ({"a": "0"}, {"a": "1"})
    assert len(many.sample) == SAMPLE_ROWS


def test_a_check_that_raises_has_failed_and_hides_no_other(engine: DuckDBEngine) -> None:
    broken, sound = make_checks(
        engine, [check("error('no') IS NULL", "broken"), check("a < 0", "sound")], {"t": "v"}
    )
    assert broken.result.failing == -1
    assert "no" in broken.result.message
    assert (sound.result.failing, sound.result.passed) == (0, True)


def test_a_result_is_addressed_by_rule_and_content(engine: DuckDBEngine) -> None:
    rule = check("a < 0", "rule")
    [one] = make_checks(engine, [rule], {"t": "v1"})
    [same] = make_checks(engine, [rule], {"t": "v1"})
    [other] = make_checks(engine, [rule], {"t": "v2"})
    assert one.result.address == same.result.address != other.result.address

"""`lookback` and `inputs` of a partitioned model's header."""

from __future__ import annotations

import pytest

from .conftest import Load, ProblemsOf

DAY = "partition: {column: d, by: day}\n"


def read(header: str) -> dict[str, str]:
    return {"models/m.sql": f"/*\n{header}*/ SELECT 1 AS d"}


@pytest.mark.parametrize("text", ["6 days", "6", "6 day"])
def test_a_lookback_counts_partitions(load: Load, text: str) -> None:
    [model] = load(read(f"{DAY}lookback: {text}\ninputs: {{a: latest, b: whole}}\n")).models
    assert model.lookback == 6
    assert [(each.table, each.need) for each in model.inputs] == [("a", "latest"), ("b", "whole")]


def test_a_lookback_of_another_unit_is_a_mistake(problems_of: ProblemsOf) -> None:
    assert problems_of(read(f"{DAY}lookback: 6 hours\n")) == (
        "models/m.sql:3:11: `lookback` is '6 hours'; expected a number of days, because the table"
        " is partitioned by day"
    )


def test_what_a_cell_needs_is_said_of_partitioned_models_only(problems_of: ProblemsOf) -> None:
    assert problems_of(read("lookback: 2\n")) == (
        "models/m.sql:2:11: `lookback` is given without `partition`; expected both; it says what a"
        " cell of a partitioned table needs: leave it out"
    )

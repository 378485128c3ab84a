"""Checks: every kind has its one form, and a wrong form is told."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.base.declarations import CheckDeclaration
from headrace.base.errors import Place

from .conftest import Load, ProblemsOf

SOURCE = "files: a.csv\ncolumns: {a: int, b: int}\nchecks:\n"
KINDS = (
    "`not_null`, `unique`, `key`, `accepted`, `min`, `max`, `pattern`, `references`, `row_count`,"
    " `mean`, `nulls`, `freshness`, `change`, `distribution`"
)
KINDS_READ = [
    ("unique: [a, b]", {"kind": "unique", "columns": ("a", "b")}),
    ("not_null: a", {"kind": "not_null", "columns": ("a",)}),
    ("key: [a]", {"kind": "key", "columns": ("a",)}),
    (
        "accepted: {column: a, values: [1, x]}",
        {"kind": "accepted", "columns": ("a",), "accepted": (1, "x")},
    ),
    ("min: {column: a, value: 0}", {"kind": "min", "columns": ("a",), "bound": 0}),
    ("max: {column: a, value: 1.50}", {"kind": "max", "columns": ("a",), "bound": "1.50"}),
    (
        "pattern: {column: a, matches: '[a-z]+'}",
        {"kind": "pattern", "columns": ("a",), "pattern": "[a-z]+"},
    ),
    (
        "references: {column: a, to: stores.id}",
        {"kind": "references", "columns": ("a",), "to_table": "stores", "to_columns": ("id",)},
    ),
    (
        "row_count: {min: 1, max: 10}",
        {"kind": "row_count", "columns": (), "min_rows": 1, "max_rows": 10},
    ),
    ("mean: {column: a, min: -1.5}", {"kind": "mean", "columns": ("a",), "low": -1.5}),
    ("nulls: {column: a, max: 5 %}", {"kind": "nulls", "columns": ("a",), "share": 0.05}),
    (
        "freshness: {column: a, within: 90 Minutes}",
        {"kind": "freshness", "columns": ("a",), "within_seconds": 5400},
    ),
    ("change: {rows: 250 %}", {"kind": "change", "columns": (), "grow": 2.5, "shrink": 2.5}),
    (
        "change: {sum: a, by: {shrink: 10%}}",
        {"kind": "change", "columns": ("a",), "shrink": 0.1},
    ),
    (
        "distribution: {column: a, within: 10 %}",
        {"kind": "distribution", "columns": ("a",), "share": 0.1},
    ),
]


@pytest.mark.parametrize(("entry", "declared"), KINDS_READ)
def test_each_kind_is_read(load: Load, entry: str, declared: dict[str, Any]) -> None:
    [source] = load({"sources/a.yaml": f"{SOURCE}- {entry}\n  severity: warn\n"}).sources
    column = entry.index(": ") + 5
    place = Place("sources/a.yaml", 4, column)
    assert source.checks == (CheckDeclaration(place=place, severity="warn", **declared),)


MISTAKES = [
    (
        "uniqe: a",
        (
            f"4:3: `uniqe` is not a key here; expected one of {KINDS}, `severity`; did you mean "
            f"`unique`?"
        ),
    ),
    (
        "severity: warn",
        f"4:3: an entry of `checks` has the kinds none; expected exactly one of {KINDS}",
    ),
    (
        "unique: a\n  not_null: a",
        (
            f"4:3: an entry of `checks` has the kinds `unique`, `not_null`; expected exactly "
            f"one of {KINDS}"
        ),
    ),
    (
        "unique: a\n  severity: fatal",
        "5:13: `severity` is 'fatal'; expected one of `error`, `warn`, `quarantine`",
    ),
    ("5", "4:3: an entry of `checks` is 5; expected a mapping such as `unique: order_id`"),
    (
        "unique: c",
        "4:11: `c` is not a column here; expected one of `a`, `b`",
    ),
    ("unique: ", "4:10: `unique` is empty; expected a text"),
    ("accepted: x", "4:13: `accepted` is 'x'; expected a mapping `{column: …, values: …}`"),
    ("min: 5", "4:8: `min` is 5; expected a mapping `{column: …, value: …}`"),
    ("min: {column: a}", "4:8: `min` has no `value`; expected `value: …`"),
    (
        "accepted: {column: a, value: [1]}",
        (
            "4:13: `accepted` has no `values`; expected `values: …`\n"
            "sources/a.yaml:4:25: `value` is not a key here; expected one of `column`, `values`; "
            "did "
            "you mean `values`?"
        ),
    ),
    ("row_count: 4", "4:14: `row_count` is 4; expected a mapping with `min`, `max` or both"),
    (
        "row_count: {min: 4, max: 3}",
        "4:14: `min` is 4 and `max` is 3; expected `min` at or below `max`",
    ),
    (
        "references: {column: a, to: stores}",
        "4:31: `to` is 'stores'; expected a column of a table, such as `stores.store_id`",
    ),
    (
        "freshness: {column: a, within: 1 dya}",
        (
            "4:34: `within` is '1 dya'; expected a length of time above 0, such as `90 minutes` or"
            " `1 day`; did you mean `day`?"
        ),
    ),
    (
        "freshness: {column: a, within: -1 day}",
        (
            "4:34: `within` is '-1 day'; expected a length of time above 0, such as `90 minutes` or"
            " `1 day`"
        ),
    ),
    (
        "freshness: {column: c, within: 1 day}",
        "4:14: `c` is not a column here; expected one of `a`, `b`",
    ),
    (
        "change: 50 %",
        "4:11: `change` is '50 %'; expected a mapping (`key: value`)",
    ),
    (
        "change: {sum: a}",
        "4:11: `change` has `sum`; expected `rows: 50 %`, or `sum: COLUMN` and `by: 20 %`",
    ),
    (
        "change: {rows: {shrink: 120 %}}",
        "4:27: `shrink` is '120 %'; expected a percentage such as `10 %`, at most 100 %",
    ),
    ("change: {rows: {}}", "4:18: `rows` is a mapping; expected a percentage such as `10 %`"),
    ("mean: {column: a}", "4:9: `mean` has `column`; expected `column`, and `min`, `max` or both"),
    (
        "mean: {column: a, min: 2, max: 1}",
        "4:9: `min` is 2 and `max` is 1; expected `min` at or below `max`",
    ),
    ("mean: {column: a, min: x}", "4:26: `min` is 'x'; expected a number"),
    (
        "nulls: {column: a, max: 5}",
        "4:27: `max` is 5; expected a percentage such as `10 %`, at most 100 %",
    ),
    (
        "row_count: {min: 1}\n  severity: quarantine",
        (
            "5:13: `severity` is 'quarantine', and row_count judges the table as a whole; expected"
            " `error` or `warn`"
        ),
    ),
    (
        "unique: a\n  severity: quarantine",
        (
            "4:11: `severity` is 'quarantine', and what a source's checks look at is the whole"
            " table; expected `error` or `warn`; put the rule into `columns`, or quarantine in a"
            " model that reads the source"
        ),
    ),
]


@pytest.mark.parametrize(("entry", "problem"), MISTAKES)
def test_a_mistake_in_a_check_is_told(problems_of: ProblemsOf, entry: str, problem: str) -> None:
    found = problems_of({"sources/a.yaml": f"{SOURCE}- {entry}\n"})
    assert found == f"sources/a.yaml:{problem}"


def test_checks_are_a_list(problems_of: ProblemsOf) -> None:
    text = "/* checks: {unique: a} */ SELECT 1 AS a"
    assert problems_of({"models/m.sql": text}) == (
        "models/m.sql:1:12: `checks` is a mapping; expected a list of checks, such as "
        "`- unique: order_id`"
    )


def test_a_file_of_checks_is_read(load: Load) -> None:
    text = (
        "/* severity: warn\n   description: No debts. */\nSELECT * FROM orders WHERE amount < 0;\n"
    )
    [check] = load({"checks/no_negative.sql": text}).checks
    assert (check.name, check.severity, check.description) == ("no_negative", "warn", "No debts.")
    assert (check.sql, check.sql_line) == ("SELECT * FROM orders WHERE amount < 0", 3)


def test_a_source_says_how_fresh_it_must_be(load: Load) -> None:
    text = "files: a.csv\ncolumns: {a: date}\nfreshness: {column: a, within: 2 weeks}\n"
    [source] = load({"sources/a.yaml": text}).sources
    [check] = source.checks
    assert (check.kind, check.within_seconds, check.severity) == ("freshness", 1_209_600, "warn")
    [source] = load({"sources/a.yaml": text.replace("2 weeks", "1 day, severity: error")}).sources
    assert source.checks[0].severity == "error"


def test_freshness_alone_warns_by_default(load: Load) -> None:
    text = SOURCE + "- freshness: {column: a, within: 1 day}\n- change: {rows: 1 %}\n"
    [source] = load({"sources/a.yaml": text}).sources
    assert [check.severity for check in source.checks] == ["warn", "error"]

"""Column rules: values must fit their types, and each column is declared once."""

from __future__ import annotations

import pytest

from headrace.base.declarations import Value

from .conftest import Load, ProblemsOf

COLUMN_KEYS = (
    "expected one of `type`, `not_null`, `unique`, `min`, `max`, `accepted`, `pattern`, "
    "`references`, `description`, `access`, `hide`"
)
MISTAKES = [
    (
        "a: {type: text, pattern: 'a{99999999999}'}",
        (
            "3:28: `pattern` is 'a{99999999999}'; expected a regular expression (one that is "
            "shorter and repeats less)"
        ),
    ),
    ("a: {}", "3:3: the column `a` has no type; expected `a: TYPE` or a mapping with `type`"),
    ("a: timestampp", "3:6: `a` is 'timestampp'; expected a type; did you mean `timestamp`?"),
    (
        "a: [int]",
        (
            "3:6: `a` is a list; expected a mapping (`key: value`)\n"
            "sources/a.yaml:3:3: the column `a` has no type; expected `a: TYPE` or a mapping with "
            "`type`"
        ),
    ),
    ("a: 5", "3:6: `a` is 5; expected a type such as `bigint` or `decimal(12,2)`"),
    (
        "a: {type: int, mim: 0}",
        f"3:18: `mim` is not a key here; {COLUMN_KEYS}; did you mean `min`?",
    ),
    ("a: {type: int, min: abc}", "3:23: `min` is 'abc'; expected a value of type INTEGER"),
    ("a: {type: int, min: 0.5}", "3:23: `min` is 0.5; expected a value of type INTEGER"),
    (
        "a: {type: int, max: 3000000000}",
        "3:23: `max` is 3000000000; expected a value of type INTEGER",
    ),
    ("a: {type: utinyint, min: -1}", "3:28: `min` is -1; expected a value of type UTINYINT"),
    (
        "a: {type: int, min: 5, max: 3}",
        "3:23: `min` is 5 and `max` is 3; expected `min` at or below `max`",
    ),
    (
        "a: {type: date, min: 2024-02-02, max: 2024-02-01}",
        "3:24: `min` is '2024-02-02' and `max` is '2024-02-01'; expected `min` at or below `max`",
    ),
    (
        "a: {type: date, max: 2024-02-30}",
        "3:24: `max` is '2024-02-30'; expected a value of type DATE",
    ),
    (
        "a: {type: timestamp, max: noon}",
        "3:29: `max` is 'noon'; expected a value of type TIMESTAMP",
    ),
    (
        "a: {type: boolean, accepted: [1]}",
        "3:33: an entry of `accepted` is 1; expected a value of type BOOLEAN",
    ),
    (
        "a: {type: text, accepted: [true]}",
        (
            "3:30: an entry of `accepted` is true; expected a value of type VARCHAR; put it into "
            "quotes"
        ),
    ),
    (
        "a: {type: uuid, accepted: [x]}",
        "3:30: an entry of `accepted` is 'x'; expected a value of type UUID",
    ),
    ("a: {type: int, accepted: []}", "3:28: `accepted` is a list; expected a list of values"),
    ("a: {type: int, accepted: 5}", "3:28: `accepted` is 5; expected a list of values"),
    (
        "a: {type: int, accepted: [1, ~]}",
        "3:32: an entry of `accepted` is empty; expected one value",
    ),
    (
        "a: {type: 'int[]', min: 1}",
        "3:27: `min` is 1; expected no bound and no list of values for the type INTEGER[]",
    ),
    (
        'a: {type: "decimal(4,2)", min: 0.001}',
        "3:34: `min` is 0.001; expected a value of type DECIMAL(4,2)",
    ),
    (
        'a: {type: "decimal(4,2)", max: 100}',
        "3:34: `max` is 100; expected a value of type DECIMAL(4,2)",
    ),
    (
        "a: {type: text, pattern: '['}",
        (
            "3:28: `pattern` is '['; expected a regular expression (unterminated character set at "
            "position 0)"
        ),
    ),
    (
        "a: {type: text, pattern: '(?=a)'}",
        (
            "3:28: `pattern` is '(?=a)'; expected a regular expression (without look-around, back "
            "references and possessive repeats)"
        ),
    ),
    (
        "a: {type: text, pattern: 5}",
        "3:28: `pattern` is 5; expected a regular expression; put it into quotes",
    ),
    (
        "a: {type: int, pattern: a+}",
        "3:27: `pattern` is 'a+'; expected no pattern for a column of type INTEGER",
    ),
    (
        "a: {type: int, references: stores}",
        "3:30: `references` is 'stores'; expected a column of a table, such as `stores.store_id`",
    ),
    (
        "a: int\n  A: int",
        (
            "4:3: the column `A` is already declared as `a`; expected names that differ in more "
            "than "
            "letter case"
        ),
    ),
    (
        "__cell: int",
        "3:3: '__cell' cannot name a column; expected a name that is neither empty nor reserved",
    ),
    ("'': int", "3:3: '' cannot name a column; expected a name that is neither empty nor reserved"),
]


@pytest.mark.parametrize(("column", "problem"), MISTAKES)
def test_a_mistake_in_a_column_is_told(problems_of: ProblemsOf, column: str, problem: str) -> None:
    text = f"files: a.csv\ncolumns:\n  {column}\n"
    found = "\n".join(sorted(problems_of({"sources/a.yaml": text}).splitlines()))
    assert found == "\n".join(sorted(f"sources/a.yaml:{problem}".splitlines()))


def test_columns_must_not_be_empty(problems_of: ProblemsOf) -> None:
    assert problems_of({"sources/a.yaml": "files: a.csv\ncolumns: {}\n"}) == (
        "sources/a.yaml:2:10: `columns` is a mapping; expected at least one column"
    )


@pytest.mark.parametrize(
    ("rules", "low", "high"),
    [
        ("{type: bigint, min: -5, max: 5}", -5, 5),
        ('{type: "decimal(20,10)", min: 1234567890.0123456789}', "1234567890.0123456789", None),
        ("{type: double, min: 1e-3}", "1e-3", None),
        ("{type: double, min: 0.5}", 0.5, None),
        ("{type: date, min: 2024-01-01}", "2024-01-01", None),
        (
            "{type: timestamptz, min: '2024-01-01T00:00:00Z', max: 2024-01-02}",
            "2024-01-01T00:00:00Z",
            "2024-01-02",
        ),
        ("{type: time, min: '08:00'}", "08:00", None),
        ("{type: text, min: 007}", "007", None),
    ],
)
def test_a_bound_keeps_every_digit_that_was_written(
    load: Load, rules: str, low: Value, high: Value
) -> None:
    [source] = load({"sources/a.yaml": f"files: a.csv\ncolumns: {{a: {rules}}}\n"}).sources
    assert (source.columns[0].min, source.columns[0].max) == (low, high)


def test_a_model_leaves_types_to_its_query(load: Load) -> None:
    text = "/*\ncolumns:\n  a: {min: 0, max: 9.5}\n  b: {accepted: [x, 1]}\n*/\nSELECT 1 AS a"
    [model] = load({"models/m.sql": text}).models
    assert [(column.name, column.type) for column in model.columns] == [("a", ""), ("b", "")]
    assert model.columns[1].accepted == ("x", 1)


def test_bounds_of_two_kinds_cannot_be_compared(problems_of: ProblemsOf) -> None:
    text = "/* columns: {a: {min: 0, max: b}} */ SELECT 1 AS a"
    assert problems_of({"models/m.sql": text}) == (
        "models/m.sql:1:23: `min` is 0 and `max` is 'b'; expected `min` at or below `max`"
    )

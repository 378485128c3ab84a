"""What a test writes becomes a value of the column's type, or is refused with its place."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from math import isnan

import duckdb
import pytest

from headrace.base.errors import Problem
from headrace.pipeline.project.documents import Node, parse_yaml
from headrace.testing.literals import value_literal


def node(text: str) -> Node:
    found = parse_yaml(text, "tests/t.yaml")
    assert found is not None
    return found


def value(text: str, type_name: str) -> object:
    problems: list[Problem] = []
    sql = value_literal(node(text), type_name, problems)
    assert problems == []
    [(found, kind)] = duckdb.execute(f"SELECT {sql}, typeof({sql})").fetchall()
    assert kind == type_name or sql == "NULL"
    return found


@pytest.mark.parametrize(
    ("text", "type_name", "expected"),
    [
        ("~", "INTEGER", None),
        ("12.50", "DECIMAL(12,2)", Decimal("12.50")),
        ("007", "VARCHAR", "007"),
        ("1.10", "VARCHAR", "1.10"),
        ("''", "VARCHAR", ""),
        ("'true'", "VARCHAR", "true"),
        ("it's", "VARCHAR", "it's"),
        ("true", "BOOLEAN", True),
        ("2024-03-01", "DATE", date(2024, 3, 1)),
        ("2024-03-01T10:00", "TIMESTAMP", datetime(2024, 3, 1, 10)),
        ("2024-03-01 10:00+02:00", "TIMESTAMP WITH TIME ZONE", datetime(2024, 3, 1, 8, tzinfo=UTC)),
        ("-.inf", "DOUBLE", float("-inf")),
        ("[1, ~]", "INTEGER[]", [1, None]),
        ("[[a], []]", "VARCHAR[][]", [["a"], []]),
        ("{b: x}", "STRUCT(a INTEGER, b VARCHAR)", {"a": None, "b": "x"}),
        ("{'a b': 1}", 'STRUCT("a b" INTEGER)', {"a b": 1}),
        ("{k: [1.5]}", "MAP(VARCHAR, DECIMAL(3,1)[])", {"k": [Decimal("1.5")]}),
        ("{a: [1.50, x]}", "JSON", '{"a":[1.50,"x"]}'),
        ("'[1]'", "JSON", "[1]"),
    ],
)
def test_a_value_has_the_columns_type(text: str, type_name: str, expected: object) -> None:
    assert value(text, type_name) == expected


def test_nan_is_a_float() -> None:
    found = value(".nan", "FLOAT")
    assert isinstance(found, float)
    assert isnan(found)


@pytest.mark.parametrize(
    ("text", "type_name", "message"),
    [
        ("1.5", "INTEGER", "the file is 1.5; expected a value of type INTEGER"),
        ("1.239", "DECIMAL(12,2)", "the file is 1.239; expected a value of type DECIMAL(12,2)"),
        ("300", "UTINYINT", "the file is 300; expected a value of type UTINYINT"),
        ("yes", "BOOLEAN", "the file is 'yes'; expected a value of type BOOLEAN"),
        (
            "true",
            "VARCHAR",
            "the file is true; expected a value of type VARCHAR; put it into quotes",
        ),
        ("[1]", "INTEGER", "the file is a list; expected a value of type INTEGER"),
        ("1", "INTEGER[]", "the file is 1; expected a list: it is INTEGER[]"),
        (
            "[1]",
            "MAP(VARCHAR, INTEGER)",
            "the file is a list; expected a mapping: it is MAP(VARCHAR, INTEGER)",
        ),
        (
            "[a]",
            "STRUCT(a INTEGER)",
            "the file is a list; expected a mapping: it is STRUCT(a INTEGER)",
        ),
        (
            "{colour: 1}",
            "STRUCT(color INTEGER)",
            (
                "this key is 'colour'; expected a field of STRUCT(color INTEGER);"
                " did you mean `color`?"
            ),
        ),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(text: str, type_name: str, message: str) -> None:
    problems: list[Problem] = []
    value_literal(node(text), type_name, problems)
    [problem] = problems
    assert str(problem).partition(": ")[2] == message

"""The shape of a SQL type, from DuckDB's own spelling of it."""

from __future__ import annotations

import pytest

from headrace.engines.sql_types import SqlType, sql_type

INTEGER, VARCHAR = SqlType("INTEGER", "INTEGER"), SqlType("VARCHAR", "VARCHAR")


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("INTEGER", "INTEGER", ()),
        ("DECIMAL(12,2)", "DECIMAL", ()),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", ()),
        ('"NULL"', '"NULL"', ()),
        ("ENUM('a', 'b)')", "ENUM", ()),
        ("INTEGER[]", "LIST", (("", INTEGER),)),
        ("INTEGER[3]", "LIST", (("", INTEGER),)),
        ("INTEGER[][]", "LIST", (("", SqlType("LIST", "INTEGER[]", (("", INTEGER),))),)),
        ("MAP(VARCHAR, INTEGER)", "MAP", (("", VARCHAR), ("", INTEGER))),
        ("TUPLE(INTEGER, VARCHAR)", "TUPLE", (("", INTEGER), ("", VARCHAR))),
        ("UNION(a INTEGER, b VARCHAR)", "UNION", (("a", INTEGER), ("b", VARCHAR))),
        (
            'STRUCT(a INTEGER, "b, ""c)" VARCHAR)',
            "STRUCT",
            (("a", INTEGER), ('b, "c)', VARCHAR)),
        ),
        (
            "STRUCT(a DECIMAL(12,2), b ENUM('x, y', '(z'))",
            "STRUCT",
            (
                ("a", SqlType("DECIMAL", "DECIMAL(12,2)")),
                ("b", SqlType("ENUM", "ENUM('x, y', '(z')")),
            ),
        ),
    ],
)
def test_a_type_is_a_tree(text: str, kind: str, fields: tuple[tuple[str, SqlType], ...]) -> None:
    assert sql_type(text) == SqlType(kind, text, fields)

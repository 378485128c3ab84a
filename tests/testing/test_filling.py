"""What a test leaves out is filled with values that keep every rule of the contract."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from headrace.base.declarations import (
    CheckDeclaration,
    ColumnContract,
    FileFormat,
    Source,
)
from headrace.base.errors import Place, Problem
from headrace.base.tables import Column
from headrace.checks.builtin import check_query
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import Relation
from headrace.testing.candidates import Cell
from headrace.testing.filling import Given, fill, table_rules

PLACE = Place("sources/t.yaml", 1)


def column(name: str, type_name: str, **rules: Any) -> ColumnContract:
    return ColumnContract(name, type_name, PLACE, **rules)


def relation(
    name: str,
    *columns: ColumnContract,
    key: tuple[str, ...] = (),
    checks: tuple[CheckDeclaration, ...] = (),
) -> Relation:
    source = Source(name, PLACE, ("x.csv",), FileFormat("csv"), columns, key=key, checks=checks)
    schema = tuple(Column(each.name, each.type) for each in columns)
    return Relation(name, "source", PLACE, "", (), schema, source)


def table(described: Relation, *rows: dict[str, Cell]) -> Given:
    places = tuple(Place("tests/t.yaml", line) for line, _ in enumerate(rows, start=1))
    return Given(described, [dict(row) for row in rows], places, (None,) * len(rows))


def filled(*tables: Given) -> list[Problem]:
    problems: list[Problem] = []
    fill(tables, problems, lambda _: None)
    return problems


def refers(name: str, to: str) -> CheckDeclaration:
    table_name, _, column_name = to.partition(".")
    return CheckDeclaration(
        "references", (name,), PLACE, to_table=table_name, to_columns=(column_name,)
    )


def texts(rows: Given, name: str) -> list[str]:
    return [row[name].sql for row in rows.rows]


def number(value: int) -> Cell:
    return Cell(f"CAST('{value}' AS INTEGER)", Decimal(value))


def broken(*tables: Given) -> list[str]:
    """The checks of the tables that their rows break, by the project's own queries."""
    with closing(DuckDBEngine(threads=1)) as engine:
        cursor = engine.cursor()
        for each in tables:
            schema = each.relation.schema or ()
            columns = ", ".join(f'"{column.name}" {column.type}' for column in schema)
            cursor.execute(f'CREATE TABLE "{each.relation.name}" ({columns})')
            for row in each.rows:
                cells = ", ".join(row[column.name].sql for column in schema)
                cursor.execute(f'INSERT INTO "{each.relation.name}" VALUES ({cells})')
        queries = [
            check_query(each.relation.name, each.relation.schema or (), check)
            for each in tables
            for check in table_rules(each.relation)
        ]
        return [query.name for query in queries if cursor.execute(query.sql).fetchall()]


def test_a_column_of_which_nothing_is_asked_is_null() -> None:
    rows = table(relation("t", column("a", "INTEGER"), column("b", "STRUCT(x INTEGER)")), {})
    assert filled(rows) == []
    assert (texts(rows, "a"), texts(rows, "b")) == (["NULL"], ["NULL"])


def test_the_first_values_are_plain_ones() -> None:
    rows = table(
        relation(
            "t",
            column("id", "BIGINT", unique=True),
            column("name", "VARCHAR", not_null=True),
            column("day", "DATE", not_null=True),
            column("amount", "DECIMAL(12,2)", min=0),
            column("price", "DECIMAL(6,2)", min="2.50", max=50),
            column("status", "VARCHAR", accepted=("paid", "open")),
            column("isbn", "VARCHAR", pattern=r"97[89]\d{10}"),
        ),
        {},
        {},
    )
    assert filled(rows) == []
    assert [row["id"].value for row in rows.rows] == [1, 2]
    assert {name: rows.rows[0][name].value for name in rows.rows[0]} == {
        "id": 1,
        "name": "name 1",
        "day": date(2000, 1, 1),
        "amount": 1,
        "price": Decimal("2.50"),
        "status": "paid",
        "isbn": "9780000000000",
    }
    assert broken(rows) == []


def test_a_reference_takes_a_value_that_is_there() -> None:
    stores = table(relation("stores", column("store_id", "INTEGER"), key=("store_id",)), {}, {})
    stores.rows[0]["store_id"] = number(7)
    orders = table(
        relation(
            "orders", column("store_id", "INTEGER"), checks=(refers("store_id", "stores.store_id"),)
        ),
        {},
    )
    # The order in which the test gives them does not matter.
    assert filled(orders, stores) == []
    assert [row["store_id"].value for row in stores.rows] == [7, 1]
    assert texts(orders, "store_id") == ["CAST('7' AS INTEGER)"]
    assert broken(orders, stores) == []


def test_a_reference_to_a_table_without_rows_is_null_where_it_may_be() -> None:
    rule = refers("store_id", "stores.store_id")
    free = table(relation("a", column("store_id", "INTEGER"), checks=(rule,)), {})
    needed = table(relation("b", column("store_id", "INTEGER", not_null=True), checks=(rule,)), {})
    assert filled(free, needed) == []
    assert (texts(free, "store_id"), texts(needed, "store_id")) == (
        ["NULL"],
        ["CAST('1' AS INTEGER)"],
    )


def test_a_table_that_references_itself_takes_its_own_values() -> None:
    people = table(
        relation(
            "people",
            column("boss", "INTEGER", not_null=True),
            column("id", "INTEGER"),
            key=("id",),
            checks=(refers("boss", "people.id"),),
        ),
        {},
        {},
    )
    assert filled(people) == []
    assert broken(people) == []


def test_a_key_of_several_columns_uses_up_what_there_is() -> None:
    rows = table(
        relation(
            "t",
            column("a", "VARCHAR", accepted=("x", "y")),
            column("b", "BOOLEAN"),
            key=("a", "b"),
        ),
        *[{}] * 4,
    )
    assert filled(rows) == []
    assert len({(row["a"].value, row["b"].value) for row in rows.rows}) == 4


def test_what_cannot_be_filled_asks_for_the_value() -> None:
    rows = table(relation("t", column("a", "VARCHAR", accepted=("x",), unique=True)), {}, {})
    hard = table(relation("u", column("b", "VARCHAR", pattern=r"a\b.c")), {})
    assert [str(problem) for problem in filled(rows, hard)] == [
        (
            "tests/t.yaml:2: `t.a` is not given, and no value was found that keeps its rules;"
            " expected a value in this row"
        ),
        (
            "tests/t.yaml:1: `u.b` is not given, and no value was found that keeps its rules;"
            " expected a value in this row"
        ),
    ]


# Any contract that the project's files can declare

NUMBERS = ("TINYINT", "INTEGER", "BIGINT", "UTINYINT", "DOUBLE", "FLOAT", "DECIMAL(5,2)")
BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(NUMBERS, st.integers(0, 120)),
    "DATE": st.dates(date(1900, 1, 1)).map(str),
    "TIMESTAMP": st.datetimes().map(lambda at: at.isoformat(" ", "seconds")),
    "TIME": st.times().map(lambda at: at.isoformat("seconds")),
    "VARCHAR": st.text("abcxyz", min_size=1, max_size=3),
}
OTHERS = (
    "BOOLEAN",
    "UUID",
    "JSON",
    "BLOB",
    "INTEGER[]",
    "STRUCT(a INTEGER)",
    "TIMESTAMP WITH TIME ZONE",
    "MAP(VARCHAR, INTEGER)",
)
PATTERNS = (r"97[89]\d{10}", r"[^@\s]+@[^@\s]+\.[a-z]+", r"(a|b)+x?", r"[A-Z]{2}-\d+", r"\w{3,}")


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnContract:
    type_name = draw(st.sampled_from([*BOUNDS, *OTHERS]))
    rules: dict[str, Any] = {"not_null": draw(st.booleans()), "unique": draw(st.booleans())}
    values = BOUNDS.get(type_name)
    kind = draw(st.sampled_from(["none", "bounds", "accepted", "pattern"]))
    if kind == "bounds" and values is not None:
        low, high = sorted([draw(values), draw(values)])
        rules |= {
            "min": draw(st.sampled_from([low, None])),
            "max": draw(st.sampled_from([high, None])),
        }
    elif kind == "accepted" and values is not None:
        rules["accepted"] = tuple(draw(st.lists(values, min_size=1, max_size=5, unique=True)))
    elif kind == "pattern" and type_name == "VARCHAR":
        rules["pattern"] = draw(st.sampled_from(PATTERNS))
    return column(name, type_name, **rules)


@st.composite
def given_tables(draw: st.DrawFn) -> tuple[Given, ...]:
    parent_columns = [draw(columns(name)) for name in "abc"]
    key = draw(st.sampled_from([(), ("a",), ("a", "b"), ("b", "c")]))
    parent = relation("parent", *parent_columns, key=key)
    target = parent_columns[0]
    child_columns = [
        draw(columns("x")),
        column("parent_a", target.type, not_null=draw(st.booleans())),
    ]
    child = relation(
        "child",
        *child_columns,
        key=draw(st.sampled_from([(), ("x",), ("x", "parent_a")])),
        checks=(refers("parent_a", "parent.a"),),
    )
    return (
        table(child, *[{}] * draw(st.integers(0, 4))),
        table(parent, *[{}] * draw(st.integers(1, 4))),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_tables())
def test_filled_rows_keep_every_rule_by_the_projects_own_checks(tables: tuple[Given, ...]) -> None:
    problems = filled(*tables)
    event("refused" if problems else "filled")
    if not problems:
        dangling = all(row["a"].value is None for row in tables[1].rows)
        found = [name for name in broken(*tables) if not (dangling and "references" in name)]
        assert found == []

"""Tables are compared by value, in the columns that are named, and paired so that one can see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.engines.duckdb import DuckDBEngine
from headrace.testing.binding import Expected
from headrace.testing.comparing import TableDifference, compare


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(threads=1)
    yield opened
    opened.close()


def difference(
    engine: DuckDBEngine,
    table: str,
    columns: dict[str, str],
    *rows: tuple[str, ...],
    key: tuple[str, ...] = (),
    ordered: bool = False,
) -> TableDifference:
    engine.cursor().execute(f"CREATE OR REPLACE TABLE t AS {table}")
    schema = tuple(Column(name, type_name) for name, type_name in columns.items())
    expected = Expected("t", Place("tests/t.yaml"), schema, rows)
    return compare(engine.cursor(), expected, key, ordered=ordered)


def shape(found: TableDifference) -> list[tuple[object, object, tuple[int, ...]]]:
    return [
        (
            pair.expected and pair.expected.texts,
            pair.found and pair.found.texts,
            pair.differing,
        )
        for pair in found.pairs
    ]


@pytest.mark.parametrize(
    ("type_name", "found", "expected"),
    [
        ("DECIMAL(4,2)", "1.5", "1.50"),
        ("DOUBLE", "0.1::DOUBLE + 0.2::DOUBLE", "0.3"),
        ("FLOAT", "0.1::FLOAT * 3", "0.3"),
        ("DOUBLE", "'nan'::DOUBLE", "'nan'"),
        ("DOUBLE", "'-inf'::DOUBLE", "'-inf'"),
        ("DATE", "DATE '2024-03-01'", "'2024-03-01'"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2024-03-01 10:00+02'", "'2024-03-01 08:00+00'"),
        ("INTEGER", "NULL", "NULL"),
        ("DOUBLE[]", "[0.1::DOUBLE + 0.2::DOUBLE, NULL]", "[0.3, NULL]"),
        ("STRUCT(a DOUBLE)", "{'a': 0.1::DOUBLE + 0.2::DOUBLE}", "{'a': 0.3}"),
        ("MAP(VARCHAR, INTEGER)", "MAP {'a': 1, 'b': 2}", "MAP {'b': 2, 'a': 1}"),
        ("JSON", """'{"b": [1], "a": 2}'::JSON""", """'{"a":2,"b":[1]}'"""),
        ("BLOB", "'\\xAA'::BLOB", "'\\xAA'"),
    ],
)
def test_equal_values_are_equal(
    engine: DuckDBEngine, type_name: str, found: str, expected: str
) -> None:
    table = f"SELECT CAST({found} AS {type_name}) AS a"
    assert difference(engine, table, {"a": type_name}, (expected,)).pairs == ()


@pytest.mark.parametrize(
    ("type_name", "found", "expected"),
    [
        ("DOUBLE", "0.3", "0.3001"),
        ("DOUBLE", "'nan'", "1"),
        ("INTEGER", "NULL", "0"),
        ("INTEGER[]", "[1, 2]", "[2, 1]"),
        ("VARCHAR", "'NULL'", "NULL"),
        ("JSON", "'1'", "NULL"),
    ],
)
def test_different_values_are_not(
    engine: DuckDBEngine, type_name: str, found: str, expected: str
) -> None:
    table = f"SELECT CAST({found} AS {type_name}) AS a"
    assert difference(engine, table, {"a": type_name}, (expected,)).pairs != ()


def test_rows_are_a_multiset(engine: DuckDBEngine) -> None:
    table = "FROM (VALUES (2), (1), (1)) t(a)"
    assert difference(engine, table, {"a": "INTEGER"}, ("1",), ("2",), ("1",)).pairs == ()
    found = difference(engine, table, {"a": "INTEGER"}, ("1",), ("2",), ("2",))
    assert (shape(found), found.alike) == ([(("2",), None, ()), (None, ("1",), ())], 2)


def test_rows_of_one_key_are_paired(engine: DuckDBEngine) -> None:
    table = "FROM (VALUES (1, 'x', 5), (2, 'y', 6)) t(id, a, b)"
    columns = {"id": "INTEGER", "a": "VARCHAR", "b": "INTEGER"}
    found = difference(engine, table, columns, ("2", "'z'", "7"), ("3", "'x'", "5"), key=("id",))
    assert shape(found) == [
        (("2", "z", "7"), ("2", "y", "6"), (1, 2)),
        (("3", "x", "5"), None, ()),
        (None, ("1", "x", "5"), ()),
    ]


def test_without_a_key_the_most_alike_are(engine: DuckDBEngine) -> None:
    table = "FROM (VALUES ('q', 'x', 5), ('p', 'x', 6)) t(id, a, b)"
    columns = {"id": "VARCHAR", "a": "VARCHAR", "b": "INTEGER"}
    found = difference(engine, table, columns, ("'p'", "'x'", "7"), ("'n'", "'n'", "0"))
    assert shape(found) == [
        (("p", "x", "7"), ("p", "x", "6"), (2,)),
        (("n", "n", "0"), None, ()),
        (None, ("q", "x", "5"), ()),
    ]


def test_the_order_counts_when_it_is_asked_for(engine: DuckDBEngine) -> None:
    table = "FROM (VALUES (1), (2), (3)) t(a)"
    rows = (("1",), ("3",), ("2",))
    assert difference(engine, table, {"a": "INTEGER"}, *rows).pairs == ()
    found = difference(engine, table, {"a": "INTEGER"}, *rows, ordered=True)
    assert [pair.position for pair in found.pairs] == [2, 3]
    assert found.alike == 1


def test_no_rows_are_expected(engine: DuckDBEngine) -> None:
    assert difference(engine, "SELECT 1 AS a WHERE false", {}).pairs == ()
    assert len(difference(engine, "FROM range(2) t(a)", {}).pairs) == 2

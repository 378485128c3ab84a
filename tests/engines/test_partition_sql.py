"""Every row lies in exactly one partition, and is found again by its label."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from headrace.base.partitions import BUCKETS, Grain, Split
from headrace.base.tables import Column, Schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.partition_sql import group_sql, label_sql, within_sql

TIMES = [
    "2013-02-28 00:00:00",
    "2013-02-28 23:59:59.999999",
    "2013-03-01 00:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:00:00",
    "2012-12-31 12:34:56",
]


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    engine = DuckDBEngine(threads=1)
    yield engine.cursor()
    engine.close()


def labels_of(cursor: duckdb.DuckDBPyConnection, split: Split, schema: Schema) -> list[str | None]:
    """The label of each row of `t`, in order."""
    sql = f"SELECT {label_sql(split, 'g')} FROM (SELECT {group_sql(split, schema)} AS g FROM t)"
    return [label for (label,) in cursor.execute(sql).fetchall()]


KINDS = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS")
GRAINS: tuple[Grain, ...] = ("hour", "day", "month", "year")


@pytest.mark.parametrize(
    ("kind", "by"),
    # A date has no hours: such a partition is refused.
    [(kind, by) for kind in KINDS for by in GRAINS if (kind, by) != ("DATE", "hour")],
)
def test_a_label_finds_exactly_the_rows_that_have_it(
    cursor: duckdb.DuckDBPyConnection, kind: str, by: Grain
) -> None:
    times = [each for each in TIMES if kind != "TIMESTAMP_NS" or each[:2] == "20"]
    values = ", ".join(f"(CAST('{each}' AS {kind}))" for each in times)
    cursor.execute(f"CREATE TABLE t AS SELECT c FROM (VALUES {values}) AS v(c)")
    split, schema = Split(("c",), by), (Column("c", kind),)
    labels = labels_of(cursor, split, schema)
    assert labels[0] == "2013-02-28T00"[: len(labels[0] or "")]
    for wanted in ({labels[0]}, {labels[0], labels[2]}, {labels[-1], labels[0]}, set(labels)):
        condition = within_sql(split, schema, [each or "" for each in wanted])
        found = [row for (row,) in cursor.execute(f"SELECT {condition} FROM t").fetchall()]
        assert found == [label in wanted for label in labels]


def test_what_lies_outside_the_calendar_has_no_label(cursor: duckdb.DuckDBPyConnection) -> None:
    cursor.execute(
        "CREATE TABLE t AS SELECT c FROM (VALUES (DATE 'infinity'), (DATE '0044-03-15 (BC)'),"
        " (DATE '10000-01-01'), (NULL)) AS v(c)"
    )
    assert labels_of(cursor, Split(("c",), "day"), (Column("c", "DATE"),)) == [None] * 4


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("VARCHAR", ["a", "", "it's", "a\nb", "Ä"]),
        ("BIGINT", ["-1", "9223372036854775807"]),
        ("BOOLEAN", ["true", "false"]),
        ("DATE", ["2024-03-01"]),
        ("UUID", ["12345678-1234-1234-1234-123456789abc"]),
    ],
)
def test_a_value_is_its_own_label(
    cursor: duckdb.DuckDBPyConnection, kind: str, values: list[str]
) -> None:
    cursor.execute(f"CREATE TABLE t (i INTEGER, c {kind})")
    cursor.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(values)))
    split, schema = Split(("c",), "value"), (Column("c", kind),)
    assert labels_of(cursor, split, schema) == values
    for position, value in enumerate(values):
        condition = within_sql(split, schema, [value])
        assert cursor.execute(f"SELECT i FROM t WHERE {condition}").fetchall() == [(position,)]


def test_a_key_has_one_bucket_whatever_the_type_that_holds_it(
    cursor: duckdb.DuckDBPyConnection,
) -> None:
    """A bucket that moved would lose the earlier rows of its keys: these are for ever."""
    cursor.execute("CREATE TABLE t AS SELECT i AS a, 'x' AS b FROM range(5) AS r(i)")
    labels = labels_of(cursor, Split(("a", "b"), "bucket"), ())
    assert labels == ["28", "59", "31", "15", "13"]
    cursor.execute("CREATE OR REPLACE TABLE t AS SELECT i AS a FROM range(20000) AS r(i)")
    assert set(labels_of(cursor, Split(("a",), "bucket"), ())) == {str(i) for i in range(BUCKETS)}


def test_one_range_stands_in_front_of_many() -> None:
    split, schema = Split(("d",), "day"), (Column("d", "DATE"),)
    assert within_sql(split, schema, ["2013-01-02", "2013-01-01", "2013-02-01"]) == (
        "(\"d\" >= DATE '2013-01-01' AND \"d\" < DATE '2013-02-02') AND"
        " ((\"d\" >= DATE '2013-01-01' AND \"d\" < DATE '2013-01-03')"
        " OR (\"d\" >= DATE '2013-02-01' AND \"d\" < DATE '2013-02-02'))"
    )

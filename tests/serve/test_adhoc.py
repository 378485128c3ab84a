"""Queries that are no endpoint's: each sees what whoever asks may see, and takes nothing else."""

from __future__ import annotations

import pytest

from headrace.base.access import Access, Principal
from headrace.base.errors import UsageError
from headrace.engines.duckdb import open_duckdb
from headrace.serve.adhoc import Narrowed, of_somebody, of_the_project
from headrace.store.snapshots import Claim, ColumnMask, Manifest, RowCase, TablePolicy

CLERK = Access("granted", ("clerk",))
OWN = (RowCase("", "s = CAST($auth_s AS INTEGER)", ("s",)),)
MANIFEST = Manifest(
    "shop",
    tables={
        "orders": TablePolicy(CLERK, OWN, (Claim("s", "INTEGER"),), columns=("s",)),
        "people": TablePolicy(
            CLERK, masks=(ColumnMask("mail", ("crm",), "absent"),), columns=("name", "mail")
        ),
        "plain": TablePolicy(columns=("a",)),
    },
)
ANNA = Principal("user:anna", frozenset({"clerk"}), claims={"s": 1})
TABLES = (
    "CREATE TABLE orders AS SELECT 1 AS s UNION ALL SELECT 2;"
    "CREATE TABLE people AS SELECT 'Ann' AS name, 'a@b' AS mail;"
    "CREATE TABLE plain AS SELECT 7 AS a"
)


def rows(narrowed: Narrowed, principal: Principal) -> list[tuple[object, ...]]:
    """The rows of a query for somebody, with just the values that it is given."""
    connection = open_duckdb({})
    connection.execute(TABLES)
    seen = narrowed.seen_by(principal, "salt")
    return connection.execute(seen.sql, dict(seen.values)).fetchall()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders", [(1,)]),
        ("SELECT * FROM people", [("Ann", None)]),
        ("SELECT a FROM plain", [(7,)]),
        ("SELECT 1", [(1,)]),
        ("SELECT s, mail, a FROM orders, people, plain", [(1, None, 7)]),
        ("WITH people AS (SELECT 2 AS mail) SELECT mail FROM people", [(2,)]),
    ],
)
def test_a_query_of_the_project_takes_what_its_own_tables_need(
    sql: str, expected: list[tuple[object, ...]]
) -> None:
    assert rows(of_the_project(open_duckdb({}), sql, MANIFEST), ANNA) == expected


def test_a_query_of_the_project_cannot_read_a_table_by_a_text() -> None:
    with pytest.raises(UsageError, match=r"^`query_table\(\)` reads a table by a text"):
        of_the_project(open_duckdb({}), "SELECT * FROM query_table('orders')", MANIFEST)


def test_a_query_of_somebody_sees_the_tables_that_are_open_to_them() -> None:
    connection = open_duckdb({})
    sql = "SELECT s, people.* FROM orders, people"
    assert rows(of_somebody(connection, sql, MANIFEST, ANNA), ANNA) == [(1, "Ann")]
    both = Principal("user:ben", frozenset({"clerk", "crm"}))
    assert rows(of_somebody(connection, "FROM people", MANIFEST, both), both) == [("Ann", "a@b")]
    assert rows(of_somebody(connection, "FROM orders", MANIFEST, both), both) == []
    for table in ("plain", "elsewhere"):
        with pytest.raises(UsageError) as caught:
            of_somebody(connection, f"FROM {table}", MANIFEST, ANNA)
        assert str(caught.value) == (
            f"there is no table `{table}` here; expected one of `orders`, `people`"
        )


def test_to_whom_no_table_is_open_no_query_is() -> None:
    with pytest.raises(UsageError, match=r"^no table is open to .*; expected an `access:`"):
        of_somebody(open_duckdb({}), "SELECT 1", MANIFEST, Principal("user:carl"))


@pytest.mark.parametrize("name", ["auth_s", "AUTH_case_0"])
def test_a_query_has_no_parameter_of_a_scope(name: str) -> None:
    connection, sql = open_duckdb({}), f"SELECT * FROM orders WHERE s = ${name}"
    with pytest.raises(UsageError) as of_ours:
        of_the_project(connection, sql, MANIFEST)
    with pytest.raises(UsageError) as of_theirs:
        of_somebody(connection, sql, MANIFEST, ANNA)
    said = f"the query has a parameter `${name}`; expected another name"
    assert str(of_ours.value) == str(of_theirs.value) == said

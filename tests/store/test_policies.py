"""Policies as SQL: one SELECT a table, and one parameter for what is the same."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from headrace.base.errors import UsageError
from headrace.store.policies import Narrowing, claims, narrowing, seen_by
from headrace.store.snapshots import Case, Claim, ColumnMask, RowCase, Scope, TablePolicy

STORE = Claim("store_id", "INTEGER")
OWN = RowCase("", "store_id = $auth_store_id", ("store_id",))
ORDERS = TablePolicy(rows=(OWN,), claims=(STORE,), columns=("store_id", "amount"))


def test_what_everybody_sees_has_no_select() -> None:
    open_to_all = TablePolicy(columns=("a",))
    assert narrowing({"t": open_to_all}) == Narrowing({}, None)


def test_a_row_is_seen_when_a_case_holds_and_its_condition() -> None:
    assert narrowing({"orders": ORDERS}) == Narrowing(
        {
            "orders": 'SELECT "store_id", "amount" FROM "orders" WHERE'
            " (CAST($auth_case_0 AS BOOLEAN) AND (store_id = $auth_store_id))"
        },
        Scope((STORE,), (Case("", ("store_id",)),)),
    )


def test_cases_are_the_same_when_role_and_claims_are() -> None:
    other = RowCase("", "shop = $auth_store_id", ("store_id",))
    boss, clerk = RowCase("boss"), RowCase("clerk", "store_id = $auth_store_id", ("store_id",))
    policies = {
        "b": TablePolicy(rows=(other, boss), claims=(STORE,), columns=("shop",)),
        "a": TablePolicy(rows=(clerk, OWN), claims=(STORE,), columns=("store_id",)),
    }
    found = narrowing(policies)
    assert found.scope == Scope(
        (STORE,), (Case("clerk", ("store_id",)), Case("", ("store_id",)), Case("boss"))
    )
    assert found.selects["b"].partition(" WHERE ")[2] == (
        "(CAST($auth_case_1 AS BOOLEAN) AND (shop = $auth_store_id))"
        " OR (CAST($auth_case_2 AS BOOLEAN))"
    )


def test_a_table_whose_rows_are_nobodys_has_none() -> None:
    found = narrowing({"t": TablePolicy(rows=(), columns=("a",))})
    assert found == Narrowing({"t": 'SELECT "a" FROM "t" WHERE false'}, None)


def test_all_rows_for_everybody_needs_no_condition() -> None:
    everything = TablePolicy(rows=(OWN, RowCase("")), claims=(STORE,), columns=("a",))
    assert narrowing({"t": everything}) == Narrowing({"t": 'SELECT "a" FROM "t"'}, None)


def test_a_barrier_stands_behind_each_table() -> None:
    found = narrowing({"orders": ORDERS, "open": TablePolicy(columns=("a",))}, barrier=True)
    assert found.selects.keys() == {"orders"}
    assert found.selects["orders"].endswith("$auth_store_id)) LIMIT 9223372036854775807")


def test_a_claim_has_one_type() -> None:
    texts = TablePolicy(rows=(OWN,), claims=(Claim("store_id", "VARCHAR"),), columns=("a",))
    with pytest.raises(UsageError) as caught:
        claims([ORDERS, texts])
    assert str(caught.value) == (
        "`$auth.store_id` is INTEGER for one table and VARCHAR for another; expected one type;"
        " query the tables one by one"
    )


def test_a_claim_has_one_spelling() -> None:
    other = TablePolicy(rows=(OWN,), claims=(Claim("Store_ID", "INTEGER"),), columns=("a",))
    with pytest.raises(UsageError) as caught:
        narrowing({"a": ORDERS, "b": other})
    assert str(caught.value) == (
        "`$auth.store_id` of one table is spelled `$auth.Store_ID` for another;"
        " expected one spelling; query the tables one by one"
    )


def test_a_hidden_column_is_what_it_is_for_those_who_see_it_alone() -> None:
    """And a hash is keyed, the same for the same value, and NULL for NULL."""
    masks = (
        ColumnMask("Name", ("crm",)),
        ColumnMask("email", ("crm", "boss"), "hashed"),
        ColumnMask("phone", ("crm",), "absent"),
    )
    policy = TablePolicy(masks=masks, columns=("name", "email", "phone"))
    found = narrowing({"people": policy})
    assert found.scope == Scope(masks=(("crm",), ("crm", "boss")), salted=True)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE people AS SELECT 'Ann' AS name, 'a@b' AS email, '1' AS phone")
    connection.execute("INSERT INTO people VALUES ('Bob', NULL, '2')")
    sql = found.selects["people"]
    values = {"auth_mask_0": False, "auth_mask_1": False, "auth_salt": "s"}
    inner = hashlib.sha256(b"s|a@b").hexdigest()
    hashed = hashlib.sha256(f"s|{inner}".encode()).hexdigest()
    assert connection.execute(sql, values).fetchall() == [(None, hashed), (None, None)]
    values |= {"auth_mask_0": True, "auth_mask_1": True}
    assert connection.execute(sql, values).fetchall() == [("Ann", "a@b"), ("Bob", None)]
    unknown = {"auth_mask_0": None, "auth_mask_1": None, "auth_salt": None}
    assert connection.execute(sql, unknown).fetchall() == [(None, None), (None, None)]


def test_whoever_has_a_role_of_a_mask_has_no_mask() -> None:
    masks = (ColumnMask("a", ("crm",), "absent"), ColumnMask("b", ("boss",)))
    policy = TablePolicy(masks=masks, columns=("a", "b"))
    assert seen_by(policy, {"crm", "other"}).masks == masks[1:]
    assert seen_by(policy, ()).masks == masks

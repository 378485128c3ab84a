"""`headrace explain` shows all about one endpoint."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from headrace.base.access import Access
from headrace.store.snapshots import (
    Case,
    Claim,
    ColumnMask,
    KeyedQuery,
    KeyPart,
    RowCase,
    Scope,
    TablePolicy,
)
from tests.cli.shops import REVENUE, Shop

TABLES = {"orders": "SELECT range AS id FROM range(1200)"}


def test_everything_is_there(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("explain", "store_revenue")
    assert result.exit_code == 0
    text = re.sub(r"[\d.]+ k?B  built \d+ days ago  version [0-9a-f]{12}", "SIZE", result.stdout)
    assert text == (
        """\
GET /stores/{store_id}/revenue  Revenue of one store.
store_revenue, as published in snapshot 1 of prod

Parameters
  store_id  INTEGER  path   required                        min 1       which store
  since     DATE     query  default 2024-01-01
  limit     BIGINT   query  default 1,000                   max 10,000
  offset    BIGINT   query  default 0

Fields
  day      DATE
  revenue  DECIMAL(12,2)  from orders.amount

Tables
  orders  source  1,200  rows  SIZE

Who sees what
  asked by: public

Answered by
  columnar: reads a range of rows

SQL
  SELECT day, revenue
  FROM orders
  WHERE store_id = $store_id
""".replace("required                        min 1 ", "required            min 1 ").replace(
            "default 1,000                   max", "default 1,000       max"
        )
    )


def test_a_path_names_it_too(shop: Shop) -> None:
    shop.publish(TABLES)
    answer = json.loads(shop.call("explain", "/stores/{store_id}/revenue", "--json").stdout)
    assert (answer["name"], answer["snapshot"]) == ("store_revenue", 1)
    assert answer["tables"][0]["rows"] == 1200


def test_a_field_with_all_rules(shop: Shop) -> None:
    ruled = replace(REVENUE.parameters[1], max=9, enum=("a", "b"), pattern="[a-z]", default=None)
    shop.publish(TABLES, endpoints=(replace(REVENUE, parameters=(ruled,), max_limit=0),))
    line = "  since  DATE  query  optional  max 9, one of a, b, matches [a-z]"
    assert line in shop.call("explain", "store_revenue").stdout.splitlines()


def test_a_misspelt_endpoint_gets_its_near_miss(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("explain", "store_revenu")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: 'store_revenu' is not an endpoint of snapshot 1 of prod; expected one of"
        " `store_revenue`; did you mean `store_revenue`?\n"
    )


def test_an_endpoint_that_ends_says_when(shop: Shop) -> None:
    ending = replace(REVENUE, deprecated="2026-12-01", sunset="2027-03-01")
    shop.publish(TABLES, endpoints=(ending,))
    lines = shop.call("explain", "store_revenue").stdout.splitlines()
    assert lines[2] == "deprecated from 2026-12-01, may be gone from 2027-03-01"


def test_a_keyed_copy_is_told_with_who_else_it_answers(shop: Shop) -> None:
    copy = KeyedQuery(
        "SELECT store_id AS k0, day FROM orders", (KeyPart("INTEGER"),), ("store_id",)
    )
    keyed = replace(
        REVENUE, access_path="keyed", reason="store_id = $store_id", keyed=copy, advice=""
    )
    other = replace(keyed, name="latest", path="/latest", keyed=replace(copy, limit=1))
    apart = replace(keyed, name="apart", path="/apart", keyed=replace(copy, sql="SELECT 1 AS k0"))
    shop.publish(TABLES, endpoints=(keyed, other, apart))
    text = shop.call("explain", "store_revenue").stdout
    assert (
        "Answered by\n  keyed: store_id = $store_id\n"
        "  by queries, for its copy is missing; `headrace run` makes it\n"
        "  from the copy that also answers latest\n"
    ) in text
    answer = json.loads(shop.call("explain", "latest", "--json").stdout)
    assert answer["shares_its_copy_with"] == ["store_revenue"]
    assert (answer["access_path"], answer["keyed"]["equal"]) == ("keyed", ["store_id"])


def test_a_slow_endpoint_is_told_what_would_make_it_faster(shop: Shop) -> None:
    slow = replace(REVENUE, reason="`a OR b` (line 3) leaves a choice", advice="make two of it")
    shop.publish(TABLES, endpoints=(slow,))
    text = shop.call("explain", "store_revenue").stdout
    assert (
        "Answered by\n  columnar: `a OR b` (line 3) leaves a choice\n"
        "  To make it faster: make two of it.\n"
    ) in text


def test_who_sees_what_is_told_with_the_claims_that_it_takes(shop: Shop) -> None:
    rows = (
        RowCase("", "store_id = CAST($auth_store_id AS INTEGER)", ("store_id",)),
        RowCase("head_office"),
    )
    masks = (ColumnMask("email", ("crm",), "hashed"), ColumnMask("phone", ("clerk",)))
    policy = TablePolicy(rows=rows, masks=masks, columns=("store_id", "email", "phone"))
    scope = Scope((Claim("store_id", "INTEGER"),), (Case("", ("store_id",)), Case("head_office")))
    scoped = replace(REVENUE, access=Access("granted", ("clerk",)), scope=scope)
    shop.publish(TABLES, endpoints=(scoped,), policies={"orders": policy})
    text = shop.call("explain", "store_revenue").stdout
    assert text.partition("Who sees what\n")[2].partition("\n\n")[0] == (
        "  asked by: clerk\n"
        "  orders          everybody    store_id = CAST($auth.store_id AS INTEGER)\n"
        "  orders          head_office  all rows\n"
        "  orders          email        for crm, a hash for others\n"
        "  $auth.store_id  INTEGER      of who asks"
    )
    answer = json.loads(shop.call("explain", "store_revenue", "--json").stdout)
    assert answer["scope"]["claims"] == [{"name": "store_id", "type": "INTEGER"}]

"""Listings: what a client may ask of the rows, what it is told when it may not, and the SELECT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.tables import Column
from headrace.serve.answering.problems import ParameterError
from headrace.serve.asking.listing import PLAIN, Listing, ListingReader, listing_sql, listing_values
from headrace.serve.asking.parameters import ParameterReader, parse_query
from headrace.store.snapshots import Parameter
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, Shop, endpoint

OPEN = replace(ALL_SALES, filters=("store_id", "day"), sorts=("day", "revenue"))
READER = ListingReader.of(OPEN)


def read(query: str, reader: ListingReader = READER) -> Listing:
    errors: list[ParameterError] = []
    listing = reader.read(parse_query(query.encode()), ("limit", "offset"), errors)
    assert errors == []
    return listing


def refused(query: str, reader: ListingReader = READER) -> list[tuple[str, str, str]]:
    errors: list[ParameterError] = []
    reader.read(parse_query(query.encode()), ("limit", "offset"), errors)
    return [(each.parameter, each.found, each.expected) for each in errors]


def test_equal_requests_have_one_key_however_they_are_written() -> None:
    spellings = [
        "fields=day,store_id&sort=day&day[gte]=2024-01-02&store_id[in]=3,1",
        "store_id%5Bin%5D=1,3,1&day%5Bgte%5D=2024-01-02&sort=day&fields=store_id,day",
        "store_id[in]=1&store_id[in]=3&sort=day&day[gte]=2024-01-02&fields=store_id%2Cday",
    ]
    assert len({read(each).key for each in spellings}) == 1
    assert read("day=2024-01-02").key == read("day[eq]=2024-01-02").key
    assert read("fields=revenue,day,store_id") == PLAIN


def test_requests_that_differ_have_different_keys() -> None:
    queries = [
        "",
        "fields=day",
        "fields=store_id",
        "fields=day,store_id",
        "sort=day",
        "sort=-day",
        "sort=day,revenue",
        "sort=revenue,day",
        "day=2024-01-01",
        "day[ne]=2024-01-01",
        "day[null]=true",
        "day[null]=false",
        "store_id=1",
        "store_id[in]=1",
        "store_id[in]=1,2",
        "store_id=1&day=2024-01-01",
        "fields=day&sort=day",
    ]
    assert len({read(query).key for query in queries}) == len(queries)


def test_a_key_is_not_taken_for_a_parameter() -> None:
    one = endpoint(
        "SELECT $a AS a, $b AS b",
        (Column("a", "VARCHAR"), Column("b", "VARCHAR")),
        Parameter("a", "query", "VARCHAR", required=True),
        Parameter("b", "query", "VARCHAR", required=True),
    )
    reader = ParameterReader.of(one)
    plain = reader.read({}, parse_query(b"a=1:a1:%3F1:!&b=x"))
    listed = reader.read({}, parse_query(b"a=x&b=x&fields=a"))
    assert plain.key != listed.key
    assert listed.question.startswith("?")


REFUSALS = [
    ("dey=1", "dey", "there is no such parameter here", "did you mean `day`?"),
    (
        "zzz=1",
        "zzz",
        "there is no such parameter here",
        "one of `limit`, `offset`, `fields`, `sort`, `store_id`, `day`, `cursor`",
    ),
    ("revenue=3", "revenue", "'revenue' is no field to filter by", "one of `store_id`, `day`"),
    ("dy[gt]=3", "dy[gt]", "'dy' is no field to filter by", "did you mean `day`?"),
    ("day[gtt]=1", "day[gtt]", "'gtt' is no comparison", "did you mean `gt`?"),
    (
        "day[]=1",
        "day[]",
        "'' is no comparison",
        "one of `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `null`",
    ),
    ("day=yesterday", "day", "'yesterday'", "a date such as 2024-03-01"),
    ("day[null]=1", "day[null]", "'1'", "true or false"),
    ("store_id[in]=1,,2", "store_id[in]", "''", "an integer from -2147483648 to 2147483647"),
    (
        "store_id[in]=" + ",".join(map(str, range(101))),
        "store_id[in]",
        "it has 101 values",
        "at most 100",
    ),
    ("day[gt]=2024-01-01&day[gt]=2024-01-02", "day[gt]", "it is given 2 times", "it once"),
    ("day=2024-01-01&day[eq]=2024-01-01", "day[eq]", "it is given twice", "it once"),
    ("sort=store_id", "sort", "'store_id' is no field to sort by", "one of `day`, `revenue`"),
    ("sort=revenu", "sort", "'revenu' is no field to sort by", "did you mean `revenue`?"),
    ("sort=", "sort", "'' is no field to sort by", "one of `day`, `revenue`"),
    ("sort=--day", "sort", "'-day' is no field to sort by", "did you mean `day`?"),
    ("sort=day,-day", "sort", "'day' is named twice", "each field once"),
    ("sort=day&sort=day", "sort", "it is given 2 times", "it once"),
    ("fields=", "fields", "there is no field ''", "one of `store_id`, `day`, `revenue`"),
    ("fields=day,day", "fields", "'day' is named twice", "each field once"),
    ("fields=days", "fields", "there is no field 'days'", "did you mean `day`?"),
    ("cursor=", "cursor", "''", "the cursor of a `Link` header"),
]


@pytest.mark.parametrize(("query", "name", "found", "expected"), REFUSALS)
def test_what_may_not_be_asked_is_told(query: str, name: str, found: str, expected: str) -> None:
    assert refused(query) == [(name, found, expected)]


def test_an_endpoint_that_opens_nothing_says_so() -> None:
    reader = ListingReader.of(ALL_SALES)
    known = "one of `limit`, `offset`, `fields`, `cursor`"
    assert refused("sort=day", reader) == [
        ("sort", "this endpoint has no order but its own", "a request without it")
    ]
    assert refused("day=2024-01-01", reader) == [("day", "this endpoint has no filters", known)]
    assert refused("x[gt]=1", reader) == [("x[gt]", "this endpoint has no filters", known)]


def test_everything_that_is_wrong_is_told_at_once(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    response = serve().get("/sales?limit=0&fields=x&sort=day&offset=-1")
    assert response.status_code == 422
    assert sorted(each["parameter"] for each in response.json()["errors"]) == [
        "fields",
        "limit",
        "offset",
        "sort",
    ]


def test_a_parameter_of_the_endpoints_own_keeps_its_name(shop: Shop, serve: Serve) -> None:
    own = replace(
        BY_STORE,
        path="/own",
        sql="SELECT day, revenue FROM sales WHERE day = $day AND store_id = $sort ORDER BY day",
        parameters=(
            Parameter("day", "query", "DATE", required=True),
            Parameter("sort", "query", "INTEGER", required=True),
        ),
        filters=("day", "revenue"),
        sorts=("day",),
    )
    shop.publish(own, tables=(shop.table("sales", SALES),))
    client = serve()
    assert client.rows("/own?day=2024-01-02&sort=3") == [{"day": "2024-01-02", "revenue": "12.00"}]
    assert client.rows("/own?day=2024-01-02&sort=3&day[gt]=2024-01-02") == []


SALES = """
SELECT CAST(i % 5 AS INTEGER) AS store_id, DATE '2024-01-01' + CAST(i // 5 AS INTEGER) AS day,
       CAST(i * 1.5 AS DECIMAL(12,2)) AS revenue
FROM range(500) AS numbers(i)
"""
THINGS = """
SELECT * FROM (VALUES
    (1, 'a', 1.5::FLOAT, true, NULL::DATE),
    (2, 'b', 0.1::FLOAT, false, DATE '2024-01-01'),
    (3, NULL, NULL, NULL, DATE '2024-01-02'),
    (4, 'a"; DROP TABLE things; --', 'nan'::FLOAT, true, DATE '2024-01-03')
) AS things(id, name, size, good, day)
"""
COLUMNS = (
    Column("id", "INTEGER"),
    Column("name", "VARCHAR"),
    Column("size", "FLOAT"),
    Column("good", "BOOLEAN"),
    Column("day", "DATE"),
)
NAMES = tuple(column.name for column in COLUMNS)
THING = replace(
    endpoint("SELECT * FROM things ORDER BY id", COLUMNS, tables=("things",), path="/things"),
    filters=NAMES,
    sorts=NAMES,
)
ANSWERS = [
    ("name=a", [1]),
    ("name[ne]=a", [2, 3, 4]),
    ("name[in]=a,b", [1, 2]),
    ("name[null]=true", [3]),
    ("name[null]=false", [1, 2, 4]),
    ("name=a%22;%20DROP%20TABLE%20things;%20--", [4]),
    ("name=%27%20OR%201=1%20--", []),
    ("size=0.1", [2]),
    ("size[lt]=1", [2]),
    ("good=true", [1, 4]),
    ("good[ne]=true", [2, 3]),
    ("day[gte]=2024-01-02", [3, 4]),
    ("day[gt]=2024-01-01&day[lt]=2024-01-03", [3]),
    ("id[lte]=3&id[ne]=2", [1, 3]),
    ("sort=-id", [4, 3, 2, 1]),
    ("sort=good,-id", [2, 4, 1, 3]),
    ("sort=-good", [1, 4, 2, 3]),
    ("sort=day&limit=2&offset=1", [3, 4]),
    ("sort=-name&name[null]=false&limit=2", [2, 4]),
]


@pytest.mark.parametrize(("query", "ids"), ANSWERS)
def test_the_rows_are_those_that_were_asked_for(
    shop: Shop, serve: Serve, query: str, ids: list[int]
) -> None:
    shop.publish(THING, tables=(shop.table("things", THINGS),))
    assert [row["id"] for row in serve().rows(f"/things?{query}")] == ids


def test_fields_are_left_out_in_every_format(shop: Shop, serve: Serve) -> None:
    shop.publish(THING, tables=(shop.table("things", THINGS),))
    client = serve()
    assert client.rows("/things?fields=good,id&limit=1") == [{"id": 1, "good": True}]
    assert client.get("/things.csv?fields=good,id&limit=1").text == "id,good\r\n1,true\r\n"


def test_a_listing_has_a_tag_of_its_own(shop: Shop, serve: Serve) -> None:
    shop.publish(THING, tables=(shop.table("things", THINGS),))
    client = serve()
    tags = {
        client.get(f"/things{query}").headers["etag"]
        for query in ("", "?sort=id", "?fields=id", "?id=1", "?name[in]=a,b")
    }
    assert len(tags) == 5
    first = client.get("/things?name[in]=a,b")
    again = client.get("/things?name[in]=b,a", {"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_a_query_that_pages_itself_is_filtered_after_its_own_limit(
    shop: Shop, serve: Serve
) -> None:
    own = replace(
        THING,
        sql="SELECT * FROM things ORDER BY id LIMIT $limit",
        parameters=(Parameter("limit", "query", "BIGINT", required=True),),
        limit=0,
        max_limit=0,
    )
    shop.publish(own, tables=(shop.table("things", THINGS),))
    client = serve()
    assert [row["id"] for row in client.rows("/things?limit=3&id[gt]=1&sort=-id")] == [3, 2]
    assert client.get("/things?limit=1&cursor=x").status_code == 422


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(name=texts, text=texts)
def test_no_text_of_a_client_becomes_a_part_of_the_query(name: str, text: str) -> None:
    """Whatever is taken, the SELECT holds only what the contract says."""
    pairs: Sequence[tuple[str, str]] = [(name, text), ("store_id", "7"), ("fields", "day")]
    errors: list[ParameterError] = []
    listing = READER.read(pairs, (), errors)
    sql = listing_sql(OPEN, listing, "__limit", "__offset")
    plain = listing_sql(OPEN, read("store_id=7&fields=day"), "__limit", "__offset")
    assert sql == plain


@given(st.dictionaries(st.sampled_from(["eq", "ne", "gt", "lte"]), st.integers(-5, 5), min_size=1))
def test_every_value_is_bound(conditions: dict[str, int]) -> None:
    query = "&".join(f"store_id[{name}]={value}" for name, value in conditions.items())
    listing = read(query)
    sql = listing_sql(OPEN, listing, "__limit", "__offset")
    values: dict[str, Any] = listing_values(listing)
    assert all(f"${name} " in sql for name in values)
    assert sorted(values.values()) == sorted(conditions.values())

"""Compiled endpoints: order, paging, addresses of answers, and what a query may cost."""

from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.base.access import AUTHENTICATED
from headrace.base.clock import SetClock
from headrace.base.tables import Column
from headrace.serve.columnar.snapshot_reader import PieceStream
from headrace.serve.endpoints import matches
from headrace.store.snapshots import Parameter, Scope
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Shop, endpoint, value_endpoint

# Long enough that no machine finishes it, and in pieces small enough to be interrupted.
ENDLESS = "(SELECT count(*) FROM range(100000000000) a(i), range(1000) b(j) WHERE i * j % 7 = 3)"


def test_rows_keep_the_order_of_the_query(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=50_000)
    rows = serve(query_threads=4).rows("/sales?limit=50000")
    assert rows == sorted(rows, key=lambda row: (row["day"], -row["store_id"]), reverse=True)
    assert len(rows) == 50_000


def test_pages_make_up_the_whole(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=100)
    client = serve()
    pages = [client.rows(f"/sales?limit=30&offset={offset}") for offset in (0, 30, 60, 90, 120)]
    assert [len(page) for page in pages] == [30, 30, 30, 10, 0]
    assert [row for page in pages for row in page] == client.rows("/sales")


def test_parameters_select_the_rows(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=20)
    assert serve().rows("/stores/3/sales?since=2024-01-03") == [
        {"day": "2024-01-03", "revenue": "19.50"},
        {"day": "2024-01-04", "revenue": "27.00"},
    ]


def test_one_answer_in_three_formats(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    assert client.get("/stores/1/sales.json").text == (
        '[{"day":"2024-01-01","revenue":1.50},{"day":"2024-01-02","revenue":9.00}]\n'
    )
    assert client.get("/stores/1/sales", {"Accept": "application/x-ndjson"}).text == (
        '{"day":"2024-01-01","revenue":1.50}\n{"day":"2024-01-02","revenue":9.00}\n'
    )
    response = client.get("/stores/1/sales.csv")
    assert response.text == "day,revenue\r\n2024-01-01,1.50\r\n2024-01-02,9.00\r\n"
    assert response.headers["content-disposition"] == 'attachment; filename="by_store.csv"'


def test_headers_say_what_the_answer_is_of(shop: Shop, serve: Serve, clock: SetClock) -> None:
    shop.publish_sales()
    clock.advance(90)
    headers = dict(serve().get("/sales", {"Accept-Encoding": "identity"}).headers)
    assert headers.pop("link").endswith('>; rel="next"')
    assert headers.pop("etag").startswith('W/"')
    assert int(headers.pop("content-length")) > 0
    assert headers == {
        "x-snapshot": "1",
        "x-data-age": "90",
        "cache-control": "public, no-cache",
        "vary": "Accept, Accept-Encoding",
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
    }


def test_an_answer_that_depends_on_who_asks_is_kept_by_nobody(shop: Shop, serve: Serve) -> None:
    """However many may ask: of a public endpoint, some see more than others."""
    masked = value_endpoint("CASE WHEN $auth_mask_0 THEN 'secret' END", "VARCHAR")
    hiding = replace(masked, scope=Scope(masks=(("crm",),)))
    known = replace(ALL_SALES, access=AUTHENTICATED)
    shop.publish(hiding, known, tables=(shop.table("sales", SALES.format(rows=5)),))
    with closing(Accounts.open(shop.store.accounts_path, clock=shop.store.clock)) as accounts:
        accounts.add_account(Account("anna", roles=frozenset(["crm"])))
        secret, entry = new_key("prod")
        accounts.add_key(replace(entry, account="anna"))
    client, bearer = serve(), {"Authorization": f"Bearer {secret.reveal()}"}
    answers = [client.get("/it"), client.get("/it", bearer), client.get("/sales", bearer)]
    assert [each.json()[0].get("value") for each in answers] == [None, "secret", None]
    assert {each.headers["cache-control"] for each in answers} == {"private, no-store"}


@pytest.mark.parametrize("url", ["/sales", "/stores/1/sales.csv?limit=3", "/sales?limit=0", "/no"])
def test_head_has_the_headers_of_get(shop: Shop, serve: Serve, url: str) -> None:
    shop.publish_sales()
    client = serve()
    named = {"X-Request-Id": "mine"}
    head, get = client.request("HEAD", url, headers=named), client.get(url, named)
    assert (head.status_code, dict(head.headers)) == (get.status_code, dict(get.headers))
    assert head.content == b""


def test_a_publish_that_changes_nothing_read_keeps_the_tag(shop: Shop, serve: Serve) -> None:
    sales = shop.table("sales", SALES.format(rows=10))
    shop.publish(ALL_SALES, tables=(sales,))
    client = serve()
    before = client.get("/sales").headers["etag"]
    shop.publish(ALL_SALES, BY_STORE, tables=(sales, shop.table("other", "SELECT 1 AS x")))
    client.service.refresh()
    after = client.get("/sales")
    assert (after.headers["etag"], after.headers["x-snapshot"]) == (before, "2")


def test_a_tag_names_rule_parameters_data_and_format(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    urls = ["/sales", "/sales?limit=5", "/sales?offset=1", "/sales.csv", "/stores/1/sales"]
    tags = [client.get(url).headers["etag"] for url in urls]
    shop.publish_sales(rows=11)
    client.service.refresh()
    tags.append(client.get("/sales").headers["etag"])
    shop.publish(
        replace(ALL_SALES, recipe="all_sales-2"),
        tables=(shop.table("sales", SALES.format(rows=11)),),
    )
    client.service.refresh()
    tags.append(client.get("/sales").headers["etag"])
    assert len(set(tags)) == len(tags)
    same = ["/sales?limit=100&offset=0", "/sales.json"]
    assert {client.get(url).headers["etag"] for url in same} == {tags[-1]}


def test_a_304_runs_no_query(shop: Shop, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.publish_sales()
    client = serve()
    tag = client.get("/sales").headers["etag"]

    def never(*args: object) -> Any:
        raise AssertionError("a query ran")

    monkeypatch.setattr(PieceStream, "next", never)
    response = client.get("/sales", {"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"] == tag
    assert "content-type" not in response.headers


@pytest.mark.parametrize(
    ("none_match", "is_match"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('"b", W/"a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
        ('"a', False),
    ],
)
def test_tags_are_compared_weakly(none_match: str, is_match: bool) -> None:
    assert matches(none_match, 'W/"a"') is is_match


@pytest.mark.parametrize(
    ("sql", "type_name", "encoded"),
    [
        ("'NaN'::DOUBLE", "DOUBLE", '"NaN"'),
        ("1::DOUBLE / 0", "DOUBLE", '"Infinity"'),
        ("sum(x) FROM (SELECT 9223372036854775807 AS x UNION ALL SELECT 1)", "HUGEINT", str(2**63)),
        ("'170141183460469231731687303715884105727'::HUGEINT", "HUGEINT", str(2**127 - 1)),
        ("1.10::DECIMAL(38,2)", "DECIMAL(38,2)", "1.10"),
        (
            "TIMESTAMPTZ '2024-06-01 12:00:00+02'",
            "TIMESTAMP WITH TIME ZONE",
            '"2024-06-01T10:00:00Z"',
        ),
        ("TIMESTAMP '2024-06-01 12:00:00.5'", "TIMESTAMP", '"2024-06-01T12:00:00.5"'),
        ("'AB'::BLOB", "BLOB", '"QUI="'),
        (
            "{'a': 1, 'b': [DATE '2024-01-01', NULL]}",
            "STRUCT(a INTEGER, b DATE[])",
            '{"a":1,"b":["2024-01-01",null]}',
        ),
        ("MAP {'x': 1}", "MAP(VARCHAR, INTEGER)", '{"x":1}'),
        ("MAP {1: 'x'}", "MAP(INTEGER, VARCHAR)", '{"1":"x"}'),
        ("MAP {{'a': 1}: 2}", "MAP(STRUCT(a INTEGER), INTEGER)", '{"{\\"a\\":1}":2}'),
        ("'294247-01-10'::TIMESTAMP", "TIMESTAMP", '"294247-01-10T00:00:00"'),
        ("INTERVAL 1 DAY", "INTERVAL", '"P1D"'),
        ("'a'::ENUM('a', 'b')", "ENUM('a', 'b')", '"a"'),
        ("lower(md5('x'))::UUID", "UUID", '"9dd4e461-268c-8034-f5c8-564e155c67a6"'),
        ("'x' || chr(0) || '\"é'", "VARCHAR", '"x\\u0000\\"é"'),
        ("TIME '12:30:00'", "TIME", '"12:30:00"'),
        ("'101'::BIT", "BIT", '"101"'),
    ],
)  # fmt: skip
def test_every_type_has_a_json_form(
    shop: Shop, serve: Serve, sql: str, type_name: str, encoded: str
) -> None:
    head, _, tail = sql.partition(" FROM ")
    text = f"SELECT {head} AS value" + (f" FROM {tail}" if tail else "")
    shop.publish(endpoint(text, (Column("value", type_name),)))
    response = serve().get("/it")
    assert response.status_code == 200
    json.loads(response.content)
    assert response.text == f'[{{"value":{encoded}}}]\n'
    assert serve().get("/it.csv").status_code == 200


def test_text_with_anything_in_it_comes_back(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("x", "query", "VARCHAR", required=True)
    shop.publish(value_endpoint("$x", "VARCHAR", parameter))
    response = serve().get("/it?x=%00%22'%3B%20DROP%20VIEW%20sales%3B--%F0%9F%98%80")
    assert response.json() == [{"value": "\0\"'; DROP VIEW sales;--😀"}]


def test_a_list_parameter_is_bound_as_a_list(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("ids", "query", "INTEGER[]", required=False)
    shop.publish(value_endpoint("list_sum($ids)", "HUGEINT", parameter))
    assert serve().rows("/it?ids=3&ids=4") == [{"value": 7}]
    assert serve().rows("/it") == [{"value": None}]


def test_a_value_that_the_query_cannot_compute_is_422(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("x", "query", "BIGINT", required=True)
    shop.publish(value_endpoint("$x + 9223372036854775807::BIGINT", "BIGINT", parameter))
    response = serve().get("/it?x=1")
    assert response.status_code == 422
    assert response.json()["detail"] == "The query cannot be computed with these parameters."
    assert serve().rows("/it?x=0") == [{"value": 2**63 - 1}]


def test_a_query_that_fails_by_itself_is_500_without_insides(shop: Shop, serve: Serve) -> None:
    sql = "SELECT CAST(name AS INTEGER) AS value FROM names"
    names = shop.table("names", "SELECT 'secret' AS name")
    shop.publish(endpoint(sql, (Column("value", "INTEGER"),), tables=("names",)), tables=(names,))
    response = serve().get("/it")
    assert response.status_code == 500
    assert "secret" not in response.text


def test_a_query_past_its_deadline_is_503_and_stops(shop: Shop, serve: Serve) -> None:
    shop.publish(value_endpoint(ENDLESS, "BIGINT"), replace(ALL_SALES, path="/sales"),
                 tables=(shop.table("sales", SALES.format(rows=5)),))  # fmt: skip
    client = serve(deadline_seconds=0.2, workers=1, queue=0)
    response = client.get("/it")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["detail"] == "The query took longer than 0.2 s."
    # The only worker is free again only once the query has really stopped.
    while (again := client.get("/sales")).status_code == 503:
        assert again.json()["type"] in (
            "urn:headrace:problem:busy",
            "urn:headrace:problem:deadline",
        )
    assert again.status_code == 200


def test_a_large_answer_is_whole_in_every_format(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=20_000)
    client = serve()
    streamed = client.get("/sales?limit=20000")
    assert "content-length" not in streamed.headers
    rows = json.loads(streamed.text, parse_float=str)
    lines = client.get("/sales.ndjson?limit=20000").text.splitlines()
    assert [json.loads(line, parse_float=str) for line in lines] == rows
    assert client.get("/sales.csv?limit=20000").text.count("\r\n") == 20_001
    assert client.get("/sales?limit=20000").content == streamed.content


@pytest.mark.parametrize("ending", ["json", "csv", "arrow", "parquet", "xlsx"])
def test_a_query_past_the_deadline_is_stopped_in_every_format(
    shop: Shop, serve: Serve, ending: str
) -> None:
    shop.publish(value_endpoint(ENDLESS, "BIGINT"), replace(ALL_SALES, path="/sales"),
                 tables=(shop.table("sales", SALES.format(rows=5)),))  # fmt: skip
    client = serve(deadline_seconds=0.2, workers=1, queue=0)
    assert client.get(f"/it.{ending}").status_code == 503
    # The only worker is free again only once the query has really stopped.
    while (again := client.get("/sales")).status_code == 503:
        assert again.json()["type"].startswith("urn:headrace:problem:")
    assert again.status_code == 200


def test_files_are_named_after_the_endpoint(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    for ending in ("csv", "arrow", "parquet", "xlsx"):
        response = client.get(f"/sales.{ending}")
        assert response.status_code == 200
        named = f'attachment; filename="{ALL_SALES.name}.{ending}"'
        assert response.headers["content-disposition"] == named
    for ending in ("json", "ndjson"):
        assert "content-disposition" not in client.get(f"/sales.{ending}").headers


def test_arrow_and_parquet_have_the_rows_of_json(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=5_000)
    client = serve()
    rows = client.rows("/sales?limit=5000")
    arrow = client.get("/sales?limit=5000", {"Accept": "application/vnd.apache.arrow.stream"})
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert pa.ipc.open_stream(arrow.content).read_all().num_rows == len(rows)
    parquet = client.get("/sales.parquet?limit=5000").content
    assert pq.read_table(io.BytesIO(parquet)).schema.names == list(rows[0])


@pytest.mark.parametrize("limit", [100, 5000])
def test_answers_are_compressed_for_who_accepts_that(shop: Shop, serve: Serve, limit: int) -> None:
    shop.publish_sales(rows=5_000)
    client = serve()
    url = f"/sales?limit={limit}"
    plain = client.get(url, {"Accept-Encoding": "identity"})
    zipped = client.get(url, {"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    assert zipped.headers["etag"] == plain.headers["etag"]
    assert zipped.headers["vary"] == plain.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in plain.headers
    file = client.get(f"/sales.parquet?limit={limit}", {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in file.headers


def test_a_client_chooses_the_shape_of_json(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    rows = client.rows("/sales?limit=10")
    columns = client.get("/sales?limit=10&shape=columns")
    assert json.loads(columns.text, parse_float=str) == {
        name: [row[name] for row in rows] for name in rows[0]
    }
    arrays = client.get("/sales?shape=arrays&limit=10")
    assert json.loads(arrays.text, parse_float=str)["rows"] == [list(row.values()) for row in rows]
    assert columns.headers["etag"] != arrays.headers["etag"]
    assert (
        client.get("/sales?shape=rows&limit=10").headers["etag"]
        == (client.get("/sales?limit=10").headers["etag"])
    )


def test_a_shape_that_there_is_not_is_refused(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    response = serve().get("/sales?shape=cubes")
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"parameter": "shape", "found": "'cubes'", "expected": "one of rows, columns, arrays"}
    ]


def test_an_endpoints_own_parameter_wins_over_the_forms(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("shape", "query", "VARCHAR", required=True)
    shop.publish(value_endpoint("$shape", "VARCHAR", parameter))
    assert serve().rows("/it?shape=round") == [{"value": "round"}]


@pytest.mark.parametrize("rows", [2047, 2048, 2049, 4096])
def test_answers_end_well_at_the_edge_of_a_piece(shop: Shop, serve: Serve, rows: int) -> None:
    shop.publish_sales(rows=rows)
    assert len(serve().rows("/sales?limit=50000")) == rows


def test_a_query_without_paging_gives_all_of_its_rows(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("limit", "query", "INTEGER", required=False, default=3)
    sql = "SELECT i AS value FROM range(10) AS numbers(i) LIMIT $limit"
    shop.publish(endpoint(sql, (Column("value", "BIGINT"),), parameter, max_limit=0))
    client = serve()
    assert len(client.rows("/it")) == 3
    assert len(client.rows("/it?limit=9")) == 9

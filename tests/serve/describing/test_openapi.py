"""One document describes everything that is served."""

from __future__ import annotations

import json
from dataclasses import replace

from headrace.base.tables import Column
from headrace.serve.describing.openapi import row_schema, type_schema
from headrace.store.snapshots import Parameter
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Shop, value_endpoint


def test_an_endpoint_is_described_by_its_contract(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    document = serve().get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "shop", "version": "1"}
    operation = document["paths"][BY_STORE.path]["get"]
    assert operation["description"] == "What a store sold, day by day."
    assert operation["parameters"][:4] == [
        {
            "name": "store_id",
            "in": "path",
            "required": True,
            "description": "Which store.",
            "schema": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        },
        {
            "name": "since",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "format": "date", "default": "2024-01-01"},
        },
        {
            "name": "limit",
            "in": "query",
            "required": False,
            "description": "The most rows to answer with.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 5000, "default": 100},
        },
        {
            "name": "offset",
            "in": "query",
            "required": False,
            "description": "Rows to leave out at the start.",
            "schema": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0},
        },
    ]
    assert sorted(operation["responses"]) == [
        *("200", "304", "400", "403", "406", "410", "422", "503")
    ]
    content = operation["responses"]["200"]["content"]
    assert list(content) == [
        "application/json",
        "application/x-ndjson",
        "text/csv",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ]
    assert content["application/json"]["schema"]["items"] == {
        "type": "object",
        "required": ["day", "revenue"],
        "properties": {
            "day": {"type": ["string", "null"], "format": "date"},
            "revenue": {"type": ["number", "null"]},
        },
    }


def test_what_may_be_asked_of_the_rows_is_described(shop: Shop, serve: Serve) -> None:
    opened = replace(ALL_SALES, filters=("day",), sorts=("day", "revenue"))
    shop.publish(opened, tables=(shop.table("sales", SALES.format(rows=1)),))
    operation = serve(snapshots=True).get("/openapi.json").json()["paths"]["/sales"]["get"]
    parameters = {each["name"]: each for each in operation["parameters"]}
    assert list(parameters) == [
        *("limit", "offset", "fields", "sort"),
        *("day", "day[ne]", "day[gt]", "day[gte]", "day[lt]", "day[lte]", "day[in]", "day[null]"),
        *("shape", "numbers", "cursor", "snapshot"),
    ]
    assert parameters["sort"] == {
        "name": "sort",
        "in": "query",
        "required": False,
        "style": "form",
        "explode": False,
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": ["day", "-day", "revenue", "-revenue"]},
            "uniqueItems": True,
            "minItems": 1,
        },
        "description": "The order of the rows; `-` is from the greatest on.",
    }
    assert parameters["day[gte]"]["schema"] == {"type": "string", "format": "date"}
    assert operation["responses"]["200"]["headers"]["Link"]["description"].startswith("The URL of")


def test_streams_and_batches_are_described(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    paths = serve(batch_calls=7).get("/openapi.json").json()["paths"]
    assert sorted(paths) == sorted(
        ["/batch", *(each.path + end for each in (BY_STORE, ALL_SALES) for end in ("", "/stream"))]
    )
    stream = paths["/sales/stream"]["get"]
    assert stream["operationId"] == "all_sales_stream"
    assert list(stream["responses"]["200"]["content"]) == ["text/event-stream"]
    assert "cursor" not in [each["name"] for each in stream["parameters"]]
    body = paths["/batch"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["calls"]["maxItems"] == 7
    assert "/sales/stream" not in serve(streams=0).get("/openapi.json").json()["paths"]


def test_no_parameter_is_described_twice(shop: Shop, serve: Serve) -> None:
    named = Parameter("day", "query", "DATE", required=False, default="2024-01-01")
    own = replace(BY_STORE, parameters=(*BY_STORE.parameters, named), filters=("day", "revenue"))
    own = replace(own, sql=own.sql.replace("$since", "$since AND day >= $day"))
    shop.publish(own, tables=(shop.table("sales", SALES.format(rows=1)),))
    for item in serve().get("/openapi.json").json()["paths"].values():
        for operation in item.values():
            names = [(each["name"], each["in"]) for each in operation.get("parameters", ())]
            assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    text = serve().get("/openapi.json").text
    document = json.loads(text)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])


def test_rules_of_a_parameter_are_described(shop: Shop, serve: Serve) -> None:
    parameter = Parameter(
        "codes", "query", "VARCHAR[]", required=False, default="A", enum=("A", "B"), pattern="[AB]"
    )
    shop.publish(value_endpoint("$codes", "VARCHAR[]", parameter))
    document = serve().get("/openapi.json").json()
    assert document["paths"]["/it"]["get"]["parameters"][0]["schema"] == {
        "type": "array",
        "items": {"type": "string", "enum": ["A", "B"], "pattern": "^(?:[AB])$"},
        "default": ["A"],
    }


def test_a_users_router_is_part_of_it(shop: Shop, serve: Serve) -> None:
    code = (
        "from fastapi import APIRouter\nfrom pydantic import BaseModel\n"
        "router = APIRouter()\nclass Quote(BaseModel):\n    price: float\n"
        "@router.post('/quotes')\ndef quote(body: Quote) -> Quote: return body\n"
    )
    sales = shop.table("sales", SALES.format(rows=1))
    shop.publish(BY_STORE, tables=(sales,), modules={"endpoints/q.py": code})
    document = serve().get("/openapi.json").json()
    assert sorted(document["paths"]) == [
        "/batch",
        "/quotes",
        BY_STORE.path,
        f"{BY_STORE.path}/stream",
    ]
    assert {"Problem", "Quote"} <= set(document["components"]["schemas"])


def test_types_have_schemas() -> None:
    assert type_schema("TINYINT") == {"type": "integer", "minimum": -128, "maximum": 127}
    assert type_schema("INTERVAL") == {"type": "string"}
    assert type_schema("MAP(VARCHAR, INTEGER)") == {"type": "object"}
    assert type_schema("DATE[3]")["items"] == {"type": ["string", "null"], "format": "date"}
    assert type_schema('STRUCT(a DECIMAL(4,1), "b, ""c" STRUCT(d BOOLEAN[]))') == {
        "type": "object",
        "properties": {
            "a": {"type": ["number", "null"]},
            'b, "c': {
                "type": ["object", "null"],
                "properties": {
                    "d": {
                        "type": ["array", "null"],
                        "items": {"type": ["boolean", "null"]},
                    }
                },
            },
        },
    }


def test_only_what_can_be_null_is_nullable() -> None:
    columns = (
        Column("a", "DATE", nullable=False),
        Column("b", "DOUBLE", nullable=False),
        Column("c", "FLOAT[]"),
    )
    assert row_schema(columns)["properties"] == {
        "a": {"type": "string", "format": "date"},
        "b": {"type": ["number", "string"]},
        "c": {"type": ["array", "null"], "items": {"type": ["number", "string", "null"]}},
    }


def test_an_endpoint_that_ends_is_deprecated(shop: Shop, serve: Serve) -> None:
    old = replace(ALL_SALES, deprecated="2026-12-01", sunset="2027-03-01")
    new = replace(ALL_SALES, name="sales_2", path="/v2/sales", version=2)
    shop.publish(old, new, tables=(shop.table("sales", SALES.format(rows=1)),))
    paths = serve().get("/openapi.json").json()["paths"]
    assert paths["/sales"]["get"]["deprecated"] is True
    assert "deprecated" not in paths["/v2/sales"]["get"]
    headers = {
        path: paths[path]["get"]["responses"]["200"]["headers"] for path in ("/sales", "/v2/sales")
    }
    assert headers["/sales"].keys() - headers["/v2/sales"].keys() == {"Deprecation", "Sunset"}

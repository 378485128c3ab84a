"""Batches: all answers of one snapshot, each with its status; a refused one stops no other."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from headrace.serve import ServeSettings
from headrace.serve.batch import read_calls
from tests.serve.conftest import Serve
from tests.serve.shop import Client, Shop, value_endpoint

JSON = {"Content-Type": "application/json"}


def post(client: Client, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.request("POST", "/batch", content=content, headers={**JSON, **headers})


def ask(client: Client, *paths: str) -> Any:
    response = post(client, {"calls": [{"path": path} for path in paths]})
    assert response.status_code == 200, response.text
    return response.json()


def test_every_call_has_its_own_answer(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    found = ask(client, "/sales?limit=2", "/stores/1/sales?since=x", "/nope", "/sales?limit=2")
    assert found["snapshot"] == 1
    first, second, third, fourth = found["answers"]
    alone = client.get("/sales?limit=2")
    assert first["status"] == 200
    assert first["body"] == alone.json()
    assert first["headers"] == {
        "ETag": alone.headers["etag"],
        "X-Data-Age": "0",
        "Link": alone.headers["link"],
    }
    assert (second["status"], second["body"]["errors"][0]["parameter"]) == (422, "since")
    assert (third["status"], third["body"]["title"]) == (404, "Not Found")
    assert fourth == first


def test_a_body_goes_in_as_the_bytes_that_it_is(shop: Shop, serve: Serve) -> None:
    shop.publish(value_endpoint("12345678901234567890.1234567890", "DECIMAL(30,10)"))
    response = post(serve(), {"calls": [{"path": "/it"}]})
    assert b'"body":[{"value":12345678901234567890.1234567890}]' in response.content


def test_the_batch_says_what_it_is(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    response = post(serve(), {"calls": [{"path": "/sales"}]})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-snapshot"] == "1"


def test_every_answer_is_json(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    csv, ndjson, rows = ask(serve(), "/sales.csv", "/sales.ndjson", "/sales.json")["answers"]
    assert (csv["status"], csv["body"]["detail"]) == (406, "In a batch, every answer is JSON.")
    assert (ndjson["status"], rows["status"]) == (406, 200)


def test_answers_that_are_streamed_are_whole(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=9000)
    [answer] = ask(serve(), "/sales?limit=9000")["answers"]
    assert len(answer["body"]) == 9000


def test_answers_that_are_too_large_together_are_refused_one_by_one(
    shop: Shop, serve: Serve
) -> None:
    shop.publish_sales(rows=5000)
    client = serve(batch_bytes=100_000)
    small, large = ask(client, "/sales?limit=2", "/sales?limit=5000")["answers"]
    assert (small["status"], large["status"]) == (200, 422)
    assert large["body"]["detail"] == (
        "The answers of the batch are over 100000 bytes; ask for less."
    )


def test_a_call_to_another_snapshot_is_refused(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve(snapshots=True)
    link = client.get("/sales?limit=4").headers["link"]
    shop.publish_sales(rows=3)
    client.service.refresh()
    url = link[1:].partition(">")[0]
    answers = ask(client, url, "/sales?snapshot=1", "/sales?snapshot=2")["answers"]
    assert [each["status"] for each in answers] == [422, 422, 200]
    assert answers[0]["body"]["detail"] == ("A batch is of one snapshot, and this call of another.")
    older = client.request(
        "POST",
        "/batch?snapshot=1",
        content=json.dumps({"calls": [{"path": url}, {"path": "/sales"}]}).encode(),
        headers=JSON,
    ).json()
    assert older["snapshot"] == 1
    assert [len(each["body"]) for each in older["answers"]] == [4, 10]


def test_other_methods_and_bodies_are_refused(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    response = client.get("/batch")
    assert (response.status_code, response.headers["allow"]) == (405, "POST, OPTIONS")
    options = client.request("OPTIONS", "/batch")
    assert (options.status_code, options.headers["allow"]) == (204, "POST, OPTIONS")
    plain = client.request("POST", "/batch", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["detail"]) == (415, "A batch is application/json.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"calls": []}',
        b'{"calls": [{}]}',
        b'{"calls": [{"path": 5}]}',
        b'{"calls": [{"path": "/sales", "method": "POST"}]}',
        b'{"calls": [{"path": "sales"}]}',
        b'{"calls": [{"path": "http://elsewhere/sales"}]}',
        b'{"calls": [{"path": "/sal\\u00e9s"}]}',
        b'{"calls": [{"path": "/sales#x"}]}',
        b'{"calls": [{"path": "/\xff"}]}',
        b'{"calls": ' + b"[" * 100_000,
        b'{"calls": [{"path": "/sales"}], "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        json.dumps({"calls": [{"path": "/sales"}] * 101}).encode(),
    ],
)
def test_what_is_no_batch_is_refused_with_what_would_be_one(
    shop: Shop, serve: Serve, body: bytes
) -> None:
    shop.publish_sales(rows=10)
    response = post(serve(), body)
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["parameter"] in ("body", "calls", "calls[0].path")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65,
        b"[" * 1_000_000,
        b'{"calls":' * 100_000,
        b'{"calls": [' + b'{"path":' * 65,
        b'{"calls": [{"path": ' + b"[" * 500_000 + b"]" * 500_000 + b"}]}",
    ],
)
def test_a_body_that_is_nested_is_no_batch(shop: Shop, serve: Serve, body: bytes) -> None:
    """It has three levels: what goes deeper is not read."""
    shop.publish_sales(rows=10)
    assert post(serve(), body).status_code == 422


def test_a_body_that_is_too_long_is_413(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    assert post(serve(max_body_bytes=100), b" " * 101).status_code == 413


def test_a_path_in_a_path_is_no_way_around(shop: Shop, serve: Serve) -> None:
    """A batch asks compiled endpoints and nothing else."""
    shop.publish_sales(rows=10)
    paths = ("/batch", "/livez", "/", "/openapi.json", "/sales/stream")
    assert {each["status"] for each in ask(serve(), *paths)["answers"]} == {404}


def test_as_many_calls_as_the_setting_says() -> None:
    body = json.dumps({"calls": [{"path": "/a"}] * 3}).encode()
    assert read_calls(body, ServeSettings(batch_calls=3)) == [b"/a"] * 3


def test_calls_are_counted(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    ask(client, "/sales?limit=1", "/sales?limit=2")
    [total] = [calls.total for calls in client.service._counts._calls.values() if calls.total]
    assert total == 2

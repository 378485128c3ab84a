"""Two versions side by side: every answer of the old one says when it ends and what follows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.serve.answering.versions import successor
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Client, Shop

OLD = replace(BY_STORE, deprecated="2026-12-01", sunset="2027-03-01")
NEW = replace(
    BY_STORE,
    name="by_store_2",
    path="/v2/stores/{id}/sales",
    version=2,
    sql=BY_STORE.sql.replace("store_id = $store_id", "store_id = $id"),
    parameters=(replace(BY_STORE.parameters[0], name="id"), BY_STORE.parameters[1]),
)


@pytest.fixture
def client(shop: Shop, serve: Serve) -> Client:
    shop.publish(OLD, NEW, ALL_SALES, tables=(shop.table("sales", SALES.format(rows=50)),))
    return serve()


def test_both_versions_answer(client: Client) -> None:
    old, new = client.get("/stores/3/sales"), client.get("/v2/stores/3/sales")
    assert (old.status_code, new.status_code) == (200, 200)
    assert old.json() == new.json()


def test_the_old_one_says_when_it_ends_and_what_follows(client: Client) -> None:
    headers = client.get("/stores/3/sales").headers
    assert headers["deprecation"] == "@1796083200"
    assert headers["sunset"] == "Mon, 01 Mar 2027 00:00:00 GMT"
    assert headers["link"] == '</v2/stores/3/sales>; rel="successor-version"'


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/stores/3/sales?since=x", 422),
        ("/stores/x%2F%3E/sales", 422),
        ("/stores/3/sales.csv", 200),
    ],
)
def test_every_answer_says_so_the_refusals_too(client: Client, url: str, status: int) -> None:
    answer = client.get(url)
    assert answer.status_code == status
    assert answer.headers["deprecation"] == "@1796083200"
    assert "3E/sales" not in answer.headers["link"] or "%2F%3E" in answer.headers["link"]


def test_an_answer_that_is_kept_says_so_too(client: Client) -> None:
    tag = client.get("/stores/3/sales").headers["etag"]
    kept = client.get("/stores/3/sales", {"If-None-Match": tag})
    assert (kept.status_code, kept.headers["deprecation"]) == (304, "@1796083200")


@pytest.mark.parametrize("url", ["/v2/stores/3/sales", "/sales", "/"])
def test_what_does_not_end_says_nothing(client: Client, url: str) -> None:
    assert not {"deprecation", "sunset", "link"} & client.get(url).headers.keys()


def test_the_successor_is_the_next_version_of_the_same_path() -> None:
    third = replace(NEW, name="third", path="/v3/stores/{id}/sales", version=3)
    everything = (ALL_SALES, third, NEW, OLD)
    assert successor(OLD, everything) == "/v2/stores/{id}/sales"
    assert successor(NEW, everything) == "/v3/stores/{id}/sales"
    assert successor(third, everything) == ""
    assert successor(ALL_SALES, everything) == ""

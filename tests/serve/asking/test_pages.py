"""Pages: put together they are the whole answer, of one snapshot, whatever is published."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.base.clock import SetClock
from headrace.base.tables import Column
from headrace.serve import ServeSettings, create_app
from headrace.store.snapshots import KeyedQuery, KeyPart, Parameter
from tests.keyed import Shelf
from tests.serve.conftest import Serve
from tests.serve.serving import serving
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Client, Shop, endpoint

OPEN = replace(ALL_SALES, filters=("store_id", "day"), sorts=("store_id", "day", "revenue"))


def next_url(response: httpx.Response) -> str | None:
    """The URL of the next page."""
    link = response.headers.get("link")
    if link is None:
        return None
    assert link.startswith("<")
    assert link.endswith('>; rel="next"')
    return str(link[1:].partition(">")[0])


def pages(client: Client, url: str) -> list[httpx.Response]:
    """Every page from `url` on."""
    found = [client.get(url)]
    while (following := next_url(found[-1])) is not None:
        found.append(client.get(following))
    assert {response.status_code for response in found} == {200}
    return found


def test_an_answer_that_is_whole_has_no_link(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    for url in ("/sales", "/sales?limit=10", "/sales?limit=3&offset=7", "/stores/1/sales?limit=2"):
        assert "link" not in client.get(url).headers


def test_a_link_leads_from_page_to_page(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    found = pages(client, "/sales?limit=4")
    assert [len(response.json()) for response in found] == [4, 4, 2]
    rows = [row for response in found for row in response.json()]
    assert rows == client.get("/sales").json()


def test_the_link_is_the_same_whether_the_answer_is_kept_or_made(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    links = [client.get("/sales?limit=4").headers["link"] for _ in range(3)]
    assert len(set(links)) == 1
    head = client.request("HEAD", "/sales?limit=4")
    assert head.headers["link"] == links[0]


def test_a_link_keeps_all_that_was_asked_for(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=100)
    client = serve()
    url = next_url(client.get("/stores/2/sales.csv?since=2024-01-03&fields=day&limit=5&offset=2"))
    assert url is not None
    assert url.startswith("/stores/2/sales.csv?since=2024-01-03&fields=day&limit=5&cursor=")
    assert client.get(url).text.splitlines()[:2] == ["day", "2024-01-10"]


@pytest.mark.parametrize(
    "query",
    ["", "&sort=store_id", "&sort=-revenue", "&store_id[in]=1,3&sort=day", "&fields=store_id"],
)
def test_pages_of_any_sizes_are_the_whole_answer(shop: Shop, serve: Serve, query: str) -> None:
    shop.publish(OPEN, tables=(shop.table("sales", SALES.format(rows=130)),))
    client = serve()
    whole = client.get(f"/sales?limit=1000{query}").json()

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
    def is_whole(limits: list[int]) -> None:
        sizes = cycle(limits)
        response = client.get(f"/sales?limit={next(sizes)}{query}")
        rows = response.json()
        while (url := next_url(response)) is not None:
            # Each page may be of another size.
            response = client.get(re.sub("limit=[0-9]+", f"limit={next(sizes)}", url))
            assert response.status_code == 200, response.text
            rows += response.json()
        assert rows == whole

    is_whole()


def test_rows_that_are_equal_in_what_is_sorted_by_are_neither_lost_nor_repeated(
    shop: Shop, serve: Serve
) -> None:
    one = replace(
        endpoint(
            "SELECT i % 2 AS side, i FROM numbers",
            (Column("side", "BIGINT"), Column("i", "BIGINT")),
            tables=("numbers",),
        ),
        sorts=("side",),
    )
    shop.publish(one, tables=(shop.table("numbers", "SELECT i FROM range(50) AS n(i)"),))
    rows = [row for response in pages(serve(), "/it?sort=-side&limit=7") for row in response.json()]
    assert rows == [
        *({"side": 1, "i": i} for i in range(1, 50, 2)),
        *({"side": 0, "i": i} for i in range(0, 50, 2)),
    ]


@pytest.mark.parametrize("reverse", [False, True])
def test_pages_of_a_keyed_copy_go_on_behind_the_last_key(tmp_path: Path, *, reverse: bool) -> None:
    with Shelf.open(tmp_path / "store") as shelf:
        table = shelf.version("sales", "SELECT i, i % 3 AS side FROM range(100) AS n(i)")
        order = "DESC" if reverse else "ASC"
        keyed = KeyedQuery(
            sql="SELECT side AS k0, i AS k1, i FROM sales",
            key=(KeyPart("BIGINT"), KeyPart("BIGINT")),
            equal=("side",),
            reverse=reverse,
        )
        sql = f"SELECT i FROM sales WHERE side = $side ORDER BY i {order}"
        contract = shelf.contract([table], keyed, (Column("i", "BIGINT"),), sql)
        side = Parameter("side", "query", "BIGINT", required=True)
        contract = replace(contract, parameters=(side,))
        snapshot = shelf.snapshot([table], contract)
        shelf.build(snapshot)
        shelf.store.publish("prod", snapshot, parent=None, reason="test")
        service = create_app(shelf.store, "prod", ServeSettings(query_processes=False))
        service.refresh()
        try:
            client = Client(service)
            whole = client.get("/listed?side=1").json()
            assert len(whole) == 33
            found = pages(client, "/listed?side=1&limit=10")
            assert [row for each in found for row in each.json()] == whole
            # Other formats and listings go on by number in the same place.
            url = next_url(found[0])
            assert url is not None
            assert client.get(url.replace("/listed?", "/listed.ndjson?")).text.count("\n") == 10
            by_field = pages(client, "/listed?side=1&limit=7&fields=i&offset=5")
            assert [row for each in by_field for row in each.json()] == whole[5:]
            from_offset = pages(client, "/listed?side=1&limit=7&offset=5")
            assert [row for each in from_offset for row in each.json()] == whole[5:]
        finally:
            service.close()


def test_an_answer_that_is_streamed_has_a_link_too(shop: Shop, serve: Serve) -> None:
    """Its headers go before its last row is known: the page after it may be empty."""
    shop.publish_sales(rows=9000)
    client = serve()
    sizes = [len(each.json()) for each in pages(client, "/sales?limit=5000")]
    assert sizes[:2] == [5000, 4000]
    assert sizes[2:] in ([], [0])
    kept = [len(each.json()) for each in pages(client, "/sales?limit=5000")]
    assert kept == [5000, 4000]


def test_pages_go_on_in_the_snapshot_of_the_first(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    first = client.get("/sales?limit=4")
    for rows in (3, 5):
        shop.publish_sales(rows=rows)
        client.service.refresh()
    assert client.get("/sales").headers["x-snapshot"] == "3"
    url = next_url(first)
    assert url is not None
    second, third = pages(client, url)
    assert {each.headers["x-snapshot"] for each in (first, second, third)} == {"1"}
    assert len(first.json()) + len(second.json()) + len(third.json()) == 10


def test_a_publish_that_changes_nothing_of_the_answer_opens_no_old_snapshot(
    shop: Shop, serve: Serve
) -> None:
    table = shop.table("sales", SALES.format(rows=10))
    shop.publish(ALL_SALES, tables=(table,))
    client = serve()
    url = next_url(client.get("/sales?limit=4"))
    assert url is not None
    shop.publish(ALL_SALES, tables=(table, shop.table("other", "SELECT 1 AS one")))
    client.service.refresh()
    second, third = pages(client, url)
    assert {each.headers["x-snapshot"] for each in (second, third)} == {"1"}
    assert client.service._watcher.pins.editions() == []


def test_a_cursor_lives_longer_than_the_server(shop: Shop, serve: Serve) -> None:
    """Every process on the store agrees on what a cursor is."""
    shop.publish_sales(rows=10)
    url = next_url(serve().get("/sales?limit=4"))
    assert url is not None
    shop.publish_sales(rows=3)
    assert len(serve().get(url).json()) == 4


def test_an_endpoint_that_is_gone_is_paged_to_its_end(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    url = next_url(client.get("/sales?limit=4"))
    assert url is not None
    shop.publish(BY_STORE, tables=(shop.table("sales", SALES.format(rows=2)),))
    client.service.refresh()
    assert client.get("/sales?limit=4").status_code == 404
    assert len(client.get(url).json()) == 4


def test_a_snapshot_that_is_not_kept_is_410(shop: Shop, serve: Serve, clock: SetClock) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    url = next_url(client.get("/sales?limit=4"))
    assert url is not None
    for rows in (3, 5):
        shop.publish_sales(rows=rows)
    client.service.refresh()
    clock.advance(10 * 86_400)
    shop.store.collect(keep_days=1, keep_last=1)
    response = client.get(url)
    assert response.status_code == 410
    body = response.json()
    assert body["type"] == "urn:headrace:problem:snapshot-gone"
    assert body["detail"] == (
        "Snapshot 1 is not kept any more; ask without `cursor` and `snapshot`."
    )


def test_a_cursor_is_for_its_own_request_alone(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=100)
    client = serve()
    url = next_url(client.get("/stores/2/sales?since=2024-01-03&limit=5"))
    assert url is not None
    cursor = url.partition("cursor=")[2]
    others = [
        "/stores/3/sales?since=2024-01-03&limit=5",
        "/stores/2/sales?since=2024-01-04&limit=5",
        "/stores/2/sales?limit=5",
        "/stores/2/sales?since=2024-01-03&fields=day",
        "/sales?limit=5",
    ]
    for other in others:
        mark = "&" if "?" in other else "?"
        response = client.get(f"{other}{mark}cursor={cursor}")
        assert response.status_code == 422, other
        assert response.json()["errors"] == [
            {
                "parameter": "cursor",
                "found": "it belongs to a request with other parameters",
                "expected": "the URL of a `Link` header, unchanged but for its limit",
            }
        ]
    assert client.get(f"/stores/2/sales?since=2024-01-03&limit=9&cursor={cursor}").is_success


def test_what_is_no_cursor_is_refused(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    url = next_url(client.get("/sales?limit=4"))
    assert url is not None
    for bad in (url[:-1], url + "A", "/sales?cursor=abc", "/sales?cursor=%00", "/sales?cursor="):
        response = client.get(bad)
        assert response.status_code == 422, bad
        assert [each["parameter"] for each in response.json()["errors"]] == ["cursor"]
    response = client.get(url + "&offset=2")
    assert response.json()["errors"] == [
        {"parameter": "offset", "found": "a cursor is given, too", "expected": "one of both"}
    ]


def test_a_snapshot_is_named_only_where_that_is_allowed(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    shop.publish_sales(rows=3)
    refused = serve().get("/sales?snapshot=1")
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "This API answers from its newest snapshot only.",
    )
    assert serve().get("/nope?snapshot=1").status_code == 404


def test_a_named_snapshot_answers_as_it_did(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve(snapshots=True)
    before = client.get("/sales?limit=4")
    shop.publish_sales(rows=3)
    client.service.refresh()
    assert len(client.get("/sales").json()) == 3
    again = client.get("/sales?limit=4&snapshot=1")
    assert (again.content, again.headers["x-snapshot"]) == (before.content, "1")
    assert again.headers["etag"] == before.headers["etag"]
    found = pages(client, "/sales?limit=4&snapshot=1")
    assert [len(each.json()) for each in found] == [4, 4, 2]
    url = next_url(again)
    assert url is not None
    assert client.get(url.replace("snapshot=1", "snapshot=2")).json()["errors"] == [
        {"parameter": "snapshot", "found": "'2'", "expected": "1, as the cursor says"}
    ]
    assert client.get("/sales?snapshot=2").headers["x-snapshot"] == "2"
    missing = client.get("/sales?snapshot=9")
    assert (missing.status_code, missing.json()["detail"]) == (404, "There is no snapshot 9 yet.")
    assert client.get("/sales?snapshot=one").status_code == 422
    assert client.get("/openapi.json?snapshot=1").json()["info"]["version"] == "1"


# The consistency of everything that takes more than one query: each table carries its version.

VERSIONED = endpoint(
    "SELECT version, i FROM numbers ORDER BY i",
    (Column("version", "INTEGER"), Column("i", "BIGINT")),
    tables=("numbers",),
    path="/numbers",
    name="numbers",
)
OTHER = endpoint(
    "SELECT DISTINCT version FROM others",
    (Column("version", "INTEGER"),),
    tables=("others",),
    path="/others",
    name="others",
)
CLIENTS = 8


def publish_version(shop: Shop, version: int) -> None:
    numbers = f"SELECT {version} AS version, i FROM range({60 + version % 5}) AS n(i)"
    others = f"SELECT {version} AS version FROM range(3)"
    shop.publish(
        VERSIONED, OTHER, tables=(shop.table("numbers", numbers), shop.table("others", others))
    )


def follow(url: str) -> int:
    """Read all pages of one answer, and make sure that they are of one version."""
    with httpx.Client(base_url=url, timeout=30) as client:
        response = client.get("/numbers?limit=20")
        rows, numbers = [], set()
        while True:
            assert response.status_code == 200, response.text
            rows += response.json()
            numbers.add(response.headers["x-snapshot"])
            following = next_url(response)
            if following is None:
                break
            response = client.get(following)
    [version] = {row["version"] for row in rows}
    assert [row["i"] for row in rows] == list(range(60 + version % 5))
    assert len(numbers) == 1
    return int(version)


def ask_batch(url: str) -> int:
    """Ask several questions at once, and make sure that the answers are of one version."""
    paths = ["/numbers?limit=5", "/others", "/numbers?limit=5&offset=50", "/others"]
    with httpx.Client(base_url=url, timeout=30) as client:
        response = client.post("/batch", json={"calls": [{"path": path} for path in paths]})
    assert response.status_code == 200, response.text
    answers = response.json()["answers"]
    assert [each["status"] for each in answers] == [200] * len(paths)
    [version] = {row["version"] for each in answers for row in each["body"]}
    return int(version)


def test_nothing_mixes_two_snapshots_while_others_are_published(shop: Shop) -> None:
    publish_version(shop, 1)
    done = threading.Event()
    published = [1]

    def keep_publishing() -> None:
        while not done.is_set():
            publish_version(shop, published[0] + 1)
            published[0] += 1

    publisher = threading.Thread(target=keep_publishing)
    settings = ServeSettings(poll_seconds=0.01)
    with serving(shop, settings) as url, ThreadPoolExecutor(CLIENTS) as clients:
        publisher.start()
        try:
            asked = [clients.submit((follow, ask_batch)[n % 2], url) for n in range(20 * CLIENTS)]
            versions = {each.result() for each in asked}
        finally:
            done.set()
            publisher.join()
    assert published[0] > 3
    assert len(versions) > 1


@pytest.mark.parametrize("url", ["/numbers?limit=20", "/numbers?limit=20&fields=i"])
def test_many_who_follow_one_cursor_open_its_snapshot_once(shop: Shop, url: str) -> None:
    publish_version(shop, 1)
    with serving(shop, ServeSettings(poll_seconds=0.01)) as address:
        following = next_url(httpx.get(address + url))
        publish_version(shop, 2)
        while httpx.get(address + "/others").headers["x-snapshot"] != "2":
            pass
        with ThreadPoolExecutor(CLIENTS) as clients:
            found = list(clients.map(lambda _: httpx.get(f"{address}{following}"), range(16)))
    assert {(each.status_code, each.content) for each in found} == {(200, found[0].content)}

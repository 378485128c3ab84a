"""The quick way says what the slow path says, or nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.base.clock import SetClock
from headrace.base.tables import Column
from headrace.serve import ServeSettings, create_app
from headrace.serve.answering.answers import Headers
from headrace.serve.app import Service
from headrace.store.snapshots import Parameter
from headrace.store.store import Store
from tests.serve.conftest import Serve
from tests.serve.shop import BY_STORE, SALES, Client, Shop, endpoint

TEXTS = ["", "0", "1", "2", "x", "-1", "2024-01-02", "%31", "1+1", "%FF", "é".encode().hex()]
PATHS = st.one_of(
    st.sampled_from(
        [
            "/",
            "/sales",
            "/sales.csv",
            "/sales.json",
            "/sales/",
            "//sales",
            "/livez",
            "/stores//sales",
        ]
    ),
    st.sampled_from(TEXTS).map(lambda text: f"/stores/{text}/sales"),
    st.sampled_from(TEXTS).map(lambda text: f"/stores/{text}/sales.ndjson"),
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["limit", "offset", "since", "store_id", "n", "", "%6Cimit", "cursor", "%63ursor"]
        ),
        st.sampled_from(TEXTS),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={text}" for name, text in pairs))
HEADERS = st.lists(
    st.sampled_from(
        [
            (b"accept", b"*/*"),
            (b"accept", b"text/csv, application/json;q=0.5"),
            (b"accept", b"image/png"),
            (b"if-none-match", b"*"),
            (b"if-none-match", b'"other"'),
            (b"content-length", b"0"),
            (b"authorization", b""),
            (b"authorization", b"Bearer nobody"),
            (b"x-more", b"1"),
            (b"x-large", b"1" * 20_000),
        ]
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # Its time stands still, so that data has one age.
    clock = SetClock(datetime(2024, 3, 1, 12, tzinfo=UTC))
    shop = Shop(Store.open(tmp_path_factory.mktemp("hot") / "store", clock=clock))
    shop.publish_sales(rows=60)
    service = create_app(shop.store, "prod", ServeSettings())
    service.refresh()
    yield service
    service.close()
    shop.engine.close()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["GET", "HEAD", "POST"]), PATHS, QUERIES, HEADERS)
def test_what_is_answered_at_once_is_what_is_answered_slowly(
    service: Service, method: str, path: str, query: str, headers: Headers
) -> None:
    slow = asyncio.run(slowly(service, method, path, query, headers))
    # Asked for once, so that its answer is known, it may be answered at once.
    hot = service.hot(method, path.encode(), query.encode(), headers)
    if hot is None:
        return
    given_headers = dict([*hot.ready.head.pairs, *hot.varying()])
    body = b"" if method == "HEAD" else hot.ready.body
    assert (hot.ready.status, given_headers, body) == slow


def test_answers_that_are_known_are_answered_at_once(service: Service) -> None:
    for method, path, query in [("GET", "/sales", ""), ("HEAD", "/stores/1/sales", "limit=2")]:
        asyncio.run(slowly(service, "GET", path, query, []))
        assert service.hot(method, path.encode(), query.encode(), [])


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"")],
        [(b"authorization", b""), (b"authorization", b"Bearer nobody")],
        [(b"authorization", b"Bearer nobody"), (b"authorization", b"")],
    ],
)
def test_a_credential_that_says_nothing_is_not_nobody(service: Service, headers: Headers) -> None:
    assert asyncio.run(slowly(service, "GET", "/sales", "", []))[0] == 200
    assert asyncio.run(slowly(service, "GET", "/sales", "", headers))[0] == 401
    assert service.hot("GET", b"/sales", b"", headers) is None


@pytest.mark.parametrize("path", ["/livez", "/%6Civez", "/readyz", "/openapi.json", "/manage"])
def test_an_endpoint_for_any_path_answers_for_nothing_of_the_server(
    shop: Shop, serve: Serve, path: str
) -> None:
    word = Parameter("word", "path", "VARCHAR", required=True)
    sql, columns = "SELECT $word AS word", (Column("word", "VARCHAR"),)
    shop.publish(endpoint(sql, columns, word, path="/{word}"))
    client = serve()
    before = said(client, path)
    # The same value by a path that is free, so that its answer is known.
    named = unquote(path.removesuffix(".json"))
    assert client.get(f"{named}.json.json").status_code == 200
    assert client.get(f"{named}.json").headers["content-type"] == "application/json"
    assert said(client, path) == before
    assert client.service.hot("GET", path.encode(), b"", []) is None


def test_calls_that_are_answered_at_once_are_counted(shop: Shop, serve: Serve) -> None:
    shop.publish(BY_STORE, tables=(shop.table("sales", SALES.format(rows=50)),))
    client = serve()
    for _ in range(3):
        client.get("/stores/1/sales")
    assert calls(client) == 3


def test_no_number_of_targets_makes_memory_grow(
    shop: Shop, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.serve.quick_way._MOST_TARGETS", 10)
    monkeypatch.setattr("headrace.serve.quick_way._MOST_ACCEPTS", 10)
    shop.publish_sales(rows=60)
    service = serve().service
    for number in range(1, 40):
        headers = [(b"accept", b"*/*;n=%d" % number)]
        service.hot("GET", b"/sales", b"limit=%d" % number, headers)
    edition = service._watcher.acquire()
    assert edition is not None
    assert 0 < len(edition.targets) <= 10
    assert 0 < len(service._quick_way._accepted) <= 10
    service._watcher.release(edition)


def test_no_length_of_targets_makes_memory_grow(shop: Shop, serve: Serve) -> None:
    word = Parameter("word", "query", "VARCHAR", required=True)
    shop.publish(endpoint("SELECT $word AS word", (Column("word", "VARCHAR"),), word))
    client = serve()
    service = client.service
    long, accept = b"word=" + b"x" * 2000, b"*/*;q=0." + b"1" * 2000
    assert client.get(f"/it?{long.decode()}").status_code == 200
    assert service.hot("GET", b"/it", long, [])
    service.hot("GET", b"/it", b"word=x", [(b"accept", accept)])
    edition = service._watcher.acquire()
    assert edition is not None
    assert edition.targets == {}
    assert accept not in service._quick_way._accepted
    service._watcher.release(edition)


def said(client: Client, path: str) -> tuple[int, str]:
    """The answer to a GET, without the number that each refusal has."""
    response = client.get(path)
    return response.status_code, re.sub(r"urn:uuid:[-0-9a-f]+", "", response.text)


def calls(client: Client) -> int:
    """How often the path of the one endpoint was answered."""
    return client.service._counts.of(BY_STORE.path).total


async def slowly(
    service: Service, method: str, path: str, query: str, headers: Headers
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body by the slow path."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await service._guarded(scope, receive, send)
    body = b"".join(each["body"] for each in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), body

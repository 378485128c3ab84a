"""The whole application: routes, methods, health, and no bad input that makes it fail."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.store.snapshots import Parameter
from tests.serve.conftest import Serve
from tests.serve.shop import Client, Shop, endpoint, run, value_endpoint


def test_nothing_published_is_not_ready_but_alive(serve: Serve) -> None:
    client = serve()
    assert client.get("/livez").json() == {"status": "live"}
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "not ready",
        "environment": "prod",
        "snapshot": None,
        "reason": "nothing is published in prod",
    }
    response = client.get("/sales")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["detail"] == "No snapshot is loaded yet."


def test_ready_says_which_snapshot(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    ready = serve().get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "environment": "prod", "snapshot": 1}


def test_a_draining_server_is_not_ready_and_closes_connections(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    client.service.drain()
    assert client.get("/readyz").json()["reason"] == "the server is shutting down"
    response = client.get("/sales?limit=1")
    assert (response.status_code, response.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("url", ["/sales", "/", "/openapi.json", "/livez"])
def test_other_methods_are_405(shop: Shop, serve: Serve, url: str) -> None:
    shop.publish_sales()
    client = serve()
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"):
        response = client.request(method, url)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert response.json()["detail"] == "This path answers GET, HEAD, OPTIONS."
    options = client.request("OPTIONS", url)
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_a_path_that_is_not_served_is_404(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    for url in ("/nope", "/sales/", "/stores//sales", "/stores", "/docs", "/redoc"):
        response = client.get(url)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_a_problem_says_what_it_is(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    body = serve().get("/nope").json()
    assert body.pop("instance").startswith("urn:uuid:")
    assert body == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Nothing is served at this path; GET / lists what is.",
    }


def test_an_accept_that_nothing_fits_is_406(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    response = client.get("/sales", {"Accept": "application/xml"})
    assert response.status_code == 406
    assert response.json()["detail"] == (
        "This path answers as application/json, application/x-ndjson, text/csv,"
        " application/vnd.apache.arrow.stream, application/vnd.apache.parquet,"
        " application/vnd.openxmlformats-officedocument.spreadsheetml.sheet."
    )
    assert client.get("/sales.json", {"Accept": "application/xml"}).status_code == 200


def test_a_path_parameter_may_hold_a_slash(shop: Shop, serve: Serve) -> None:
    parameter = Parameter("name", "path", "VARCHAR", required=True)
    echo = value_endpoint("$name", "VARCHAR", parameter)
    shop.publish(endpoint(echo.sql, echo.columns, parameter, path="/names/{name}"))
    client = serve()
    assert client.rows("/names/a%2Fb%20+c") == [{"value": "a/b +c"}]
    assert client.rows("/names/a.csv.json") == [{"value": "a.csv"}]
    assert client.rows("/names/%2e%2e%2f") == [{"value": "../"}]


# What a fuzzer or an attacker sends; each is a client error, or an answer that is right.
BAD_URLS = [
    f"/stores/{text}/sales"
    for text in ["{", "%FF", "%22%5Cud800%22", "NaN", "1e999", "-0", str(2**63), str(2**128),
                 "9" * 5000, "%5B" * 2000, "%00", "%2e%2e%2f", "..;", "%5C", "%EF%BB%BF1", "1%00"]
] + [
    f"/stores/1/sales?{query}"
    for query in ["limit=-1", "limit=0", f"limit={2**63}", "offset=-1", f"offset={2**64}",
                  "since=294247-01-10", "since=2024-13-01", "since=0000-00-00", "since=",
                  "since=2024-01-01&since=2024-01-02", "a" * 7000 + "=1", "%00=1", "x[]=1", "&&&=",
                  "=", "%", "%zz", "since=%ED%A0%80", "limit=1;offset=1"]
]  # fmt: skip


@pytest.fixture
def sales(shop: Shop, serve: Serve) -> Client:
    shop.publish_sales()
    return serve()


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_bad_url_is_never_500(sales: Client, url: str) -> None:
    response = sales.get(url)
    assert response.status_code in (200, 400, 404, 422)
    assert "Traceback" not in response.text
    if response.status_code != 200:
        assert response.json()["status"] == response.status_code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Accept", "*/*;q=NaN"),
        ("Accept", "\xff"),
        ("Accept", ", ,;;q=;"),
        ("If-None-Match", '"' * 999),
        ("If-None-Match", "\xff\x00"),
        ("Range", "bytes=" + ",".join("0-1" for _ in range(2000))),
        ("Host", "evil/../"),
        ("Content-Type", "\xff"),
        ("Content-Length", "-1"),
        ("Content-Length", "9" * 50),
        ("Cookie", "x" * 64_000),
    ],
)
def test_a_bad_header_is_never_500(sales: Client, name: str, value: str) -> None:
    headers = [(name.lower().encode(), value.encode("latin-1"))]
    status, _, body = sales.raw(path="/sales", headers=headers)
    assert status in (200, 406, 413, 431)
    assert b"Traceback" not in body


def test_what_is_too_long_is_refused(sales: Client) -> None:
    assert sales.get("/sales?x=" + "a" * 9000).status_code == 414
    assert sales.get("/" + "a" * 9000).status_code == 414
    assert sales.get("/sales", {"Cookie": "a" * 17_000}).status_code == 431
    assert sales.raw(path="/sales", query_string=b"&" * 1_000_000)[0] == 414
    long = [(b"content-length", b"2000000")]
    assert sales.raw(path="/sales", method="POST", headers=long)[0] == 413


def test_a_request_without_raw_path_is_answered(sales: Client) -> None:
    assert sales.raw(path="/stores/1/sales")[0] == 200
    assert sales.raw(path="/stores/\udcff/sales")[0] == 400


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.binary(max_size=40), query=st.binary(max_size=40), accept=st.binary(max_size=20))
def test_no_bytes_make_it_fail(sales: Client, path: bytes, query: bytes, accept: bytes) -> None:
    for raw in (b"/" + path, b"/stores/" + path + b"/sales"):
        status, _, body = sales.raw(
            path=raw.decode("utf-8", "replace"),
            raw_path=raw,
            query_string=query,
            headers=[(b"accept", accept)],
        )
        assert status < 500, body


def test_a_failure_of_ours_is_500_without_insides(
    sales: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(sales.service._questions, "compiled", broken)
    response = sales.get("/sales")
    assert response.status_code == 500
    assert response.json()["detail"] == "The answer could not be made; the server's log says why."
    assert "secret" not in response.text


def test_the_lifespan_opens_and_closes(shop: Shop, serve: Serve) -> None:
    client = serve()
    shop.publish_sales()
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return next(incoming)

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message["type"])
        if message["type"] == "lifespan.startup.complete":
            edition = client.service._watcher.acquire()
            assert edition is not None
            client.service._watcher.release(edition)

    async def lifespan() -> None:
        await client.service({"type": "lifespan"}, receive, send)

    run(lifespan())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_closed(sales: Client) -> None:
    sent: list[object] = []

    async def nothing() -> dict[str, str]:
        return {}

    async def send(message: object) -> None:
        sent.append(message)

    async def connect() -> None:
        await sales.service({"type": "websocket"}, nothing, send)

    run(connect())
    assert sent == [{"type": "websocket.close", "code": 1000}]

"""Pages of other origins: those of the list may read, and no other is told anything."""

from __future__ import annotations

import pytest

from headrace.base.errors import UsageError
from headrace.serve.cross_origin import EXPOSED, CrossOrigin
from tests.serve.conftest import Serve
from tests.serve.shop import Shop

APP = "https://app.example"
ASKING = {"Access-Control-Request-Method": "GET"}


def test_without_a_list_no_answer_speaks_of_origins(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)
    client = serve()
    response = client.get("/sales", {"Origin": APP})
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert not [name for name in response.headers if name.startswith("access-control")]
    options = client.request("OPTIONS", "/sales", headers={"Origin": APP, **ASKING})
    assert options.headers["allow"] == "GET, HEAD, OPTIONS"
    assert not [name for name in options.headers if name.startswith("access-control")]


@pytest.mark.parametrize("url", ["/sales", "/sales?limit=1", "/", "/openapi.json", "/no", "/livez"])
def test_a_page_of_the_list_may_read_every_answer(shop: Shop, serve: Serve, url: str) -> None:
    shop.publish_sales(rows=2)
    client = serve(cors=(APP,))
    for _ in range(2):  # made, and kept
        response = client.get(url, {"Origin": APP})
        assert response.headers["access-control-allow-origin"] == APP
        assert response.headers["access-control-expose-headers"] == EXPOSED
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"].split(", ")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "*", "", "https://app.example.evil.example", "x" * 50],
)
def test_any_other_page_may_not(shop: Shop, serve: Serve, origin: str) -> None:
    shop.publish_sales(rows=2)
    client = serve(cors=(APP,))
    for _ in range(2):
        response = client.get("/sales", {"Origin": origin})
        assert response.status_code == 200
        assert response.headers["vary"] == "Accept, Accept-Encoding, Origin"
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert client.get("/sales").headers["vary"] == "Accept, Accept-Encoding, Origin"


def test_a_browser_may_ask_before(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)
    client = serve(cors=(APP,))
    for url in ("/sales", "/batch", "/sales/stream", "/nowhere"):
        response = client.request("OPTIONS", url, headers={"Origin": APP, **ASKING})
        assert response.status_code == 204
        assert response.headers["access-control-allow-origin"] == APP
        assert response.headers["access-control-allow-methods"] == "GET, HEAD, POST"
        assert response.headers["access-control-allow-headers"] == (
            "Accept, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id"
        )
        assert response.headers["access-control-max-age"] == "600"
    foreign = {"Origin": "https://evil.example", **ASKING}
    refused = client.request("OPTIONS", "/sales", headers=foreign)
    assert "access-control-allow-methods" not in refused.headers


@pytest.mark.parametrize("origin", ["*", "null", "https://app.example/", "HTTPS://app.example"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="is no origin; expected one as browsers send it"):
        CrossOrigin([origin])

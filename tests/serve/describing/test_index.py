"""The page at / lists what is served, as JSON or as a page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, SALES, Shop

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_the_index_lists_endpoints(shop: Shop, serve: Serve) -> None:
    ref = shop.publish_sales()
    assert serve().get("/").json() == {
        "project": "shop",
        "snapshot": 1,
        "published_at": ref.at,
        "openapi": "/openapi.json",
        "endpoints": [
            {
                "name": "by_store",
                "path": "/stores/{store_id}/sales",
                "description": "What a store sold, day by day.",
                "version": 1,
                "deprecated": None,
                "sunset": None,
            },
            {
                "name": "all_sales",
                "path": "/sales",
                "description": "",
                "version": 1,
                "deprecated": None,
                "sunset": None,
            },
        ],
    }


def test_a_browser_gets_a_page_without_anything_foreign(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    response = serve().get("/", BROWSER)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"].split("; ")
    *confined, styles = policy
    assert confined == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert re.fullmatch(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", styles)
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert '<a href="/sales">/sales</a>' in response.text
    assert "<script" not in response.text
    assert "http://" not in response.text.replace("http://test", "")


def test_a_browser_sees_when_it_was_published_and_what_may_be_asked(
    shop: Shop, serve: Serve
) -> None:
    opened = replace(ALL_SALES, filters=("store_id", "day"), sorts=("day",))
    ref = shop.publish(opened, tables=(shop.table("sales", SALES.format(rows=1)),))
    text = serve().get("/", BROWSER).text
    assert f"published {ref.at[:10]} {ref.at[11:19]} UTC." in text
    assert "filter by <code>store_id</code>, <code>day</code>; sort by <code>day</code>" in text
    assert '<a href="/sales.csv">csv</a>' in text
    assert serve().get("/sales.csv").status_code == 200


def test_stored_text_cannot_become_markup(shop: Shop, serve: Serve) -> None:
    evil = replace(ALL_SALES, description="<img src=x onerror=alert(1)>")
    shop.publish(evil, tables=(shop.table("sales", SALES.format(rows=1)),))
    assert "<img" not in serve().get("/", BROWSER).text


def test_what_ends_is_marked(shop: Shop, serve: Serve) -> None:
    ending = replace(ALL_SALES, deprecated="2026-12-01", sunset="2027-03-01")
    shop.publish(ending, tables=(shop.table("sales", SALES.format(rows=1)),))
    client = serve()
    said = "<strong>deprecated from 2026-12-01, may be gone from 2027-03-01</strong>"
    assert said in client.get("/", BROWSER).text
    [listed] = client.get("/").json()["endpoints"]
    assert (listed["deprecated"], listed["sunset"]) == ("2026-12-01", "2027-03-01")

"""Calls are counted by path and day, add up across processes, and never fail a request."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from headrace.base.clock import SetClock
from headrace.serve import ServeSettings
from headrace.serve.app import create_app
from headrace.serve.counting import AccessCounts
from headrace.store.records import Records
from tests.serve.conftest import Serve
from tests.serve.serving import serving
from tests.serve.shop import ALL_SALES, SALES, Client, Shop


def calls(shop: Shop, day: str = "2024-01-01") -> dict[str, int]:
    with closing(Records.open(shop.store.records_path)) as records:
        return records.calls_since("prod", day)


def closed(client: Client) -> None:
    """End a service: what it has counted is on record."""
    client.service.close()


def test_answers_are_counted_by_path_and_refusals_are_not(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    tag = client.get("/stores/3/sales").headers["etag"]
    assert client.get("/stores/4/sales.csv").status_code == 200
    assert client.get("/stores/3/sales", {"If-None-Match": tag}).status_code == 304
    assert client.request("HEAD", "/sales").status_code == 200
    for method, url in [("GET", "/stores/x/sales"), ("OPTIONS", "/sales"), ("POST", "/sales"),
                        ("GET", "/nothing"), ("GET", "/"), ("GET", "/readyz")]:  # fmt: skip
        client.request(method, url)
    assert client.get("/sales", {"Accept": "image/png"}).status_code == 406
    closed(client)
    assert calls(shop) == {"/stores/{store_id}/sales": 3, "/sales": 1}


def test_several_servers_add_up(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    one, other = serve(), serve()
    for client in (one, other, one):
        client.get("/sales")
    closed(one)
    closed(other)
    assert calls(shop) == {"/sales": 3}


def test_a_new_snapshot_goes_on_counting(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    client.get("/sales")
    shop.publish(
        replace(ALL_SALES, name="other"), tables=(shop.table("sales", SALES.format(rows=9)),)
    )
    client.service.refresh()
    client.get("/sales")
    closed(client)
    assert calls(shop) == {"/sales": 2}


def test_a_call_counts_for_the_day_on_which_it_is_recorded(shop: Shop, clock: SetClock) -> None:
    counts = AccessCounts(shop.store, "prod", 1)
    counter = counts.of("/sales")
    counter.total += 2
    counts.flush()
    clock.advance(86_400)
    counter.total += 3
    counts.flush()
    counts.flush()
    assert calls(shop) == {"/sales": 5}
    assert calls(shop, "2024-03-02") == {"/sales": 3}


def test_without_calls_nothing_is_written(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    closed(serve())
    assert not shop.store.records_path.exists()


def test_a_record_that_cannot_be_written_fails_no_request_and_loses_no_call(
    shop: Shop, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    shop.publish_sales()
    counts = AccessCounts(shop.store, "prod", 1)
    counts.of("/sales").total += 1
    shop.store.records_path.write_bytes(b"no database, but a text that is long enough" * 30)
    with caplog.at_level(logging.WARNING, "headrace.serve"):
        counts.flush()
        counts.flush()
    [said] = caplog.messages
    assert said.startswith("calls are counted, and cannot be recorded now: ")
    client = serve()
    assert client.get("/sales").status_code == 200
    closed(client)
    shop.store.records_path.unlink()
    counts.flush()
    assert calls(shop) == {"/sales": 1}


def test_a_server_records_while_it_serves(shop: Shop) -> None:
    shop.publish_sales()
    with serving(shop, ServeSettings(count_seconds=0.01)) as url:
        assert httpx.get(f"{url}/sales").status_code == 200
        recorded = threading.Event()
        while not recorded.is_set():
            if shop.store.records_path.exists() and calls(shop) == {"/sales": 1}:
                recorded.set()


def test_a_service_that_was_never_asked_ends_at_once(shop: Shop) -> None:
    service = create_app(shop.store, "prod")
    service.close()
    assert not shop.store.records_path.exists()

"""What is published is served, without a request that fails or mixes two snapshots."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable

import httpx
import pytest

from headrace.base.clock import SetClock
from headrace.serve import ServeSettings, create_app
from headrace.serve.editions.watching import Watcher
from headrace.serve.kit import Kit
from tests.serve.conftest import Serve
from tests.serve.serving import serving
from tests.serve.shop import ALL_SALES, Client, Shop


def number(client: Client) -> int:
    return int(client.get("/sales?limit=1").headers["x-snapshot"])


def test_a_publish_and_a_rollback_are_picked_up(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    client = serve()
    first = client.get("/sales")
    shop.publish_sales(rows=20)
    assert number(client) == 1
    client.service.refresh()
    assert (number(client), len(client.rows("/sales"))) == (2, 20)
    shop.store.rollback("prod")
    client.service.refresh()
    again = client.get("/sales")
    assert again.headers["x-snapshot"] == "3"
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])


def test_a_damaged_snapshot_keeps_the_old_one_served(
    shop: Shop, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    shop.publish_sales(rows=10)
    client = serve(retry_seconds=0)
    shop.publish_sales(rows=20)
    newest = max(shop.store.data_root.rglob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    lost = newest.rename(newest.with_suffix(".lost"))
    client.service.refresh()
    assert number(client) == 1
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (
        200,
        "snapshot 2 cannot be opened; the server's log says why",
    )
    assert f"{newest}: it is missing" in caplog.text
    lost.rename(newest)
    client.service.refresh()
    assert number(client) == 2
    assert "reason" not in client.get("/readyz").json()


def test_a_damaged_snapshot_is_not_tried_at_once_again(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    shop.publish(ALL_SALES)
    client.service.refresh()
    failure = client.service._watcher.failure
    client.service.refresh()
    assert client.service._watcher.failure is failure is not None


def test_a_contract_that_its_query_does_not_keep_is_not_served(shop: Shop, serve: Serve) -> None:
    shop.publish_sales()
    client = serve()
    shop.publish(ALL_SALES, tables=(shop.table("sales", "SELECT 1 AS store_id, 2 AS day"),))
    client.service.refresh()
    assert number(client) == 1


def test_a_request_ends_on_the_snapshot_it_began_on(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=10)
    watcher = serve().service._watcher
    edition = watcher.acquire()
    assert edition is not None
    shop.publish_sales(rows=20)
    watcher.refresh()
    assert watcher.number == 2
    stream = edition.reader.local().query("SELECT count(*) FROM sales", {})
    assert stream.rows(2) == [(10,)]
    stream.close()
    assert leases(shop) == 2
    watcher.release(edition)
    watcher.refresh()
    assert leases(shop) == 1


def leases(shop: Shop) -> int:
    return len(list((shop.store.root / "leases").iterdir()))


def test_everything_is_given_back_at_the_end(shop: Shop) -> None:
    shop.publish_sales()
    service = create_app(shop.store, "prod")
    service.refresh()
    assert leases(shop) == 1
    service.close()
    assert leases(shop) == 0


def test_a_lease_is_renewed_or_taken_again(shop: Shop, serve: Serve, clock: SetClock) -> None:
    shop.publish_sales()
    service = serve().service
    ticks = itertools.count(step=30.0)
    kit = Kit.make(clock, service.settings)
    watcher = Watcher(kit, shop.store, "prod", monotonic=lambda: next(ticks))
    watcher.refresh()
    edition = watcher.acquire()
    assert edition is not None
    first = edition.lease
    clock.advance(50)
    watcher.refresh()
    clock.advance(50)
    watcher.refresh()
    assert edition.lease is first
    clock.advance(500)
    watcher.refresh()
    assert edition.lease is not first
    watcher.release(edition)
    watcher.close()


def test_publishing_and_rolling_back_under_load_fails_no_request(shop: Shop) -> None:
    """Eight clients over real sockets; every answer is one snapshot's, byte for byte."""
    for rows in (50, 60):
        shop.publish_sales(rows=rows)
    with serving(shop, ServeSettings(poll_seconds=0.02)) as url:
        seen: list[tuple[int, str]] = []
        stop = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=url) as client:
                while not stop.is_set():
                    response = client.get("/sales")
                    assert response.status_code == 200, response.text
                    digest = hashlib.sha256(response.content).hexdigest()
                    seen.append((int(response.headers["x-snapshot"]), digest))

        failures = _in_threads(8, ask, stop, lambda: _publish_and_roll_back(shop, url))
    assert not failures
    # Odd snapshots show the first content, even ones the second, and no answer shows a mixture.
    contents = {(snapshot % 2, digest) for snapshot, digest in seen}
    assert len(contents) == 2
    assert {parity for parity, _ in contents} == {0, 1}
    assert len({snapshot for snapshot, _ in seen}) >= 5


def _publish_and_roll_back(shop: Shop, url: str) -> None:
    """Roll back again and again: every step shows the other of two contents."""
    with httpx.Client(base_url=url) as client:
        for _ in range(6):
            head = shop.store.rollback("prod")
            while client.get("/readyz").json()["snapshot"] != head.number:
                pass


def _in_threads(
    count: int, work: Callable[[], None], stop: threading.Event, meanwhile: Callable[[], None]
) -> list[BaseException]:
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(exc)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        meanwhile()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return failures

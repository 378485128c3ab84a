"""Answers are kept by all that they depend on: never stale, never made twice at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from headrace.base.access import ANONYMOUS
from headrace.base.tables import Column
from headrace.serve.asking.asked import Asked, Request
from headrace.serve.asking.parameters import Values
from headrace.serve.caching.cache import AnswerCache, Entry
from headrace.serve.endpoints import CompiledEndpoint
from headrace.serve.formats.forms import formats
from headrace.store.snapshots import Parameter
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Client, Shop, endpoint, run

JSON = formats(csv_formula_guard=True).offered[0]
ASKED = Asked("/it", Request({}, [], JSON), Values({}, ""), "tag", ANONYMOUS)
NUMBER = Parameter("n", "query", "BIGINT", required=False, default=0)
STOCK = replace(
    endpoint("SELECT sum(pieces) AS pieces FROM stock", (Column("pieces", "HUGEINT"),)),
    name="stock",
    path="/stock",
    tables=("stock",),
)


def outcomes(client: Client) -> tuple[int, int]:
    """(hits, misses) so far."""
    statistics = client.service.statistics
    return statistics.hits, statistics.misses


def publish_both(shop: Shop, *, sales: int, stock: int) -> None:
    """Publish the sales, and the stock beside them; equal counts are equal versions."""
    tables = (
        shop.table("sales", SALES.format(rows=sales)),
        shop.table("stock", f"SELECT i AS pieces FROM range({stock}) AS numbers(i)"),
    )
    shop.publish(ALL_SALES, STOCK, tables=tables)


def test_a_publish_leaves_the_answers_over_other_tables_valid(shop: Shop, serve: Serve) -> None:
    """One table changes: what reads it is made anew, everything else is still there."""
    publish_both(shop, sales=10, stock=5)
    client = serve(warm_answers=0)
    old_sales, old_stock = client.get("/sales"), client.get("/stock")
    assert outcomes(client)[0] == 0
    publish_both(shop, sales=10, stock=7)
    client.service.refresh()
    hits, _ = outcomes(client)
    sales = client.get("/sales")
    assert outcomes(client)[0] == hits + 1
    assert (sales.content, sales.headers["x-snapshot"]) == (old_sales.content, "2")
    assert sales.headers["etag"] == old_sales.headers["etag"]
    hits, misses = outcomes(client)
    stock = client.get("/stock")
    assert outcomes(client)[0] == hits
    assert outcomes(client)[1] > misses
    assert (old_stock.json(), stock.json()) == ([{"pieces": 10}], [{"pieces": 21}])
    assert stock.headers["etag"] != old_stock.headers["etag"]


def test_the_answers_asked_for_most_are_there_before_a_snapshot_is_switched_in(
    shop: Shop, serve: Serve
) -> None:
    publish_both(shop, sales=10, stock=5)
    client = serve()
    for _ in range(3):
        client.get("/stock")
    publish_both(shop, sales=10, stock=7)
    client.service.refresh()
    hits, misses = outcomes(client)
    assert client.get("/stock").json() == [{"pieces": 21}]
    assert outcomes(client) == (hits + 1, misses)


def test_an_endpoint_of_few_answers_has_all_of_them_from_the_start(
    shop: Shop, serve: Serve
) -> None:
    sizes = Parameter("size", "path", "VARCHAR", required=True, enum=("S", "L"))
    flag = Parameter("big", "query", "BOOLEAN", required=False, default=True)
    contract = endpoint(
        "SELECT $size || $big AS it", (Column("it", "VARCHAR"),), sizes, flag, path="/sizes/{size}"
    )
    shop.publish(replace(contract, access_path="cache"))
    client = serve()
    misses = client.service.statistics.misses
    urls = [f"/sizes/{size}?big={big}" for size in "SL" for big in ("true", "false")]
    assert [client.get(url).json() for url in urls] == [
        [{"it": "Strue"}],
        [{"it": "Sfalse"}],
        [{"it": "Ltrue"}],
        [{"it": "Lfalse"}],
    ]
    assert client.service.statistics.misses == misses


async def together(client: Client, *urls: str) -> list[httpx.Response]:
    """The answers to requests that are sent at the same time."""
    transport = httpx.ASGITransport(client.service)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as sender:
        return list(await asyncio.gather(*(sender.get(url) for url in urls)))


SLOW = endpoint(
    "SELECT count(*) + $n AS value FROM range(3000000) AS a(i) WHERE hash(i) % 7 = 0",
    (Column("value", "BIGINT"),),
    NUMBER,
)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """Every query that is run, noted on the way."""
    noted: list[Asked] = []
    stream = CompiledEndpoint._stream

    def noting(self: CompiledEndpoint, asked: Asked) -> object:
        noted.append(asked)
        return stream(self, asked)

    monkeypatch.setattr(CompiledEndpoint, "_stream", noting)
    return noted


def test_equal_questions_at_the_same_time_are_one_query(
    shop: Shop, serve: Serve, runs: list[Asked]
) -> None:
    shop.publish(SLOW)
    client = serve()
    answers = run(together(client, *["/it?n=1"] * 20, *["/it?n=2"] * 20))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 2
    assert len(runs) == 2


def test_whoever_waits_is_answered_although_the_one_who_asked_has_left(
    shop: Shop, serve: Serve, runs: list[Asked]
) -> None:
    shop.publish(SLOW)
    client = serve()

    async def leave_and_wait() -> httpx.Response:
        transport = httpx.ASGITransport(client.service)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as sender:
            first = asyncio.ensure_future(sender.get("/it"))
            while not runs:
                await asyncio.sleep(0)
            second = asyncio.ensure_future(sender.get("/it"))
            await asyncio.sleep(0)
            first.cancel()
            return await second

    assert run(leave_and_wait()).status_code == 200
    assert len(runs) == 2


def test_what_cannot_be_computed_is_known_to_be_so(
    shop: Shop, serve: Serve, runs: list[Asked]
) -> None:
    pattern = Parameter("p", "query", "VARCHAR", required=True)
    contract = endpoint("SELECT regexp_matches('x', $p) AS it", (Column("it", "BOOLEAN"),), pattern)
    shop.publish(contract)
    client = serve()
    answers = [client.get("/it?p=(") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert len(runs) == 1


def test_an_answer_that_was_refused_for_lack_of_room_is_asked_for_again(
    shop: Shop, serve: Serve
) -> None:
    shop.publish(SLOW)
    client = serve(workers=1, queue=0)
    answers = run(together(client, *(f"/it?n={n}" for n in range(6))))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {client.get(f"/it?n={n}").status_code for n in range(6)} == {200}


def test_a_large_answer_goes_to_everybody_and_is_not_kept(
    shop: Shop, serve: Serve, runs: list[Asked]
) -> None:
    shop.publish_sales(rows=20_000)
    client = serve(cache_bytes=160_000)
    answers = run(together(client, *["/sales?limit=20000"] * 3))
    assert [len(answer.json()) for answer in answers] == [20_000] * 3
    assert len(client.get("/sales?limit=20000").json()) == 20_000
    assert len(runs) == 4
    assert client.service.statistics.entries == 0


@pytest.mark.parametrize("cache_bytes", [0, 2**26])
def test_a_cache_changes_nothing_but_the_work(shop: Shop, serve: Serve, cache_bytes: int) -> None:
    shop.publish(BY_STORE, tables=(shop.table("sales", SALES.format(rows=500)),))
    client = serve(cache_bytes=cache_bytes)
    urls = [f"/stores/{store}/sales?limit={limit}" for store in (1, 2) for limit in (3, 5)]
    first = [client.get(url) for url in urls]
    again = [client.get(url) for url in urls]
    assert [each.content for each in first] == [each.content for each in again]
    assert [dict(each.headers) for each in first] == [dict(each.headers) for each in again]
    assert len({each.headers["etag"] for each in first}) == 4


def test_the_least_recently_used_leave_first() -> None:
    room = AnswerCache(16 * 1600)
    for number in range(20):
        room.put(str(number), Entry(b"x" * 1000, ASKED))
        room.get("0")
    assert room.has("0")
    assert not room.has("1")
    assert room.has("19")
    statistics = room.statistics
    assert (statistics.entries, statistics.evicted, statistics.size_bytes) == (16, 4, 16 * 1600)


def test_no_entry_takes_more_than_its_part_of_the_room() -> None:
    room = AnswerCache(16 * 1600)
    room.put("large", Entry(b"x" * 1601, ASKED))
    assert not room.has("large")


def test_the_hottest_are_those_with_the_most_hits() -> None:
    room = AnswerCache(2**20)
    for number in range(4):
        asked = ASKED._replace(tag=str(number))
        room.put(str(number), Entry(b"", asked))
        for _ in range(number):
            room.get(str(number))
    assert [asked.tag for asked in room.hottest(2)] == ["3", "2"]
    assert [asked.tag for asked in room.hottest(9)] == ["3", "2", "1"]


def test_long_requests_do_not_outgrow_the_cache() -> None:
    """Twenty thousand answers of no rows to requests of 8 KiB would be 300 MB."""
    cache = AnswerCache(1_000_000)
    for number in range(1000):
        text = f"{number}{'x' * 8000}"
        request = Request({}, [("word", text)], JSON, b"/it")
        asked = Asked("/it", request, Values({"word": text}, text), str(number), ANONYMOUS)
        cache.put(str(number), Entry(b"[]\n", asked))
    found = cache.statistics
    assert found.size_bytes <= 1_000_000
    assert found.entries < 1_000_000 / 32_000
    assert found.entries + found.evicted == 1000

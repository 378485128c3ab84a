"""Event streams: the answer as it is, then each new one, and nothing is held in between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from headrace.base.tables import Column
from headrace.serve.app import Service
from headrace.store.snapshots import Parameter
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, BY_STORE, SALES, Shop, endpoint, run, value_endpoint


class Listener:
    """A client of one stream, in the event loop of a test."""

    def __init__(self, service: Service, url: str, **headers: str) -> None:
        path, _, query = url.partition("?")
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "scheme": "http",
            "headers": [(b"host", b"test")]
            + [
                (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
            ],
        }
        self.start: dict[str, Any] = {}
        self.ended = False
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._left = asyncio.Event()
        self.task = asyncio.ensure_future(service(self.scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self._sent.put(dict(message))

    async def next(self) -> str:
        """The next piece that was sent; "" at the end."""
        message = await asyncio.wait_for(self._sent.get(), 10)
        if message["type"] == "http.response.start":
            self.start = message
            return await self.next()
        if not message.get("more_body"):
            self.ended = True
        return str(message["body"].decode())

    async def event(self) -> dict[str, str]:
        """The fields of the next event."""
        while True:
            piece = await self.next()
            assert not self.ended, piece
            lines = [line for line in piece.splitlines() if line and not line.startswith(":")]
            if lines and not piece.startswith("retry"):
                return dict(line.split(": ", 1) for line in lines)

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()


def streaming(
    serve: Serve, scenario: Callable[[Service], Awaitable[None]], **settings: object
) -> None:
    run(_run(serve(**settings).service, scenario))


async def _run(service: Service, scenario: Callable[[Service], Awaitable[None]]) -> None:
    await scenario(service)


QUICK = {"poll_seconds": 0.01, "keep_alive_seconds": 30}


def test_a_stream_gives_the_answer_and_each_new_one(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream?limit=3")
        first = await listener.event()
        assert first["event"] == "answer"
        assert first["id"].startswith('W/"')
        assert [row["store_id"] for row in json.loads(first["data"])] == [0, 1]
        headers = dict(listener.start["headers"])
        assert headers[b"content-type"] == b"text/event-stream"
        assert headers[b"cache-control"] == b"no-store"
        shop.publish_sales(rows=1)
        service.refresh()
        second = await listener.event()
        assert len(json.loads(second["data"])) == 1
        assert second["id"] != first["id"]
        listener.leave()
        await listener.task
        assert service.streams.count == 0

    streaming(serve, scenario, **QUICK)


def test_a_publish_that_does_not_change_the_answer_is_no_news(shop: Shop, serve: Serve) -> None:
    table = shop.table("sales", SALES.format(rows=2))
    shop.publish(ALL_SALES, tables=(table,))

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream")
        first = await listener.event()
        shop.publish(ALL_SALES, tables=(table, shop.table("other", "SELECT 1 AS one")))
        service.refresh()
        shop.publish_sales(rows=1)
        await asyncio.sleep(0)
        service.refresh()
        second = await listener.event()
        assert len(json.loads(second["data"])) == 1
        assert second["id"] != first["id"]
        listener.leave()
        await listener.task

    streaming(serve, scenario, **QUICK)


def test_who_has_the_answer_already_is_not_sent_it_again(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream")
        first = await listener.event()
        listener.leave()
        await listener.task
        again = Listener(service, "/sales/stream", last_event_id=first["id"])
        assert await again.next() == "retry: 2000\n\n"
        shop.publish_sales(rows=1)
        service.refresh()
        assert len(json.loads((await again.event())["data"])) == 1
        again.leave()
        await again.task

    streaming(serve, scenario, **QUICK)


def test_a_stream_without_news_says_that_it_is_there(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream")
        await listener.event()
        assert await listener.next() == ": nothing new\n\n"
        listener.leave()
        await listener.task

    streaming(serve, scenario, poll_seconds=0.01, keep_alive_seconds=0.02)


def test_an_idle_stream_holds_no_old_snapshot(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream")
        await listener.event()
        old = service._watcher.acquire()
        assert old is not None
        service._watcher.release(old)
        assert old.holds == 0
        listener.leave()
        await listener.task

    streaming(serve, scenario, **QUICK)


def test_draining_ends_every_stream(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listeners = [Listener(service, "/sales/stream") for _ in range(3)]
        for listener in listeners:
            await listener.event()
        service.drain()
        for listener in listeners:
            await listener.task
            assert await listener.next() == ""
            assert listener.ended
        late = Listener(service, "/sales/stream")
        await late.task
        await late.next()
        assert late.start["status"] == 503

    streaming(serve, scenario, **QUICK)


def test_one_stream_too_many_is_503(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        first = Listener(service, "/sales/stream")
        await first.event()
        second = Listener(service, "/sales/stream")
        await second.task
        await second.next()
        assert second.start["status"] == 503
        assert dict(second.start["headers"])[b"retry-after"] == b"5"
        first.leave()
        await first.task
        third = Listener(service, "/sales/stream")
        await third.event()
        third.leave()
        await third.task

    streaming(serve, scenario, streams=1, **QUICK)


def test_a_stream_ends_when_its_endpoint_does(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)

    async def scenario(service: Service) -> None:
        listener = Listener(service, "/sales/stream")
        await listener.event()
        shop.publish(BY_STORE, tables=(shop.table("sales", SALES.format(rows=2)),))
        service.refresh()
        last = await listener.event()
        assert (last["event"], json.loads(last["data"])["status"]) == ("problem", 404)
        await listener.task

    streaming(serve, scenario, **QUICK)


def test_what_cannot_be_asked_is_refused_before_the_stream(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)
    client = serve(snapshots=True)
    assert client.get("/sales/stream?limit=0").status_code == 422
    assert client.get("/nope/stream").status_code == 404
    assert client.get("/stream").status_code == 404
    for name in ("cursor", "snapshot"):
        response = client.get(f"/sales/stream?{name}=1")
        assert (response.status_code, response.json()["detail"]) == (
            422,
            "A stream follows the newest snapshot, from its first row.",
        )
    posted = client.request("POST", "/sales/stream")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.request("OPTIONS", "/sales/stream").status_code == 204
    head = client.request("HEAD", "/sales/stream")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream")


def test_a_page_of_another_origin_is_refused(shop: Shop, serve: Serve) -> None:
    shop.publish_sales(rows=2)
    client = serve(cors=("https://app.example",))
    response = client.get("/sales/stream", {"Origin": "https://evil.example"})
    assert response.status_code == 403
    allowed = client.request("HEAD", "/sales/stream", headers={"Origin": "https://app.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert client.request("HEAD", "/sales/stream", headers={"Origin": "http://test"}).is_success


def test_an_endpoint_or_router_of_that_path_goes_first(shop: Shop, serve: Serve) -> None:
    def of(path: str) -> Any:
        return endpoint(
            f"SELECT '{path}' AS path", (Column("path", "VARCHAR"),), name=path[1:], path=path
        )

    router = (
        "from fastapi import APIRouter\nrouter = APIRouter()\n"
        "@router.get('/b/stream')\ndef own() -> str:\n    return 'mine'\n"
    )
    shop.publish(
        of("/a"), of("/a/stream"), of("/b"), value_endpoint("1", "INTEGER"),
        modules={"endpoints/own.py": router},
    )  # fmt: skip
    client = serve()
    assert client.rows("/a/stream") == [{"path": "/a/stream"}]
    assert client.get("/b/stream").json() == "mine"
    assert client.request("HEAD", "/it/stream").headers["content-type"] == "text/event-stream"


def test_an_ending_asks_for_the_value_that_is_called_stream(shop: Shop, serve: Serve) -> None:
    named = endpoint(
        "SELECT $name AS name",
        (Column("name", "VARCHAR"),),
        Parameter("name", "path", "VARCHAR", required=True),
        name="named",
        path="/things/{name}",
    )
    every = endpoint("SELECT 1 AS one", (Column("one", "INTEGER"),), name="all", path="/things")
    shop.publish(named, every)
    client = serve()
    assert client.rows("/things/stream.json") == [{"name": "stream"}]
    head = client.request("HEAD", "/things/stream")
    assert head.headers["content-type"] == "text/event-stream"

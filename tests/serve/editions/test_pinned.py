"""Tables in memory are served like a snapshot, without a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from headrace.base.access import PUBLIC
from headrace.base.clock import SystemClock
from headrace.base.errors import NotFound
from headrace.base.tables import Column, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.serve import ServeSettings, Service
from headrace.serve.editions.pinned import Pinned, Unpublished
from headrace.serve.kit import Kit
from headrace.store.snapshots import EndpointContract, Manifest

SALES = EndpointContract(
    name="sales",
    path="/sales",
    recipe="",
    sql="SELECT n FROM sales ORDER BY n",
    tables=("sales",),
    parameters=(),
    columns=(Column("n", "INTEGER"),),
    limit=10,
    max_limit=10,
    access=PUBLIC,
)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    opened = DuckDBEngine(threads=1)
    opened.cursor().execute("CREATE TABLE sales (n INTEGER)")
    yield opened
    opened.close()


@pytest.fixture
def service(engine: DuckDBEngine) -> Iterator[Service]:
    kit = Kit.make(SystemClock(), ServeSettings())
    version = Version("sales", "source", "", SALES.columns, ())
    unpublished = Unpublished(Manifest("shop", (SALES,)), {}, {"sales": version})
    opened = Service(kit, Pinned(kit, unpublished, engine.cursor().cursor()))
    yield opened
    opened.close()


def get(service: Service, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=service)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_rows_may_be_replaced_between_requests(engine: DuckDBEngine, service: Service) -> None:
    assert get(service, "/sales").json() == []
    engine.cursor().execute("CREATE OR REPLACE TABLE sales AS SELECT 7::INTEGER AS n")
    answer = get(service, "/sales")
    assert (answer.json(), answer.headers["x-snapshot"]) == ([{"n": 7}], "1")


def test_it_is_ready_until_it_is_closed(service: Service) -> None:
    assert get(service, "/readyz").json() == {
        "status": "ready",
        "environment": "memory",
        "snapshot": 1,
    }
    service.refresh()
    service.close()
    assert get(service, "/readyz").status_code == 503
    assert get(service, "/sales").status_code == 503


def test_a_text_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFound, match=r"^abc: no such text$"):
        Unpublished(Manifest("shop"), {}, {}).get_object("abc")

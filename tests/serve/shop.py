"""A small published shop to serve: snapshots made by hand, as a run would leave them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from headrace.base.access import PUBLIC
from headrace.base.clock import format_time
from headrace.base.tables import Cell, Column, Schema, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.serve import Service
from headrace.store.snapshots import (
    EndpointContract,
    Manifest,
    Parameter,
    PythonModule,
    Ref,
    Snapshot,
)
from headrace.store.store import Store

Result = TypeVar("Result")

SALES = """
SELECT CAST(i % 5 AS INTEGER) AS store_id, DATE '2024-01-01' + CAST(i // 5 AS INTEGER) AS day,
       CAST(i * 1.5 AS DECIMAL(12,2)) AS revenue
FROM range({rows}) AS numbers(i)
"""
BY_STORE = EndpointContract(
    name="by_store",
    path="/stores/{store_id}/sales",
    recipe="by_store-1",
    sql="SELECT day, revenue FROM sales WHERE store_id = $store_id AND day >= $since ORDER BY day",
    tables=("sales",),
    sources=("sales",),
    parameters=(
        Parameter("store_id", "path", "INTEGER", required=True, min=0, description="Which store."),
        Parameter("since", "query", "DATE", required=False, default="2024-01-01"),
    ),
    columns=(Column("day", "DATE"), Column("revenue", "DECIMAL(12,2)")),
    limit=100,
    max_limit=5000,
    description="What a store sold, day by day.",
    access=PUBLIC,
)
ALL_SALES = EndpointContract(
    name="all_sales",
    path="/sales",
    recipe="all_sales-1",
    sql="SELECT store_id, day, revenue FROM sales ORDER BY day DESC, store_id",
    tables=("sales",),
    sources=("sales",),
    parameters=(),
    columns=(
        Column("store_id", "INTEGER"),
        Column("day", "DATE"),
        Column("revenue", "DECIMAL(12,2)"),
    ),
    limit=100,
    max_limit=50_000,
    access=PUBLIC,
)


def endpoint(
    sql: str,
    columns: Schema,
    *parameters: Parameter,
    name: str = "it",
    path: str = "/it",
    tables: tuple[str, ...] = (),
    max_limit: int = 10_000,
) -> EndpointContract:
    """A contract around a query; its recipe is its text."""
    limit = min(1000, max_limit)
    return EndpointContract(
        name, path, sql, sql, tables, parameters, columns, limit, max_limit, access=PUBLIC
    )


def value_endpoint(sql: str, type_name: str, *parameters: Parameter) -> EndpointContract:
    """`/it`: one row with one column `value`."""
    return endpoint(f"SELECT {sql} AS value", (Column("value", type_name),), *parameters)


@dataclass
class Shop:
    """A store with an environment `prod`."""

    store: Store
    engine: DuckDBEngine = field(default_factory=DuckDBEngine)

    def table(self, name: str, sql: str, *, loaded_at: str = "") -> Version:
        """Build a table's only cell; its address is its SQL."""
        staged = self.store.new_data_path(name)
        written = self.engine.write(sql, staged)
        file = self.store.keep_file(name, staged, written.rows)
        at = loaded_at or format_time(self.store.clock.now())
        cell = Cell(sql, "", file.path, None, written.rows, written.rows, at)
        return Version(
            name, "model", "recipe", self.engine.describe(sql, {}), cells=(cell,), files=(file,)
        )

    def publish(
        self,
        *endpoints: EndpointContract,
        tables: tuple[Version, ...] = (),
        modules: Mapping[str, str] | None = None,
    ) -> Ref:
        """Publish a snapshot on top of the head; `modules` maps path -> text, all of them routers
        but those whose name begins with `_`.
        """
        code = tuple(
            PythonModule(
                path,
                self.store.put_object(text.encode()),
                router=not path.rpartition("/")[2].startswith("_"),
                access=PUBLIC,
            )
            for path, text in (modules or {}).items()
        )
        snapshot = Snapshot(
            {each.table: each for each in tables}, Manifest("shop", tuple(endpoints), code)
        )
        head = self.store.head("prod")
        return self.store.publish(
            "prod", snapshot, parent=head.number if head else None, reason="test"
        )

    def publish_sales(self, rows: int = 500) -> Ref:
        """Publish the two sales endpoints over `rows` rows."""
        return self.publish(
            BY_STORE, ALL_SALES, tables=(self.table("sales", SALES.format(rows=rows)),)
        )


@dataclass
class Client:
    """Sends requests to a service in this process."""

    service: Service

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """The answer to a GET."""
        return self.request("GET", url, headers=headers)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """The answer to a request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.service)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, url, headers=headers, content=content)

        return run(send())

    def rows(self, url: str) -> Any:
        """The JSON of an answer that must be 200, numbers with a point as text."""
        response = self.get(url)
        assert response.status_code == 200, response.text
        return json.loads(response.content, parse_float=str)

    def raw(self, **scope: object) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for an ASGI scope that no client would send."""
        return run(_raw(self.service, scope))


async def _raw(service: Service, given: Mapping[str, object]) -> tuple[int, dict[str, str], bytes]:
    scope: dict[str, object] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
        **given,
    }
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await service(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(each["body"] for each in sent[1:])
    return int(sent[0]["status"]), headers, body


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns."""
    return asyncio.run(coroutine)

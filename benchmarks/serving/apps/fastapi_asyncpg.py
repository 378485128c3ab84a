"""The questions as a FastAPI service over PostgreSQL, as one would write it who wants it fast."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import asyncpg  # type: ignore[import-not-found, unused-ignore]
import orjson  # type: ignore[import-not-found, unused-ignore]
from fastapi import FastAPI, Request, Response

_CUSTOMER = """\
SELECT customer_id, orders, items, revenue, first_order, last_order
FROM customers WHERE customer_id = $1"""
_LAST_ORDERS = """\
SELECT order_id, customer_id, ordered_on, items, amount, status
FROM orders WHERE store_id = $1 ORDER BY ordered_on DESC, order_id DESC LIMIT 50"""
_MONTHS = """\
SELECT CAST(date_trunc('month', day) AS date) AS month, CAST(sum(orders) AS bigint) AS orders,
  sum(revenue) AS revenue
FROM daily_revenue WHERE store_id = $1 AND day BETWEEN $2 AND $3 GROUP BY 1 ORDER BY 1"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """A pool of connections while the application runs."""
    source = {"host": os.environ["BENCH_SOCKET"], "user": "postgres", "database": "bench"}
    async with asyncpg.create_pool(**source, min_size=8, max_size=8) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


def _answer(rows: Sequence[Any]) -> Response:
    # `default`: of decimals. A Response is sent as it is; rows as models would cost more.
    body = orjson.dumps([dict(row) for row in rows], default=float)
    return Response(body, media_type="application/json")


@app.get("/customers/{customer_id}")
async def customer(customer_id: int, request: Request) -> Response:
    """The summary of a customer."""
    return _answer(await request.app.state.pool.fetch(_CUSTOMER, customer_id))


@app.get("/stores/{store_id}/orders")
async def last_orders(store_id: int, request: Request) -> Response:
    """The last 50 orders of a store."""
    return _answer(await request.app.state.pool.fetch(_LAST_ORDERS, store_id))


@app.get("/stores/{store_id}/months")
async def months(store_id: int, since: date, until: date, request: Request) -> Response:
    """A store's revenue by month between two days."""
    return _answer(await request.app.state.pool.fetch(_MONTHS, store_id, since, until))


@app.get("/constant/{length}")
async def constant(length: int) -> Response:
    """So many bytes: what FastAPI costs by itself."""
    return Response(b"x" * length, media_type="application/json")

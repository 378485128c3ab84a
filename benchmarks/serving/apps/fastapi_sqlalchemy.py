"""The questions as a FastAPI service as most are written: SQLAlchemy Core, answers as models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import (  # type: ignore[import-not-found, unused-ignore]
    URL,
    BigInteger,
    Column,
    Date,
    Integer,
    MetaData,
    Numeric,
    Select,
    Table,
    Text,
    cast,
    func,
    select,
)
from sqlalchemy.ext.asyncio import (  # type: ignore[import-not-found, unused-ignore]
    create_async_engine,
)

_TABLES = MetaData()
_CUSTOMERS = Table(
    "customers",
    _TABLES,
    Column("customer_id", Integer),
    Column("orders", BigInteger),
    Column("items", BigInteger),
    Column("revenue", Numeric(18, 2)),
    Column("first_order", Date),
    Column("last_order", Date),
)
_ORDERS = Table(
    "orders",
    _TABLES,
    Column("order_id", BigInteger),
    Column("customer_id", Integer),
    Column("store_id", Integer),
    Column("ordered_on", Date),
    Column("items", Integer),
    Column("amount", Numeric(10, 2)),
    Column("status", Text),
)
_DAILY = Table(
    "daily_revenue",
    _TABLES,
    Column("store_id", Integer),
    Column("day", Date),
    Column("orders", BigInteger),
    Column("revenue", Numeric(18, 2)),
)
_URL = URL.create(
    "postgresql+asyncpg",
    username="postgres",
    database="bench",
    query={"host": os.environ["BENCH_SOCKET"]},
)


class Customer(BaseModel):
    """The summary of a customer."""

    customer_id: int
    orders: int
    items: int
    revenue: Decimal
    first_order: date
    last_order: date


class Order(BaseModel):
    """One order of a store."""

    order_id: int
    customer_id: int
    ordered_on: date
    items: int
    amount: Decimal
    status: str


class Month(BaseModel):
    """What a store sold in one month."""

    month: date
    orders: int
    revenue: Decimal


app = FastAPI(openapi_url=None)
_engine = create_async_engine(_URL, pool_size=8, max_overflow=0)


async def _rows(query: Select[Any]) -> Sequence[Any]:
    async with _engine.connect() as connection:
        found: Sequence[Any] = (await connection.execute(query)).mappings().all()
        return found


@app.get("/customers/{customer_id}", response_model=list[Customer])
async def customer(customer_id: int) -> Sequence[Any]:
    """The summary of a customer."""
    return await _rows(select(_CUSTOMERS).where(_CUSTOMERS.c.customer_id == customer_id))


@app.get("/stores/{store_id}/orders", response_model=list[Order])
async def last_orders(store_id: int) -> Sequence[Any]:
    """The last 50 orders of a store."""
    columns = (_ORDERS.c[name] for name in Order.model_fields)
    query = select(*columns).where(_ORDERS.c.store_id == store_id)
    return await _rows(
        query.order_by(_ORDERS.c.ordered_on.desc(), _ORDERS.c.order_id.desc()).limit(50)
    )


@app.get("/stores/{store_id}/months", response_model=list[Month])
async def months(store_id: int, since: date, until: date) -> Sequence[Any]:
    """A store's revenue by month between two days."""
    month = cast(func.date_trunc("month", _DAILY.c.day), Date).label("month")
    orders = cast(func.sum(_DAILY.c.orders), BigInteger).label("orders")
    query = select(month, orders, func.sum(_DAILY.c.revenue).label("revenue"))
    query = query.where(_DAILY.c.store_id == store_id, _DAILY.c.day.between(since, until))
    return await _rows(query.group_by(month).order_by(month))

"""A shop to publish to, and services that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.serve import ServeSettings, create_app
from headrace.store.store import Store
from tests.serve.shop import Client, Shop

Serve = Callable[..., Client]


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2024, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
def shop(tmp_path: Path, clock: SetClock) -> Iterator[Shop]:
    shop = Shop(Store.open(tmp_path / "store", clock=clock))
    yield shop
    shop.engine.close()


@pytest.fixture
def serve(shop: Shop) -> Iterator[Serve]:
    """A function that opens what is published, and gives a client of it."""
    clients: list[Client] = []

    def opened(**settings: object) -> Client:
        given = {"query_processes": False} | settings
        service = create_app(shop.store, "prod", ServeSettings(**given))  # type: ignore[arg-type]  # a test's shorthand
        service.refresh()
        clients.append(Client(service))
        return clients[-1]

    yield opened
    for client in clients:
        client.service.close()

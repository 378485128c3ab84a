"""An older snapshot shows nobody more than the one that is published does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.serve import ServeSettings, create_app
from tests.projects import Shop
from tests.serve.shop import Client
from tests.tenants import CANARY, TENANTS, write_files

ORDERS = TENANTS["sources/orders.yaml"]
SETTINGS = ServeSettings(query_processes=False, snapshots=True)


@dataclass
class Asking:
    """The analyst of the tenants, and what is served."""

    shop: Shop
    client: Client
    key: str

    def get(self, url: str) -> httpx.Response:
        """The answer to a GET."""
        return self.client.get(url, headers=self._headers)

    def batch(self, url: str, *paths: str) -> httpx.Response:
        """The answer to a batch."""
        body = json.dumps({"calls": [{"path": path} for path in paths]}).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        return self.client.request("POST", url, headers=headers, content=body)

    def publish(self, name: str, text: str, *accepted: str) -> None:
        """Publish a file of the project in the place of the one before."""
        self.shop.write(name, text)
        self.shop.run(accepted=accepted)
        self.client.service.refresh()

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def asking(root: Path) -> Iterator[Asking]:
    """Serve the tenants to an analyst."""
    shop = Shop(write_files(root, TENANTS))
    shop.run()
    accounts = Accounts.open(shop.store.accounts_path)
    accounts.add_account(Account("ada", roles=frozenset({"analyst"}), claims={"store_id": 10}))
    secret, entry = new_key("prod")
    accounts.add_key(replace(entry, account="ada"))
    accounts.close()
    service = create_app(shop.store, shop.environment, SETTINGS)
    service.refresh()
    try:
        yield Asking(shop, Client(service), secret.reveal())
    finally:
        service.close()


@pytest.fixture
def ada(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path) as opened:
        yield opened


def by_number_and_by_cursor(ada: Asking) -> list[str]:
    """The queries that name the snapshot that is published now."""
    link = ada.get("/orders?limit=1").headers["link"]
    return ["snapshot=1", link.partition("?")[2].partition(">")[0].replace("limit=1&", "")]


def test_no_older_snapshot_goes_past_a_policy_that_was_narrowed(ada: Asking) -> None:
    named = by_number_and_by_cursor(ada)
    assert CANARY in ada.get("/orders").text
    assert len(ada.get("/orders").json()) == 4
    ada.publish(
        "sources/orders.yaml", ORDERS.replace("analyst: all", "analyst: franchise = 'north'")
    )
    assert len(ada.get("/orders").json()) == 3
    for query in named:
        assert ada.get(f"/orders?limit=1&{query}").status_code == 410
        answer = ada.batch(f"/batch?{query}", "/orders").json()["answers"][0]
        assert answer["status"] == 410, query


def test_no_older_snapshot_lets_in_whom_an_endpoint_lets_in_no_more(ada: Asking) -> None:
    named = by_number_and_by_cursor(ada)
    text = TENANTS["endpoints/orders.sql"]
    narrower = text.replace("[analyst, store_manager, franchisee]", "[franchisee]")
    ada.publish("endpoints/orders.sql", narrower, "orders")
    assert ada.get("/orders").status_code == 404
    for query in named:
        assert ada.get(f"/orders?limit=1&{query}").status_code == 404
        answer = ada.batch(f"/batch?{query}", "/orders").json()["answers"][0]
        assert answer["status"] == 404, query


def test_a_batch_of_an_older_snapshot_is_of_it(ada: Asking) -> None:
    named = by_number_and_by_cursor(ada)
    ada.publish("data/orders.csv", TENANTS["data/orders.csv"].replace("4.50", "9.99"))
    assert ada.get("/orders").json()[0]["amount"] == 9.99
    for query in named:
        found = ada.batch(f"/batch?{query}", "/orders").json()
        assert (found["snapshot"], found["answers"][0]["status"]) == (1, 200)
        assert found["answers"][0]["body"][0]["amount"] == 4.5

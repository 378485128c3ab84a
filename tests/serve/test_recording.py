"""What a request leads to is on record: refusals, and answers that are taken away as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.base.access import AUTHENTICATED, Access
from headrace.base.auth_settings import AuthSettings, LimitSettings, Rate
from headrace.serve import ServeSettings, create_app
from headrace.serve.app import Service
from headrace.store.audit.log import Audit
from tests.serve.shop import ALL_SALES, SALES, Client, Shop

AUTH = AuthSettings(trusted_proxies=("127.0.0.1",))
BY_PROXY = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.fixture
def service(shop: Shop) -> Iterator[Service]:
    """Two endpoints: /sales for whoever is known, /payroll for the role `boss`."""
    sales = replace(ALL_SALES, access=AUTHENTICATED)
    payroll = replace(
        ALL_SALES, name="payroll", path="/payroll", access=Access("granted", roles=("boss",))
    )
    shop.publish(sales, payroll, tables=(shop.table("sales", SALES.format(rows=10)),))
    service = create_app(shop.store, "prod", ServeSettings(query_processes=False, auth=AUTH))
    yield service
    service.close()


@pytest.fixture
def key(shop: Shop) -> str:
    """A key of anna, who has no role."""
    secret, entry = new_key("prod")
    with closing(Accounts.open(shop.store.accounts_path, clock=shop.store.clock)) as accounts:
        accounts.add_account(Account("anna"))
        accounts.add_key(replace(entry, account="anna", id=entry.id))
    return secret.reveal()


def on_record(shop: Shop, service: Service) -> list[tuple[object, ...]]:
    service.close()
    with closing(Audit.open(shop.store.root)) as audit:
        entries = [json.loads(line) for line in audit.export()]
    return [
        (each["action"], each["actor"], each["target"], each["address"], each["detail"])
        for each in entries
    ]


def test_who_may_not_is_on_record_once_a_minute(shop: Shop, key: str, service: Service) -> None:
    service.refresh()
    client = Client(service)
    bearer = {"Authorization": f"Bearer {key}", **BY_PROXY}
    for _ in range(3):
        assert client.get("/payroll?month=1", bearer).status_code == 404
    assert client.get("/sales", BY_PROXY).status_code == 401
    assert client.get("/sales", {"Authorization": "Bearer nonsense"}).status_code == 401
    assert client.get("/nowhere", bearer).status_code == 404
    assert client.get("/sales", bearer).status_code == 200
    found = on_record(shop, service)
    anna, address = "user:anna", "203.0.113.9"
    assert found[0] == ("denied", anna, "/payroll", address, {"status": 404, "count": 3})
    assert found[1] == ("denied", "", "/sales", address, {"status": 401, "count": 1})
    assert found[2] == ("denied", "", "/sales", "127.0.0.1", {"status": 401, "count": 1})
    assert all(action == "denied" for action, *_ in found)


def test_files_are_on_record_however_quickly_they_are_answered(
    shop: Shop, key: str, service: Service
) -> None:
    service.refresh()
    client = Client(service)
    bearer = {"Authorization": f"Bearer {key}", **BY_PROXY}
    for _ in range(3):
        assert client.get("/sales.csv", bearer).status_code == 200
    assert client.get("/sales.xlsx", bearer).status_code == 200
    assert client.get("/sales.json", bearer).status_code == 200
    found = on_record(shop, service)
    assert found == [
        ("exported", "user:anna", "/sales.csv", "203.0.113.9", {"count": 3}),
        ("exported", "user:anna", "/sales.xlsx", "203.0.113.9", {"count": 1}),
    ]


def test_who_asks_too_often_is_on_record_once_a_minute(shop: Shop, key: str) -> None:
    shop.publish_sales()
    limits = LimitSettings(credential=Rate(1, 60.0, 2), sign_in=Rate(1, 60.0, 1))
    settings = ServeSettings(query_processes=False, auth=AUTH, limits=limits)
    service = create_app(shop.store, "prod", settings)
    service.refresh()
    client, bearer = Client(service), {"Authorization": f"Bearer {key}", **BY_PROXY}
    asked = [client.get("/sales", bearer).status_code for _ in range(5)]
    assert asked == [200, 200, 429, 429, 429]
    own_page = {"Sec-Fetch-Site": "same-origin"}
    form = "application/x-www-form-urlencoded"
    for path, kind, body in [
        ("/auth/token", "application/json", b"{}"),
        ("/auth/token", "application/json", b"{}"),
        ("/auth/sign-in", form, b"name=anna&password=x"),
    ]:
        headers = {**BY_PROXY, **own_page, "Content-Type": kind}
        client.request("POST", path, headers=headers, content=body)
    found = [entry for entry in on_record(shop, service) if entry[0] == "limited"]
    address = "203.0.113.9"
    assert found == [
        ("limited", "user:anna", "/sales", address, {"count": 3}),
        ("limited", "", "/auth/token", address, {"count": 1}),
        ("limited", "", "/auth/sign-in", address, {"count": 1}),
    ]


def test_the_request_is_called_as_its_client_calls_it(
    shop: Shop, key: str, service: Service
) -> None:
    service.refresh()
    bearer = {"Authorization": f"Bearer {key}", "X-Request-Id": "order-7"}
    Client(service).get("/payroll", bearer)
    service.close()
    with closing(Audit.open(shop.store.root)) as audit:
        [entry] = audit.newest(9)
    assert entry.request == "order-7"
    assert entry.credential.startswith("key:")
    assert key not in entry.line.decode()


def test_with_a_public_address_of_https_every_answer_asks_for_it(shop: Shop) -> None:
    shop.publish_sales()
    auth = AuthSettings(public_url="https://data.example")
    service = create_app(shop.store, "prod", ServeSettings(query_processes=False, auth=auth))
    try:
        service.refresh()
        client = Client(service)
        assert client.get("/sales").status_code == 200
        assert service.hot("GET", b"/sales", b"", []) is not None
        for path in ("/sales", "/sales.csv", "/", "/nowhere", "/livez", "/console"):
            found = client.get(path).headers.get_list("strict-transport-security")
            assert found == ["max-age=31536000"], path
    finally:
        service.close()


def test_only_https_is_asked_for_where_it_is_spoken(service: Service) -> None:
    service.refresh()
    client = Client(service)
    by_https = client.get("/", BY_PROXY)
    assert by_https.headers["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in client.get("/").headers

"""Tokens of another issuer, over HTTP: whose keys are found, renewed and taken away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from headrace.base.access import Access
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import SetClock
from tests.auth.servers import Service as Issuing
from tests.auth.servers import service
from tests.auth.signing import private_key, public_jwk, token
from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, SALES, Client, Shop

ANALYSTS = replace(ALL_SALES, access=Access("granted", roles=("analyst",)))


@pytest.fixture
def issuing() -> Iterator[Issuing]:
    with service() as running:
        document = {"issuer": running.url, "jwks_uri": running.url + "/keys"}
        running.at("/.well-known/openid-configuration", json.dumps(document).encode())
        yield running


@pytest.fixture
def client(shop: Shop, serve: Serve, issuing: Issuing) -> Client:
    shop.publish(ANALYSTS, tables=(shop.table("sales", SALES.format(rows=5)),))
    issuer = Issuer("corp", issuing.url, "shop", roles={"grp-7": "analyst"})
    return serve(auth=AuthSettings(issuers=(issuer,)))


def publish(issuing: Issuing, *numbers: int) -> None:
    keys = [public_jwk(private_key("ES256", number), f"k{number}") for number in numbers]
    issuing.at("/keys", json.dumps({"keys": keys}).encode())


def status(client: Client, issuing: Issuing, number: int, **changes: object) -> int:
    # The gate keeps the time of the machine.
    at = int(time.time())
    good = {"iss": issuing.url, "aud": "shop", "sub": "anna", "iat": at, "exp": at + 300}
    text = token({**good, "roles": ["grp-7"], **changes}, number=number, kid=f"k{number}")
    return client.get("/sales", {"Authorization": f"Bearer {text}"}).status_code


def test_a_token_lets_in_whom_its_roles_let_in(client: Client, issuing: Issuing) -> None:
    publish(issuing, 1)
    assert status(client, issuing, 1) == 200
    assert status(client, issuing, 1, roles=["grp-8"]) == 404
    assert status(client, issuing, 1, roles=["analyst"]) == 404
    assert status(client, issuing, 1, aud="other") == 401
    assert status(client, issuing, 1, exp=1) == 401
    assert status(client, issuing, 1, iss="https://evil.example") == 401
    assert client.get("/sales").status_code == 401


def test_keys_come_and_go_without_a_restart(
    client: Client, issuing: Issuing, clock: SetClock
) -> None:
    publish(issuing, 1)
    assert status(client, issuing, 1) == 200
    publish(issuing, 1, 2)
    clock.at = datetime(2024, 3, 1, 12, 2, tzinfo=UTC)
    assert [status(client, issuing, 2), status(client, issuing, 1)] == [200, 200]
    publish(issuing, 2)
    clock.at = datetime(2024, 3, 1, 12, 4, tzinfo=UTC)
    # A token of a key that nobody knows has them asked for.
    assert status(client, issuing, 3) == 401
    # About a second later, what was proven before is forgotten.
    client.service.refresh()
    assert status(client, issuing, 1) == 401
    assert status(client, issuing, 2) == 200

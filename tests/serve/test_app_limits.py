"""Every request is counted once, whichever way it is answered, and what is too much is a 429."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.base.auth_settings import LimitSettings, Rate
from headrace.serve import ServeSettings
from tests.serve.conftest import Serve
from tests.serve.serving import serving
from tests.serve.shop import Client, Shop
from tests.serve.test_batch import ask

THREE = Rate(3, 3600.0, 3)


@pytest.fixture
def credential(shop: Shop) -> dict[str, str]:
    """The header that a key of Anna's is shown by."""
    shop.publish_sales(rows=10)
    secret, entry = new_key("prod")
    with closing(Accounts.open(shop.store.accounts_path, clock=shop.store.clock)) as accounts:
        accounts.add_account(Account("anna"))
        accounts.add_key(replace(entry, account="anna"))
    return {"Authorization": f"Bearer {secret.reveal()}"}


def left(client: Client, path: str, headers: dict[str, str], times: int = 1) -> list[str]:
    """What each of several answers says is left; the status of one that is refused."""
    answers = [client.get(path, headers) for _ in range(times)]
    return [
        each.headers["ratelimit"].partition(";t=")[0] if each.is_success else str(each.status_code)
        for each in answers
    ]


def test_a_credential_is_limited_the_quick_way_and_the_slow_way(
    serve: Serve, credential: dict[str, str]
) -> None:
    """The first answer is made, the others are kept."""
    client = serve(limits=LimitSettings(credential=THREE))
    assert left(client, "/sales", credential, 5) == [
        *('"credential";r=2', '"credential";r=1', '"credential";r=0', "429", "429")
    ]
    refused = client.get("/sales", credential)
    assert refused.headers["ratelimit-policy"] == '"credential";q=3;w=3600'
    assert int(refused.headers["retry-after"]) in range(1190, 1201)
    assert refused.json()["type"] == "urn:headrace:problem:rate-limit"


def test_whoever_shows_nothing_is_limited_by_address(serve: Serve, shop: Shop) -> None:
    shop.publish_sales(rows=10)
    client = serve(limits=LimitSettings(address=Rate(2, 3600.0, 2)))

    def status(address: str, path: str = "/sales") -> int:
        return client.raw(path=path, raw_path=path.encode(), client=(address, 1))[0]

    asked = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]
    assert [status(each) for each in asked] == [200, 200, 429, 200]
    assert status("192.0.2.1", "/livez") == 200
    assert status("192.0.2.1", "/nothing") == 429


def test_whoever_guesses_credentials_is_limited_by_address(serve: Serve, shop: Shop) -> None:
    shop.publish_sales(rows=10)
    client = serve(limits=LimitSettings(address=THREE))
    guessed = {"Authorization": "Bearer guessed"}
    assert [client.get("/sales", guessed).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_whatever_is_asked_for_is_counted(serve: Serve, credential: dict[str, str]) -> None:
    """Pages, and what is not there, too."""
    client = serve(limits=LimitSettings(credential=Rate(4, 3600.0, 4)))
    paths = ["/", "/openapi.json", "/nothing", "/stores/1/sales", "/sales"]
    found = [client.get(path, credential).status_code for path in paths]
    assert found == [200, 200, 404, 200, 429]


def test_whom_no_limit_meets_is_still_answered_the_quick_way(serve: Serve, shop: Shop) -> None:
    shop.publish_sales(rows=10)
    client = serve(limits=LimitSettings(credential=THREE))
    client.get("/sales")
    assert client.service.hot("GET", b"/sales", b"", []) is not None
    limited = serve(limits=LimitSettings(address=THREE))
    limited.get("/sales")
    assert limited.service.hot("GET", b"/sales", b"", []) is None


def test_files_have_a_limit_of_their_own(serve: Serve, credential: dict[str, str]) -> None:
    client = serve(limits=LimitSettings(export=Rate(1, 3600.0, 1)))
    assert left(client, "/sales.csv", credential) == ['"export";r=0']
    asked = {**credential, "Accept": "text/csv"}
    assert left(client, "/sales.csv", credential) == left(client, "/sales", asked) == ["429"]
    assert "ratelimit" not in client.get("/sales", credential).headers


def test_each_call_of_a_batch_is_counted(serve: Serve, shop: Shop) -> None:
    """What is too much of it is refused by itself."""
    shop.publish_sales(rows=10)
    client = serve(limits=LimitSettings(address=THREE))
    answers = ask(client, *["/sales"] * 4)["answers"]
    assert [each["status"] for each in answers] == [200, 200, 429, 429]
    assert answers[2]["headers"]["Retry-After"] == "1200"


def test_without_limits_nothing_is_said(serve: Serve, shop: Shop) -> None:
    shop.publish_sales(rows=10)
    assert "ratelimit" not in serve().get("/sales").headers


def test_a_day_goes_on_after_a_restart(shop: Shop, credential: dict[str, str]) -> None:
    settings = ServeSettings(limits=LimitSettings(daily=3), query_processes=False)
    found = []
    for _ in range(2):
        with serving(shop, settings) as url, httpx.Client(base_url=url, headers=credential) as one:
            found += [one.get("/sales").status_code for _ in range(2)]
    assert found == [200, 200, 200, 429]

"""The user's own routes: on the request's snapshot, each snapshot with its own code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.serve.conftest import Serve
from tests.serve.shop import ALL_SALES, SALES, Client, Shop

ROUTER = """
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel

from headrace.serve import SnapshotDep
from ._prices import rounded

router = APIRouter(prefix="/quotes")


class Quote(BaseModel):
    store_id: int
    factor: float = 1.0


@router.post("")
def quote(body: Quote, data: SnapshotDep) -> dict[str, float]:
    sql = "SELECT sum(revenue)::DOUBLE AS total FROM sales WHERE store_id = $store"
    [row] = data.query(sql, {"store": body.store_id})
    return {"snapshot": data.number, "total": rounded(row["total"] * body.factor)}


@router.get("/tables")
def tables(data: SnapshotDep) -> int:
    return data.arrow("SELECT * FROM sales").num_rows


@router.get("/kept")
def kept(response: Response) -> None:
    response.headers["Cache-Control"] = "public, max-age=60"


@router.get("/change")
def change(data: SnapshotDep) -> None:
    data.query("DROP VIEW sales")


@router.get("/teapot")
def teapot() -> None:
    raise HTTPException(418, "short \\ud800 and stout", headers={"X-Pot": "1"})


@router.get("/broken")
def broken() -> None:
    raise RuntimeError("secret")
"""
PRICES = "def rounded(value): return round(value, 1)\n"


def published(shop: Shop, router: str = ROUTER, prices: str = PRICES, rows: int = 10) -> None:
    shop.publish(
        ALL_SALES,
        tables=(shop.table("sales", SALES.format(rows=rows)),),
        modules={"endpoints/quotes.py": router, "endpoints/_prices.py": prices},
    )


@pytest.fixture
def client(shop: Shop, serve: Serve) -> Client:
    published(shop)
    return serve()


def post(client: Client, body: bytes) -> tuple[int, object]:
    response = client.request(
        "POST", "/quotes", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.headers["x-snapshot"]
    return response.status_code, response.json()


def test_a_router_reads_the_snapshot(client: Client) -> None:
    assert post(client, b'{"store_id": 1}') == (200, {"snapshot": 1, "total": 10.5})
    assert client.get("/quotes/tables").text == "10"


def test_no_cache_keeps_what_a_router_does_not_let_it(client: Client) -> None:
    """A router may look at who asks."""
    for path, expected in [("tables", "private, no-store"), ("kept", "public, max-age=60")]:
        response = client.get(f"/quotes/{path}")
        assert response.status_code == 200
        assert response.headers.get_list("cache-control") == [expected]


def test_every_snapshot_has_its_own_code(shop: Shop, client: Client) -> None:
    watcher = client.service._watcher
    held = watcher.acquire()
    assert held is not None
    published(shop, prices="def rounded(value): return -value\n")
    client.service.refresh()
    assert post(client, b'{"store_id": 1}') == (200, {"snapshot": 2, "total": -10.5})
    assert held.application is not None
    watcher.release(held)


def test_code_of_a_closed_snapshot_is_forgotten(shop: Shop, client: Client) -> None:
    edition = client.service._watcher.acquire()
    assert edition is not None
    client.service._watcher.release(edition)
    package, folder = edition.code.package, edition.code.folder
    assert folder is not None
    published(shop)
    client.service.refresh()
    assert not [name for name in sys.modules if name.partition(".")[0] == package]
    assert not folder.exists()


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff", b'"\\ud800"', b"NaN", b"1e999", b"-0", b"9" * 5000, b"[" * 100_000,
     b'{"store_id": "\\ud800"}', b'{"store_id": NaN}', b'{"store_id": 1e999}', b"\xef\xbb\xbf{}",
     b'{"store_id": 1, "store_id": "x"}', b'{"store_id": 99999999999999999999999999}',
     b'{"store_id": "\\u0000"}', b'{"' + b"x" * 100_000 + b'": 1}'],
)  # fmt: skip
def test_a_bad_body_is_never_500_nor_sent_back(client: Client, body: bytes) -> None:
    status, answer = post(client, body)
    if b"99999999999999999999999999" in body:
        return
    assert status in (400, 422)
    assert isinstance(answer, dict)
    assert set(answer) <= {"type", "title", "status", "detail", "instance", "errors"}


def test_what_is_invalid_is_said_without_the_input(client: Client) -> None:
    status, answer = post(client, b'{"store_id": "secret"}')
    assert isinstance(answer, dict)
    assert (status, answer["errors"]) == (
        422,
        [
            {
                "parameter": "body.store_id",
                "found": "int_parsing",
                "expected": "Input should be a valid integer, unable to parse string as an integer",
            }
        ],
    )


@pytest.mark.parametrize("piece", [b"[", b'{"store_id":'])
def test_a_body_that_is_nested_deeply_fails_nothing(client: Client, piece: bytes) -> None:
    body = piece * (900_000 // len(piece))
    response = client.request(
        "POST", "/quotes", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (400, 422)


def test_a_long_body_is_413(client: Client) -> None:
    response = client.request("POST", "/quotes", content=b" " * 1_100_000)
    assert response.status_code == 413


def test_a_failure_in_the_users_code_is_500_without_insides(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for url in ("/quotes/broken", "/quotes/change"):
        response = client.get(url)
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "secret" not in response.text
        assert f"{response.json()['instance']}: a request failed" in caplog.text


def test_the_users_own_refusal_is_a_problem(client: Client) -> None:
    response = client.get("/quotes/teapot")
    assert (response.status_code, response.headers["x-pot"]) == (418, "1")
    assert response.json()["detail"] == "short ? and stout"


def test_a_path_of_nobody_is_404(client: Client) -> None:
    assert client.get("/quotes/none").json()["detail"] == (
        "Nothing is served at this path; GET / lists what is."
    )
    assert client.request("DELETE", "/quotes").status_code == 405
    assert client.get("/quotes/").status_code == 404


def test_a_router_may_share_a_path_with_an_endpoint(shop: Shop, serve: Serve) -> None:
    published(
        shop,
        "from fastapi import APIRouter\nrouter = APIRouter()\n"
        "@router.post('/sales')\ndef post() -> str: return 'made'\n",
    )
    client = serve()
    assert client.request("POST", "/sales").json() == "made"
    assert len(client.rows("/sales")) == 10
    assert client.request("PUT", "/sales").status_code == 405
    assert set(client.get("/openapi.json").json()["paths"]["/sales"]) == {"get", "post"}


@pytest.mark.parametrize(
    "router", ["router = 1\n", "import nothing_of_this_name\n", "syntax error\n", "1 / 0\n"]
)
def test_code_that_cannot_be_loaded_keeps_the_old_snapshot(
    shop: Shop, client: Client, router: str
) -> None:
    published(shop, router)
    client.service.refresh()
    assert client.get("/sales").headers["x-snapshot"] == "1"
    assert client.get("/readyz").json()["reason"] == (
        "snapshot 2 cannot be opened; the server's log says why"
    )


@pytest.mark.parametrize("path", ["../evil.py", "/tmp/evil.py", "endpoints/evil.txt"])
def test_code_cannot_be_written_elsewhere(shop: Shop, serve: Serve, path: str) -> None:
    shop.publish(modules={path: ROUTER})
    assert serve().get("/readyz").status_code == 503
    assert not Path("/tmp/evil.py").exists()

"""What every answer has, whoever makes it: names of requests, methods, and bodies that end."""

from __future__ import annotations

import re

import pytest

from tests.serve.conftest import Serve
from tests.serve.shop import Client, Shop

ROUTER = """
from fastapi import APIRouter

router = APIRouter()


@router.get("/mine")
def mine() -> dict[str, int]:
    return {"one": 1}


@router.post("/mine")
def more() -> dict[str, int]:
    return {"two": 2}


@router.get("/broken")
def broken() -> None:
    raise RuntimeError("a secret")
"""


@pytest.fixture
def client(shop: Shop, serve: Serve) -> Client:
    shop.publish(modules={"endpoints/mine.py": ROUTER})
    return serve()


def test_a_problem_is_named_as_its_request_was(client: Client) -> None:
    for url in ("/nope", "/broken", "/mine/x"):
        response = client.get(url, {"X-Request-Id": "job-7/4:a.b_c=~"})
        assert response.headers["x-request-id"] == "job-7/4:a.b_c=~"


def test_a_problem_of_a_request_without_a_name_has_one(client: Client) -> None:
    response = client.get("/nope")
    name = response.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)
    assert response.json()["instance"] == f"urn:uuid:{name}"


def test_every_answer_is_what_it_says_it_is(client: Client) -> None:
    """No browser looks into an answer for another type, whoever has made it."""
    urls = "/ /openapi.json /livez /readyz /sales /sales.csv /mine /mine/x /broken /nope /batch"
    for url in [*urls.split(), "/sales?limit=x", "/manage/me", "/auth/token", "/auth/oidc/no"]:
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            answer = client.request(method, url)
            assert answer.headers["x-content-type-options"] == "nosniff", (method, url)
            if answer.content:
                assert answer.headers["content-type"], (method, url)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "x" * 129, "<script>", "a,b", '"'])
def test_a_name_that_is_none_is_not_repeated(client: Client, name: str) -> None:
    response = client.get("/nope", {"X-Request-Id": name})
    assert response.headers["x-request-id"] != name


def test_the_log_of_a_failure_says_what_the_client_called_it(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.get("/broken", {"X-Request-Id": "job-7"})
    assert response.status_code == 500
    assert b"secret" not in response.content
    assert f"{response.json()['instance']}: a request failed (job-7)" in caplog.text


def test_a_get_of_a_router_has_its_head_and_options(client: Client) -> None:
    head = client.request("HEAD", "/mine")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == client.get("/mine").headers["content-length"]
    options = client.request("OPTIONS", "/mine")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert client.request("POST", "/mine").json() == {"two": 2}
    assert client.request("OPTIONS", "/nope").status_code == 404

"""A face answers those whom each of its routes lets in, and tells nobody else what there is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest

from headrace.base.access import ADMINS, ANONYMOUS, AUTHENTICATED, PUBLIC, Principal
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused
from headrace.serve.faces import FaceRequest, FaceRoute, Faces, face_request
from headrace.serve.proxies import client_of

ANNA = Principal("user:anna")
ADMIN = Principal("user:root", frozenset({"admin"}))


async def echo(request: FaceRequest) -> Answer:
    said = {"who": request.principal.id, **request.parameters}
    return Answer(200, json.dumps(said).encode())


@dataclass
class Keys:
    prefix: str = "/manage"
    routes: tuple[FaceRoute, ...] = (
        FaceRoute("GET", "/manage/me", AUTHENTICATED, echo),
        FaceRoute("GET", "/manage/keys/{id}", ADMINS, echo),
        FaceRoute("DELETE", "/manage/keys/{id}", ADMINS, echo),
        FaceRoute("GET", "/manage/open", PUBLIC, echo),
        FaceRoute("POST", "/manage/open", ADMINS, echo),
    )
    refreshed: int = 0

    def refresh(self) -> None:
        self.refreshed += 1


async def nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b""}


def asked(method: str, path: str, principal: Principal) -> Answer:
    scope: dict[str, object] = {
        "method": method,
        "path": path,
        "headers": [],
        "scheme": "http",
        "client": None,
    }
    request = face_request(scope, nothing, principal, client_of(scope, ()))
    try:
        return asyncio.run(Faces([Keys()]).answer(request))
    except Refused as refused:
        return refused.answer


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", "/manage/open", (200, 200, 200)),
        ("HEAD", "/manage/open", (200, 200, 200)),
        ("OPTIONS", "/manage/open", (204, 204, 204)),
        ("POST", "/manage/open", (401, 404, 200)),
        ("PUT", "/manage/open", (405, 405, 405)),
        ("GET", "/manage/me", (401, 200, 200)),
        ("POST", "/manage/me", (401, 405, 405)),
        ("GET", "/manage/keys/7", (401, 404, 200)),
        ("DELETE", "/manage/keys/7", (401, 404, 200)),
        ("PUT", "/manage/keys/7", (401, 404, 405)),
        ("OPTIONS", "/manage/keys/7", (401, 404, 204)),
        ("GET", "/manage/nothing", (401, 404, 404)),
        ("GET", "/manage", (401, 404, 404)),
        ("GET", "/manage/keys/7/more", (401, 404, 404)),
    ],
)
def test_each_route_lets_in_whom_it_says(
    method: str, path: str, statuses: tuple[int, int, int]
) -> None:
    found = tuple(asked(method, path, each).status for each in (ANONYMOUS, ANNA, ADMIN))
    assert found == statuses


def test_a_route_gets_its_parameters() -> None:
    answer = asked("GET", "/manage/keys/a%2Fb", ADMIN)
    assert json.loads(answer.body) == {"who": "user:root", "id": "a/b"}


def test_what_is_allowed_is_told_of_what_is_open_alone() -> None:
    assert asked("OPTIONS", "/manage/open", ANNA).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert asked("PUT", "/manage/open", ADMIN).headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_a_face_has_its_prefix_and_no_more() -> None:
    faces = Faces([Keys()])
    assert faces.has("/manage")
    assert faces.has("/manage/x")
    assert not faces.has("/managed")
    assert not Faces().has("/manage")

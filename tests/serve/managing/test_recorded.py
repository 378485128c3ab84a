"""recorded.py: who may, reads the audit log newest first, a page at a time."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from headrace.base.access import ADMINS, Principal
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused
from headrace.serve.faces import FaceRequest
from headrace.serve.managing.recorded import Recorded
from headrace.store.audit.entries import AuditEvent
from headrace.store.audit.log import Audit

ANNA = Principal("user:anna", frozenset(["admin"]))


async def nothing() -> dict[str, object]:
    return {"type": "http.request", "body": b""}


def asked(root: Path, query: bytes = b"") -> Answer:
    route = Recorded(root).route("/manage/audit", ADMINS)
    request = FaceRequest({"query_string": query, "headers": []}, nothing, ANNA, {}, False, "")

    async def answered() -> Answer:
        return await route.handler(request)

    return asyncio.run(answered())


def page(root: Path, query: bytes = b"") -> tuple[list[int], int | None]:
    answer = asked(root, query)
    assert answer.status == 200
    found = json.loads(answer.body)
    return [each["seq"] for each in found["entries"]], found["before"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with closing(Audit.open(tmp_path)) as audit:
        audit.append(*[AuditEvent("denied", "user:eve", target=f"/{n}") for n in range(4)])
        audit.append(AuditEvent("published", "os:marie", target="prod:1", detail={"run": "r"}))
    return tmp_path


def test_an_entry_is_the_same_as_on_record(root: Path) -> None:
    answer = asked(root, b"limit=1")
    [entry] = json.loads(answer.body)["entries"]
    with closing(Audit.open(root)) as audit:
        assert entry == json.loads(list(audit.export())[-1])
    assert answer.headers == {
        "Content-Type": "application/json",
        "Cache-Control": "private, no-store",
    }


def test_pages_go_back_to_the_first_entry(root: Path) -> None:
    assert page(root) == ([5, 4, 3, 2, 1], None)
    assert page(root, b"limit=2") == ([5, 4], 4)
    assert page(root, b"limit=2&before=4") == ([3, 2], 2)
    assert page(root, b"limit=2&before=2") == ([1], None)


def test_only_entries_of_an_action(root: Path) -> None:
    assert page(root, b"action=denied&limit=2") == ([4, 3], 3)
    assert page(root, b"action=published") == ([5], None)


def test_it_is_for_whom_the_route_says() -> None:
    route = Recorded(Path()).route("/manage/audit", ADMINS)
    assert (route.method, route.path, route.access) == ("GET", "/manage/audit", ADMINS)


@pytest.mark.parametrize(
    ("query", "parameter", "expected"),
    [
        (b"limit=0", "limit", "a whole number from 1 to 1000"),
        (b"limit=1001", "limit", "a whole number from 1 to 1000"),
        (b"limit=%C2%B2", "limit", "a whole number from 1 to 1000"),
        (b"before=-1", "before", "a whole number from 1 to 9223372036854775807"),
        (b"before=" + b"9" * 5000, "before", "a whole number from 1 to 9223372036854775807"),
        (b"action=hacked", "action", "one of setup, sign_in, sign_in_failed"),
        (b"token=x", "token", "one of action, before, limit"),
    ],
)
def test_what_does_not_fit_is_refused(
    root: Path, query: bytes, parameter: str, expected: str
) -> None:
    with pytest.raises(Refused) as raised:
        asked(root, query)
    answer = raised.value.answer
    [error] = json.loads(answer.body)["errors"]
    assert (answer.status, error["parameter"]) == (422, parameter)
    assert error["expected"].startswith(expected)

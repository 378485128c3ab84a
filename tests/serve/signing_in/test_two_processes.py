"""Several server processes: what one of them has given is good in the others at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headrace.auth.accounts.bootstrap import new_bootstrap_token
from headrace.base.access import AUTHENTICATED
from headrace.serve.answering.answers import Answer
from headrace.serve.faces import Face, FaceRequest, FaceRoute
from headrace.serve.gate import COOKIE
from headrace.serve.signing_in.face import SigningIn
from tests.auth.people import People
from tests.serve.signing_in.house import OWN, PASSWORD, Home


class Who:
    """A face that says who asks."""

    prefix = "/who"

    def __init__(self) -> None:
        self.routes = (FaceRoute("GET", "/who", AUTHENTICATED, self.say),)

    def refresh(self) -> None:
        pass

    async def say(self, request: FaceRequest) -> Answer:
        return Answer(200, request.principal.id.encode())


def who(_: SigningIn) -> list[Face]:
    return [Who()]


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    """Two processes on a store that nobody has an account in."""
    first = Home.build(tmp_path, people=People.open(tmp_path), more=who)
    clock = first.people.clock
    second = Home.build(tmp_path, people=People.open(tmp_path, clock), more=who)
    yield first, second
    first.close()
    second.close()


def test_a_session_and_a_token_are_good_in_the_other_process_at_once(
    homes: tuple[Home, Home],
) -> None:
    here, there = homes
    token = new_bootstrap_token(here.people.accounts)
    assert token is not None

    async def run() -> list[httpx.Response]:
        async with here.client() as client, there.client() as other:
            fields = {"token": token.reveal(), "name": "root", "password": PASSWORD}
            cookie = (await client.post("/auth/setup", data=fields, headers=OWN)).cookies[COOKIE]
            by_cookie = await other.get("/who", headers={"Cookie": f"{COOKIE}={cookie}"})
            asked = {"name": "root", "password": PASSWORD}
            granted = (await client.post("/auth/token", json=asked)).json()
            bearer = {"Authorization": f"Bearer {granted['access_token']}"}
            by_token = await other.get("/who", headers=bearer)
            refresh = {"refresh_token": granted["refresh_token"]}
            return [by_cookie, by_token, await other.post("/auth/token", json=refresh)]

    by_cookie, by_token, refreshed = asyncio.run(run())
    assert (by_cookie.text, by_token.text) == ("user:root", "user:root")
    assert refreshed.status_code == 200


def test_what_is_ended_in_one_process_has_ended_in_the_other_when_it_looks(
    homes: tuple[Home, Home],
) -> None:
    here, there = homes
    token = new_bootstrap_token(here.people.accounts)
    assert token is not None

    async def signed_in() -> tuple[dict[str, str], dict[str, str]]:
        async with here.client() as client:
            fields = {"token": token.reveal(), "name": "root", "password": PASSWORD}
            cookie = (await client.post("/auth/setup", data=fields, headers=OWN)).cookies[COOKIE]
            asked = {"name": "root", "password": PASSWORD}
            granted = (await client.post("/auth/token", json=asked)).json()
            bearer = {"Authorization": f"Bearer {granted['access_token']}"}
            return {"Cookie": f"{COOKIE}={cookie}"}, bearer

    async def statuses(*headers: dict[str, str]) -> list[int]:
        async with there.client() as other:
            return [(await other.get("/who", headers=each)).status_code for each in headers]

    credentials = asyncio.run(signed_in())
    assert asyncio.run(statuses(*credentials)) == [200, 200]
    here.people.accounts.end_sessions("root")
    there.gate.refresh()
    assert asyncio.run(statuses(*credentials)) == [401, 401]

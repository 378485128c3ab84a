"""attempts.py: as many passwords as there are, two are hashed at a time, and few wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from headrace.auth.signing_in.passwords import Passwords
from headrace.base.secrets import Secret
from headrace.serve.answering.problems import Refused
from headrace.serve.signing_in.attempts import Attempts, unlimited
from tests.auth.people import People
from tests.auth.signing_in.test_passwords import CountingHasher


class HeldHasher(CountingHasher):
    """A hasher that waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        assert self.go.wait(10)
        return super().verify(hash, password)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People.settle(tmp_path)
    yield people
    people.accounts.close()


def test_when_many_wait_the_next_is_refused_at_once_and_nobody_else(people: People) -> None:
    hasher = HeldHasher()
    attempts = Attempts(people.accounts, people.directory, unlimited, Passwords(hasher))

    async def attempt() -> str:
        try:
            await attempts.account("anna", Secret("wrong"), "127.0.0.1")
        except Refused as refused:
            return f"{refused.answer.status} {refused.answer.headers['Retry-After']}"
        return "wrong"

    async def run() -> list[str]:
        waiting = [asyncio.ensure_future(attempt()) for _ in range(32)]
        await asyncio.sleep(0)
        refused = await attempt()
        hasher.go.set()
        return [refused, *await asyncio.gather(*waiting), await attempt()]

    refused, *others = asyncio.run(run())
    assert refused == "503 1"
    assert others == ["wrong"] * 33
    assert hasher.most <= 2
    attempts.close()

"""A management API over a store with accounts, and requests to it by anybody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.auth.signing_in.passwords import Passwords
from headrace.base.access import Principal
from headrace.base.clock import SetClock
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import Refused
from headrace.serve.faces import FaceRequest, Faces
from headrace.serve.forgery import HEADER, page_token
from headrace.serve.gate import COOKIE
from headrace.serve.managing.face import Managing
from headrace.serve.managing.handling import Desk
from headrace.store.store import Store

ROOT = Principal("user:root", frozenset(["admin"]), credential="session:ab")
SESSION = "ab"
NOW = 1709294400


@dataclass
class Noted:
    """What was put on record: who, what, on what, and the rest."""

    entries: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)

    def __call__(
        self,
        actor: Principal,
        action: str,
        target: str,
        detail: Mapping[str, str],
        *,
        address: str = "",
        request: str = "",
    ) -> None:
        assert (address, request) == ("192.0.2.7", "job-7")
        self.entries.append((actor.id, action, target, dict(detail)))


@dataclass
class Office:
    """The API, and what it works on."""

    store: Store
    accounts: Accounts
    noted: Noted
    faces: Faces

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: Principal = ROOT,
        content_type: str = "application/json",
    ) -> tuple[int, Any]:
        """The status and the JSON of an answer; None for an empty one."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        scope = {
            "method": method,
            "path": path,
            "headers": [
                (b"content-type", content_type.encode()),
                (b"x-request-id", b"job-7"),
                # What a page of the session sends with everything that changes something.
                (b"cookie", f"{COOKIE}={SESSION}".encode()),
                (b"sec-fetch-site", b"same-origin"),
                (HEADER, page_token(SESSION).encode()),
            ],
        }

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": sent}

        async def answered() -> Answer:
            try:
                request = FaceRequest(scope, receive, by, {}, secure=True, address="192.0.2.7")
                return await self.faces.answer(request)
            except Refused as refused:
                return refused.answer

        answer = asyncio.run(answered())
        headers = answer.headers
        assert headers["Cache-Control"] == "no-store"
        return answer.status, json.loads(answer.body) if answer.body else None

    def session(self, name: str) -> Principal:
        """Somebody who has signed in."""
        found = self.accounts.directory().principal_of(
            name, credential="session:ab", expires_at=NOW + 3600
        )
        assert found is not None
        return found

    def key(self, account: str, **columns: object) -> Principal:
        """Somebody with a new key."""
        _, entry = new_key("prod")
        entry = replace(entry, account=account, **columns)  # type: ignore[arg-type]
        self.accounts.add_key(entry)
        found = self.accounts.directory().principal_of(
            account,
            credential=f"key:{entry.id}",
            scopes=entry.scopes,
            roles=entry.roles,
            expires_at=entry.expires_at,
        )
        assert found is not None
        return found


@pytest.fixture
def office(tmp_path: Path, clock: SetClock) -> Iterator[Office]:
    store = Store.open(tmp_path / "store", clock=clock)
    accounts = Accounts.open(store.accounts_path, clock=clock)
    accounts.add_account(Account("root", roles=frozenset(["admin"])))
    accounts.add_account(
        Account("anna", roles=frozenset(["crm", "viewer"]), claims={"store_id": 7})
    )
    noted = Noted()
    managing = Managing(Desk(accounts, "prod", noted), store, Passwords())
    yield Office(store, accounts, noted, Faces([managing]))
    accounts.close()

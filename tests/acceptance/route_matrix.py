"""Who gets in where: takes a service over the matrix project, asks everything that it answers as
everybody there is, and gives each answer that is not the declared one.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.serve.app import Service
from headrace.serve.forgery import page_token
from tests.acceptance.asgi import SLOW, Answered, ask, hot
from tests.acceptance.credentials import Headers, Named, bearer, key_id
from tests.acceptance.matrix_probes import (
    FACES,
    FORGED,
    NO_PAGE,
    NO_TOKEN,
    NOWHERE,
    Live,
    Probe,
    batch,
    is_forged,
    probes,
    undeclared,
)
from tests.acceptance.matrix_project import OWN_PAGE, PASSWORD, Matrix
from tests.acceptance.matrix_table import ANALYSTS, HEALTH, KNOWN, MARKS, SESSIONS, TABLE
from tests.acceptance.seen import seen_in
from tests.tenants import CANARY

_MARK = re.compile(r"mark-(\d)")

# What is answered


class Asking:
    """Asks as everybody, and holds the answers against the table."""

    def __init__(self, service: Service, matrix: Matrix) -> None:
        self._service = service
        self._matrix = matrix
        self._nowhere: dict[tuple[object, ...], Answered] = {}

    async def differences(self) -> AsyncIterator[str]:
        """Each answer that is not the declared one."""
        live = Live.of(self._service)
        for each in undeclared(live):
            yield each
        asked = sorted(probes(live, self._matrix.cursors), key=lambda each: each.turn)
        start = [each for each in asked if not each.turn]
        with closing(Accounts.open(self._matrix.store.accounts_path)) as accounts:
            short = _short_key(accounts)
            parts = (
                self._of_probes(start),
                self._of_late(accounts, short),
                self._of_probes(asked[len(start) :]),
                self._of_health(),
                self._of_passwords(),
                self._of_short(short),
            )
            for part in parts:
                async for each in part:
                    yield each

    async def _of_probes(self, asked: Collection[Probe]) -> AsyncIterator[str]:
        for probe in asked:
            async for each in self._of_probe(probe):
                yield f"{probe}: {each}"

    async def _of_health(self) -> AsyncIterator[str]:
        for name, headers in self._everybody().items():
            for path in HEALTH:
                answer = await ask(self._service, "GET", path, headers)
                if answer.status != 200:
                    yield f"GET {path}: {name} gets {answer.status}"

    async def _of_passwords(self) -> AsyncIterator[str]:
        """Each attempt costs a hash, and one address has only so many of them a minute."""
        for name, password in (("ada", "wrong"), ("gone", PASSWORD), ("stranger", PASSWORD)):
            body = json.dumps({"name": name, "password": password}).encode()
            sent = [("content-type", "application/json")]
            answer = await ask(self._service, "POST", "/auth/token", sent, body)
            if answer.status != 401 or b"not right" not in answer.body:
                yield f"{name} with {password!r} gets {answer.status}: {answer.body!r}"

    async def _of_short(self, short: _Short) -> AsyncIterator[str]:
        # By the time of the machine, which nobody can move for the gate.
        await asyncio.sleep(max(0.0, short.ends_at - time.time()))
        async for each in self._of_ended({"who has expired": short.headers}):
            yield each

    async def _of_probe(self, probe: Probe) -> AsyncIterator[str]:
        for name, headers in self._everybody().items():
            if probe.names is not None and name not in probe.names:
                continue
            if name in SESSIONS and probe.target == "/auth/sign-out" and not is_forged(probe):
                # It would end the session that all others are asked with.
                continue
            async for each in self._of_somebody(probe, name, headers):
                yield f"{name} {each}"

    def _everybody(self) -> Named:
        return {**self._matrix.known, **self._matrix.nobody, **self._matrix.bad}

    async def _of_somebody(self, probe: Probe, name: str, headers: Headers) -> AsyncIterator[str]:
        gets_in = name in probe.row.who
        sent = [*headers, *self._with_page(probe, name, headers)]
        is_call = probe.target.startswith("/batch") and probe.body != b""
        for extra in self._ways(probe, name):
            answer = await ask(
                self._service, probe.method, probe.target, [*sent, *extra], probe.body
            )
            if is_call and answer.status == 200:
                answer = _call(answer)
            wrong = (
                self._wrong(probe, name, answer)
                if gets_in
                else await self._let_in(probe, name, sent, answer, is_call=is_call)
            )
            if wrong or (wrong := _leak(probe, name, answer)):
                yield wrong
        if not probe.body and (quick := hot(self._service, probe.method, probe.target, sent)):
            wrong = self._wrong(probe, name, quick) if gets_in else "is answered the quick way"
            if wrong or (wrong := _leak(probe, name, quick)):
                yield f"{wrong} (the quick way)"

    def _ways(self, probe: Probe, name: str) -> list[Headers]:
        """Further headers: without any, whoever is quicker answers."""
        if probe.body:
            return [[]]
        return [[SLOW]] if name in self._matrix.bad or probe.method != "GET" else [[], [SLOW]]

    def _with_page(self, probe: Probe, name: str, headers: Headers) -> Headers:
        """The headers of a probe, and what a page of a session sends."""
        if name not in SESSIONS or FORGED in probe.headers:
            return probe.headers
        cookie = dict(headers)["cookie"].partition("=")[2]
        sent = [*OWN_PAGE, ("x-page-token", page_token(cookie))]
        lacking = [("x-page-token", "another")] if NO_TOKEN in probe.headers else []
        own = OWN_PAGE if lacking else sent[1:] if NO_PAGE in probe.headers else sent
        return [*probe.headers, *(each for each in own if each not in probe.headers), *lacking]

    def _wrong(self, probe: Probe, name: str, answer: Answered) -> str:
        """What is wrong with the answer to somebody who gets in."""
        expected = probe.row.other.get(name, probe.row.status)
        if answer.status != expected:
            return f"gets {answer.status}, expected {expected}: {answer.body[:200]!r}"
        if (
            expected == 404
            and name in KNOWN
            and "nothing" not in probe.row.who
            and b"Nothing is served at this path" in answer.body
        ):
            return "gets in nowhere"
        if answer.status == 200 and probe.method in ("GET", "POST"):
            found = {int(each) for each in _MARK.findall(seen_in(answer))}
            may = probe.row.marks & MARKS.get(name, frozenset())
            if found != may:
                return f"sees the orders {sorted(found)}, expected {sorted(may)}"
            if probe.target in ("/", "/openapi.json", "/console"):
                return _misdescribed(name, probe.target, answer)
        return ""

    async def _let_in(
        self, probe: Probe, name: str, sent: Headers, answer: Answered, *, is_call: bool
    ) -> str:
        """What tells a refusal from that of a path that does not exist."""
        expected = 404 if name in KNOWN else 401
        if answer.status != expected:
            return f"gets {answer.status}, expected a refusal, {expected}: {answer.body[:200]!r}"
        nowhere = await self._of_nowhere(probe, name, sent, is_call=is_call)
        if _telling(answer) != _telling(nowhere):
            return f"is told {_telling(answer)}, and of a path that is none {_telling(nowhere)}"
        return ""

    async def _of_nowhere(
        self, probe: Probe, name: str, sent: Headers, *, is_call: bool
    ) -> Answered:
        face = next((it for it in FACES if probe.target.startswith(f"{it}/")), "")
        key = (name, probe.method, is_call, face, *probe.headers)
        if key not in self._nowhere:
            nowhere = f"{face}{NOWHERE}"
            asked = batch(nowhere, probe.row) if is_call else replace(probe, target=nowhere)
            answer = await ask(self._service, probe.method, asked.target, sent, asked.body)
            self._nowhere[key] = _call(answer) if is_call and answer.status == 200 else answer
        return self._nowhere[key]

    # Those whose credential ends meanwhile

    async def _of_late(self, accounts: Accounts, short: _Short) -> AsyncIterator[str]:
        late = self._matrix.late
        await asyncio.to_thread(self._service.refresh)
        for name, headers in {**late, "who expires": short.headers}.items():
            answer = await ask(self._service, "GET", "/orders", headers)
            if answer.status != 200:
                yield f"{name} gets {answer.status} before the end: {answer.body!r}"
        accounts.revoke_key(key_id(late["late"]))
        accounts.remove_account("leaving")
        accounts.disable("leftout")
        accounts.change_account("demoted", roles=["admin"])
        # Whoever has lost a key must make no other one with it, not even at once.
        for name, headers in late.items():
            sent = [*headers, ("content-type", "application/json")]
            answer = await ask(self._service, "POST", "/manage/me/keys", sent, b"{}")
            if answer.status != 401:
                yield f"{name} gets {answer.status} with a key that has just ended"
        await asyncio.to_thread(self._service.refresh)
        ended = {name: headers for name, headers in late.items() if name != "demoted"}
        async for each in self._of_ended(ended):
            yield each
        # Known again, and by the quick way, too.
        for headers in ([*short.headers, SLOW], short.headers):
            await ask(self._service, "GET", "/orders", headers)

    async def _of_ended(self, ended: Named) -> AsyncIterator[str]:
        for name, headers in ended.items():
            if hot(self._service, "GET", "/orders", headers) is not None:
                yield f"{name} is answered the quick way after the end"
            answer = await ask(self._service, "GET", "/orders", headers)
            if answer.status != 401:
                yield f"{name} gets {answer.status} after the end"


@dataclass(frozen=True)
class _Short:
    """A key that ends in a moment, and when."""

    headers: Headers
    ends_at: float


def _short_key(accounts: Accounts) -> _Short:
    secret, entry = new_key("prod")
    ends_at = accounts.now() + 3
    accounts.add_key(replace(entry, account="ada", expires_at=ends_at))
    return _Short(bearer(secret.reveal()), ends_at)


def first_difference(matrix: Matrix) -> str | None:
    """The first difference, if there is one."""
    found: list[str] = []

    async def look(service: Service) -> None:
        async for each in Asking(service, matrix).differences():
            found.append(each)
            return

    matrix.asked(look)
    return found[0] if found else None


def _call(answer: Answered) -> Answered:
    """The answer to the one call of a batch."""
    [call] = json.loads(answer.body)["answers"]
    return Answered(
        call["status"], tuple(call["headers"].items()), json.dumps(call["body"]).encode()
    )


def _telling(answer: Answered) -> tuple[int, list[str], str]:
    """What a refusal tells: all but what is new in each."""
    body = re.sub(r"urn:uuid:[0-9a-f-]+", "", answer.body.decode())
    return answer.status, sorted(name for name, _ in answer.headers), body


def _leak(probe: Probe, name: str, answer: Answered) -> str:
    """What somebody may see in no answer at all."""
    text = f"{seen_in(answer)} {answer.headers}"
    may = MARKS.get(name, frozenset())
    if CANARY in text and 3 not in may:
        return "sees the canary"
    if not may.issuperset(int(each) for each in _MARK.findall(text)):
        return "sees another's order"
    if ".example" in text and "@" in text and name not in ANALYSTS:
        return "sees an e-mail address"
    return ""


def _misdescribed(name: str, path: str, answer: Answered) -> str:
    """What a description has too many, or too few, for somebody."""
    is_html = answer.header("content-type") != "application/json"
    described = {} if is_html else json.loads(answer.body)
    if path == "/console":
        found = set(re.findall("<code>(/.*?)</code>", answer.body.decode()))
        expected = {each.rpartition(" ")[2] for each in _open_to(name)}
    elif is_html:
        return ""
    elif path == "/":
        found = {each["path"] for each in described["endpoints"]}
        expected = {each for each in _open_to(name) if " " not in each}
    else:
        found = {
            f"{method.upper()} {each}"
            for each, operations in described["paths"].items()
            for method in operations
        }
        expected = {"POST /batch"}
        for each in _open_to(name):
            expected |= {each} if " " in each else {f"GET {each}", f"GET {each}/stream"}
    return "" if found == expected else f"is told of {sorted(found)}, expected {sorted(expected)}"


def _open_to(name: str) -> Iterator[str]:
    """What of endpoints and routers is open to somebody, as descriptions have it."""
    for each, row in TABLE.items():
        method, _, path = each.rpartition(" ")
        is_described = method not in ("HEAD", "OPTIONS", "PURGE") and not path.startswith(FACES)
        if name in row.who and is_described and path not in ("/", "/openapi.json", "/batch"):
            yield each

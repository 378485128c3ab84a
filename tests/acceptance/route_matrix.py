"""Who gets in where: takes a service over the matrix project, asks everything that it answers as
everybody there is, and gives each answer that is not the declared one.

`TABLE` is written down, not computed: a route that is served and not in it is a difference.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product

from headrace.auth.accounts import Accounts
from headrace.auth.api_keys import new_key
from headrace.console.pages import assets
from headrace.serve import questions
from headrace.serve.app import Service
from headrace.serve.forgery import page_token
from tests.acceptance.asgi import SLOW, Answered, ask, hot
from tests.acceptance.credentials import Headers, Named, bearer, key_id
from tests.acceptance.matrix_project import OWN_PAGE, PASSWORD, Matrix
from tests.acceptance.seen import seen_in
from tests.tenants import CANARY

# Everybody who is somebody.
ANALYSTS = frozenset(
    {
        *("ada", "gina", "loader", "ada for reports", "ada elsewhere", "session of ada"),
        *("token of an analyst", "token elsewhere", "own token of ada", "own token of loader"),
    }
)
MANAGERS = frozenset({"maria", "sven", "token of a manager"})
FRANCHISEES = frozenset({"nora", "sofia"})
AUDITORS = frozenset({"vera"})
ADMINS = frozenset({"root", "session of root"})
ROLELESS = frozenset(
    {
        *("plain", "ada without roles", "root elsewhere", "token without roles"),
        *("token of an admin", "token of another ada"),
    }
)
SELLERS = ANALYSTS | MANAGERS | FRANCHISEES
KNOWN = SELLERS | AUDITORS | ADMINS | ROLELESS
ELSEWHERE = frozenset({"ada elsewhere", "token elsewhere", "root elsewhere"})
OF_OTHER_ISSUERS = frozenset(
    {
        *("token of an analyst", "token of a manager", "token elsewhere"),
        *("token without roles", "token of an admin", "token of another ada"),
    }
)
SESSIONS = frozenset({"session of ada", "session of root"})
NOBODIES = frozenset(
    {
        *("nothing", "no session", "two sessions"),
        *("session of the disabled", "session of who has changed"),
    }
)
EVERYBODY = KNOWN | NOBODIES
NONE: frozenset[str] = frozenset()

MARKS: Mapping[str, frozenset[int]] = {
    **{name: frozenset({1, 2, 3, 4}) for name in ANALYSTS},
    **{name: frozenset({1, 2}) for name in ("maria", "token of a manager")},
    **{name: frozenset({3}) for name in ("sven", "sofia")},
    "nora": frozenset({1, 2, 4}),
}
"""The orders that each may see; all others see none."""
ALL = frozenset({1, 2, 3, 4})


@dataclass(frozen=True)
class Row:
    """Who gets in, and what they get.

    Attributes:
        who: by name; those with a bad credential get in nowhere.
        marks: those of the orders that the answer to all of it would hold.
        status: of whoever gets in.
        other: name -> another status.
    """

    who: Collection[str]
    marks: frozenset[int] = frozenset()
    status: int = 200
    other: Mapping[str, int] = field(default_factory=dict)


def _each(names: Collection[str], status: int) -> dict[str, int]:
    return dict.fromkeys(names, status)


PUBLIC: Mapping[str, Row] = {
    "/": Row(EVERYBODY),
    "/openapi.json": Row(EVERYBODY),
    "/batch": Row(EVERYBODY, status=405),
    "/days": Row(EVERYBODY),
    "POST /shared": Row(EVERYBODY),
    "OPTIONS /shared": Row(EVERYBODY, status=204),
    "PURGE /shared": Row(EVERYBODY, status=405),
    "POST /split": Row(EVERYBODY),
    "POST /auth/token": Row(EVERYBODY, status=415),
    "POST /auth/revoke": Row(EVERYBODY, status=415),
    "POST /auth/sign-in": Row(EVERYBODY, status=415),
    "POST /auth/sign-out": Row(EVERYBODY, status=303),
    "POST /auth/sessions/{handle}/end": Row(EVERYBODY, status=303),
    "POST /auth/setup": Row(EVERYBODY, status=415),
    "GET /auth/oidc/{issuer}": Row(EVERYBODY, status=404),
    "GET /auth/oidc/{issuer}/callback": Row(EVERYBODY, status=404),
    "GET /console": Row(EVERYBODY, status=303, other=_each(SESSIONS, 200)),
    "GET /console/sign-in": Row(EVERYBODY, other=_each(SESSIONS, 303)),
    "GET /console/setup": Row(EVERYBODY, status=303),
    "GET /console/static/{name}": Row(EVERYBODY),
}
"""Every route that is open to somebody whom nobody knows."""

HEALTH = ("/livez", "/readyz")
"""Those that look at no credential, not even at a bad one."""

GUARDED: Mapping[str, Row] = {
    "/stores/{store_id}/revenue": Row(SELLERS, frozenset({1, 2})),
    "/orders": Row(SELLERS, ALL),
    "/own": Row(KNOWN, ALL),
    "/reports": Row(ANALYSTS - ELSEWHERE, ALL),
    "/scoped": Row(KNOWN - ELSEWHERE, ALL),
    "/vault": Row(AUDITORS | ANALYSTS),
    "GET /mine": Row(ANALYSTS | MANAGERS, ALL),
    "HEAD /mine": Row(ANALYSTS | MANAGERS),
    "POST /mine": Row(ANALYSTS | MANAGERS),
    "OPTIONS /mine": Row(ANALYSTS | MANAGERS, status=204),
    "PURGE /mine": Row(ANALYSTS | MANAGERS, status=405),
    "GET /shared": Row(AUDITORS),
    "HEAD /shared": Row(AUDITORS),
    "GET /split": Row(AUDITORS),
    "HEAD /split": Row(AUDITORS),
    "OPTIONS /split": Row(AUDITORS, status=204),
    "PURGE /split": Row(AUDITORS, status=405),
    # Of a path that is an endpoint's, a router has only the methods that are its own.
    "POST /orders": Row(AUDITORS),
    "HEAD /orders": Row(SELLERS),
    "OPTIONS /orders": Row(SELLERS, status=204),
    "PURGE /orders": Row(SELLERS, status=405),
    "GET /manage/users": Row(ADMINS),
    "POST /manage/users": Row(ADMINS, status=415),
    "PATCH /manage/users/{name}": Row(ADMINS, status=415),
    "GET /manage/keys": Row(ADMINS),
    "POST /manage/keys": Row(ADMINS, status=415),
    "DELETE /manage/keys/{id}": Row(ADMINS, status=404),
    "POST /manage/rollback": Row(ADMINS, status=415),
    "GET /manage/audit": Row(ADMINS),
    "GET /manage/me": Row(KNOWN),
    "GET /manage/me/keys": Row(KNOWN, other=_each(OF_OTHER_ISSUERS, 404)),
    "POST /manage/me/keys": Row(KNOWN, status=415),
    "DELETE /manage/me/keys/{id}": Row(KNOWN, status=404),
}
TABLE = {**PUBLIC, **GUARDED}

SAMPLES = {
    "store_id": "10",
    "issuer": "corp",
    "name": next(iter(assets())),
    "handle": "x",
    "id": "x",
}
# Not everything is asked as everybody: these differ in what they get in to, and how.
_FEW = (
    *("ada", "maria", "sven", "vera", "root", "plain", "ada elsewhere", "session of ada"),
    *("nothing", "expired"),
)
_FEWER = ("ada", "nothing", "expired")
_TELLING = (
    *("/orders", "/vault?", "/mine", "/shared", "/batch", "/openapi", "/manage", "/auth"),
    "/console",
)
_FACES = ("/auth", "/manage", "/console")
_NOWHERE = "/nobody/knows"
_MARK = re.compile(r"mark-(\d)")
_ELSEWHERES_PAGE = ("origin", "https://evil.example")


@dataclass(frozen=True)
class Probe:
    """One request, and who gets what by it; the `first` of each route is asked as everybody."""

    method: str
    target: str
    row: Row
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    first: bool = False

    @property
    def names(self) -> Collection[str] | None:
        """As whom to ask; None for everybody."""
        if self.first:
            return None
        return _FEW if self.row.who else _FEWER

    @property
    def turn(self) -> int:
        """What tells most is asked first: whose credentials hold, and then all the ways in."""
        if self.first:
            return 0 if self.target == "/own" else 3
        return 1 if self.target.startswith(_TELLING) else 2

    def __str__(self) -> str:
        shown = self.target if len(self.target) < 90 else f"{self.target[:80]}…"
        sent = f" {self.headers}" if self.headers else ""
        return f"{self.method} {shown}{sent} {self.body.decode()[:80]}".rstrip()


# What is served


@dataclass(frozen=True)
class Live:
    """The routes of a service as it has them: paths of endpoints, and methods with a path."""

    endings: tuple[str, ...]
    endpoints: frozenset[str]
    routers: frozenset[str]
    faces: frozenset[str]
    pages: frozenset[str]
    health: frozenset[str]

    @classmethod
    def of(cls, service: Service) -> Live:
        """Read from the service itself, so that what is added is here."""
        edition = service._acquired()
        try:
            users = {
                f"{method} {each.path_format}"
                for route, _ in edition.code.routes
                # What FastAPI calls each route of a router that was included.
                for each in route.effective_route_contexts()  # type: ignore[attr-defined]
                for method in {*each.methods, "HEAD", "OPTIONS", "PURGE"}
            }
            return cls(
                tuple(form.ending for form in service._questions._formats.offered),
                frozenset(edition.endpoints),
                frozenset(users),
                frozenset(
                    f"{each.method} {each.path}"
                    for face in service._faces._faces
                    for each in face.routes
                ),
                questions._OPEN_PATHS,
                frozenset(service._system),
            )
        finally:
            service._watcher.release(edition)

    @property
    def names(self) -> frozenset[str]:
        """As the table has them."""
        return self.endpoints | self.routers | self.faces | self.pages


def undeclared(live: Live) -> Iterator[str]:
    """What is served and not declared, and the other way round."""
    for name in sorted(live.names - TABLE.keys()):
        yield (
            f"{name} is served, and nothing says who gets in; declare it in TABLE of "
            "tests/acceptance/route_matrix.py"
        )
    for name in sorted(TABLE.keys() - live.names):
        yield f"{name} is declared in TABLE, and is not served; take it out"
    for path in sorted(live.health ^ set(HEALTH)):
        yield f"{path} looks at no credential; declare it in HEALTH"


# What is asked


def probes(live: Live, cursors: Mapping[str, str]) -> Iterator[Probe]:
    """Every request, the most telling ones first."""
    for name in sorted(live.names & TABLE.keys()):
        method, _, path = name.rpartition(" ")
        if path in live.pages or method in ("HEAD", "OPTIONS", "PURGE"):
            continue
        headers = OWN_PAGE if path.startswith("/auth") else []
        yield Probe(method or "GET", _sample(path), TABLE[name], headers, first=True)
    yield from _pages(live)
    for path in sorted(live.endpoints & TABLE.keys()):
        yield from _of_endpoint(path, live)
    for name in sorted(live.routers & TABLE.keys()):
        method, _, path = name.partition(" ")
        yield Probe(method, path, TABLE[name])
        yield from _strange(path, TABLE[name])
    yield from _of_faces(live)
    yield from _forged(live)
    yield Probe("GET", f"/orders?limit=1&cursor={cursors['/orders']}", Row(SELLERS, status=410))
    yield Probe("GET", f"/vault?limit=1&cursor={cursors['/vault']}", Row(AUDITORS))
    # All calls of a batch are of the snapshot that its own cursor is of.
    older = f"/batch?cursor={cursors['/orders']}"
    yield replace(batch("/orders", Row(SELLERS, status=410)), target=older)
    yield replace(batch("/vault", Row(AUDITORS)), target=older)


def _pages(live: Live) -> Iterator[Probe]:
    for path in sorted(live.pages & TABLE.keys()):
        yield Probe("GET", path, TABLE[path], first=True)
        yield Probe("OPTIONS", path, Row(EVERYBODY, status=204))
        yield Probe("DELETE", path, Row(EVERYBODY, status=405))
    for path in ("/", "/openapi.json"):
        yield Probe("HEAD", path, TABLE[path])
    yield Probe("GET", "/", TABLE["/"], [("accept", "text/html")])
    yield Probe("POST", "/batch", Row(EVERYBODY, status=415))
    yield Probe("POST", "/batch", Row(EVERYBODY, status=403), [_ELSEWHERES_PAGE])
    for path in ("/nobody", "/nobody.csv", "/nobody/stream", "/livez/x", "//", "/%00"):
        yield Probe("GET", path, Row(NONE))
        yield Probe("DELETE", path, Row(NONE))
    for query in ("snapshot=99", "cursor=x"):
        yield Probe("GET", f"{_NOWHERE}?{query}", Row(NONE))
    # No path at all, whoever asks.
    yield Probe("GET", "/%ff", Row(EVERYBODY, status=400))


def _of_endpoint(template: str, live: Live) -> Iterator[Probe]:
    row, path = TABLE[template], _sample(template)
    bare = replace(row, marks=frozenset())
    for ending in live.endings:
        yield Probe("GET", f"{path}.{ending}", row)
        yield Probe("HEAD", f"{path}.{ending}", bare)
    yield Probe("GET", f"{path}/stream", row)
    yield Probe("HEAD", f"{path}/stream", bare)
    yield Probe("DELETE", f"{path}/stream", replace(bare, status=405))
    yield Probe("GET", f"{path}/stream", replace(bare, status=403), [_ELSEWHERES_PAGE])
    yield batch(path, row)
    yield batch(f"{path}?limit=1&snapshot=99", replace(bare, status=403))
    yield Probe("GET", path, row, [("accept", "text/csv")])
    yield Probe("GET", path, replace(bare, status=406), [("accept", "image/png")])
    yield Probe("HEAD", path, bare)
    yield Probe("OPTIONS", path, replace(bare, status=204))
    for method in ("DELETE", "PUT", "PURGE"):
        yield Probe(method, path, replace(bare, status=405))
    for query in ("cursor=x", f"cursor={'A' * 80}", "nonsense=1", "limit=x", "x=" + "y" * 4000):
        yield Probe("GET", f"{path}?{query}", replace(bare, status=422))
    yield Probe("GET", f"{path}?snapshot=99", replace(bare, status=403))
    yield Probe("GET", f"{path}?snapsho%74=99", replace(bare, status=403))
    yield Probe("GET", f"/%{ord(path[1]):02x}{path[2:]}", row)
    yield from _strange(path, bare)


def _strange(path: str, row: Row) -> Iterator[Probe]:
    """Paths that look like another one, and are nobody's."""
    for other in (f"{path}/", f"/{path}", f"{path}//", f"/.{path}", f"/x/..{path}", path.upper()):
        yield Probe("GET", other, Row(NONE))
    for ending in ("%2e%2e", ";x", "%2fstream", ".exe", "%20"):
        yield Probe("GET", f"{path}{ending}", Row(NONE))
    if path != "/days":
        yield Probe("OPTIONS", f"{path}/", Row(NONE))
    # Before anybody is asked who they are: no more may be sent to any path.
    yield Probe("GET", f"{path}?{'x' * 9000}", Row([*EVERYBODY, "expired"], status=414))


def _of_faces(live: Live) -> Iterator[Probe]:
    """The methods of a path are open to whoever one of them is open to."""
    by_path: dict[str, set[str]] = {}
    for name in live.faces & TABLE.keys():
        method, _, path = name.partition(" ")
        by_path.setdefault(path, set()).add(method)
    for template, methods in sorted(by_path.items()):
        path = _sample(template)
        who = frozenset().union(*(TABLE[f"{method} {template}"].who for method in methods))
        yield Probe("OPTIONS", path, Row(who, status=204))
        yield Probe("PURGE", path, Row(who, status=405))
        yield Probe("GET", f"{path}/nobody/knows", Row(NONE))
        if "GET" in methods:
            row = TABLE[f"GET {template}"]
            yield Probe("HEAD", path, row)
            yield Probe("GET", f"/%{ord(path[1]):02x}{path[2:]}", row)
        else:
            yield Probe("HEAD", path, Row(who, status=405))
    for face in _FACES:
        yield Probe("GET", f"{face}/", Row(NONE))
    json_type = [("content-type", "application/json")]
    yield Probe("PATCH", "/manage/users/stranger", Row(ADMINS, status=404), json_type, b"{}")


def _forged(live: Live) -> Iterator[Probe]:
    """What another site's page has a browser send: a session alone is refused, as anywhere."""
    for name in sorted(live.faces & TABLE.keys()):
        method, _, path = name.partition(" ")
        row = TABLE[name]
        if method != "GET" and path.startswith("/manage"):
            other = {**row.other, **_each(SESSIONS, 403)}
            yield Probe(method, _sample(path), replace(row, other=other), [FORGED])
    for lacking, name in product(_LACKING, ("DELETE /orders", "POST /mine")):
        method, _, path = name.partition(" ")
        row = TABLE.get(name, Row(SELLERS, status=405))
        # Whoever may not, is told of the page, too: that is said of every path.
        other = {**row.other, **_each(SESSIONS, 403)}
        who = frozenset(row.who) | SESSIONS
        yield Probe(method, path, replace(row, who=who, other=other), [lacking])
    for path in ("sign-in", "setup"):
        yield Probe("POST", f"/auth/{path}", Row(EVERYBODY, status=403), [_ELSEWHERES_PAGE, FORGED])
    for lacking in _LACKING:
        row = Row(EVERYBODY, status=303, other=_each(SESSIONS, 403))
        yield Probe("POST", "/auth/sign-out", row, [lacking])


FORGED = ("x-forged", "all")
"""Marks a request that gets nothing of what a page of a session sends."""
_NO_PAGE, _NO_TOKEN = ("x-forged", "page"), ("x-forged", "token")
_LACKING = (FORGED, _NO_PAGE, _NO_TOKEN)


def _is_forged(probe: Probe) -> bool:
    return not set(_LACKING).isdisjoint(probe.headers)


def batch(target: str, row: Row) -> Probe:
    """A batch of one call; the row is about the call."""
    body = json.dumps({"calls": [{"path": target}]}).encode()
    return Probe("POST", "/batch", row, [("content-type", "application/json")], body)


def _sample(template: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: SAMPLES[found[1]], template)


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
            if name in SESSIONS and probe.target == "/auth/sign-out" and not _is_forged(probe):
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
        lacking = [("x-page-token", "another")] if _NO_TOKEN in probe.headers else []
        own = OWN_PAGE if lacking else sent[1:] if _NO_PAGE in probe.headers else sent
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
        face = next((it for it in _FACES if probe.target.startswith(f"{it}/")), "")
        key = (name, probe.method, is_call, face, *probe.headers)
        if key not in self._nowhere:
            nowhere = f"{face}{_NOWHERE}"
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
        # Whoever has lost a key must make no other one with it, not even at once.
        for name, headers in late.items():
            sent = [*headers, ("content-type", "application/json")]
            answer = await ask(self._service, "POST", "/manage/me/keys", sent, b"{}")
            if answer.status != 401:
                yield f"{name} gets {answer.status} with a key that has just ended"
        await asyncio.to_thread(self._service.refresh)
        async for each in self._of_ended(late):
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
        is_described = method not in ("HEAD", "OPTIONS", "PURGE") and not path.startswith(_FACES)
        if name in row.who and is_described and path not in ("/", "/openapi.json", "/batch"):
            yield each

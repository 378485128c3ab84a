"""What is asked of a service: takes the routes that it has, gives every request, each with who gets
what by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from headrace.console.pages import assets
from headrace.serve import questions
from headrace.serve.app import Service
from tests.acceptance.credentials import Headers
from tests.acceptance.matrix_project import OWN_PAGE
from tests.acceptance.matrix_table import (
    ADMINS,
    AUDITORS,
    EVERYBODY,
    HEALTH,
    NONE,
    SELLERS,
    SESSIONS,
    TABLE,
    Row,
    statuses,
)

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
FACES = ("/auth", "/manage", "/console")
NOWHERE = "/nobody/knows"
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
            "tests/acceptance/matrix_table.py"
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
        yield Probe("GET", f"{NOWHERE}?{query}", Row(NONE))
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
    for face in FACES:
        yield Probe("GET", f"{face}/", Row(NONE))
    json_type = [("content-type", "application/json")]
    yield Probe("PATCH", "/manage/users/stranger", Row(ADMINS, status=404), json_type, b"{}")


def _forged(live: Live) -> Iterator[Probe]:
    """What another site's page has a browser send: a session alone is refused, as anywhere."""
    for name in sorted(live.faces & TABLE.keys()):
        method, _, path = name.partition(" ")
        row = TABLE[name]
        if method != "GET" and path.startswith("/manage"):
            other = {**row.other, **statuses(SESSIONS, 403)}
            yield Probe(method, _sample(path), replace(row, other=other), [FORGED])
    for lacking, name in product(_LACKING, ("DELETE /orders", "POST /mine")):
        method, _, path = name.partition(" ")
        row = TABLE.get(name, Row(SELLERS, status=405))
        # Whoever may not, is told of the page, too: that is said of every path.
        other = {**row.other, **statuses(SESSIONS, 403)}
        who = frozenset(row.who) | SESSIONS
        yield Probe(method, path, replace(row, who=who, other=other), [lacking])
    for path in ("sign-in", "setup"):
        yield Probe("POST", f"/auth/{path}", Row(EVERYBODY, status=403), [_ELSEWHERES_PAGE, FORGED])
    for lacking in _LACKING:
        row = Row(EVERYBODY, status=303, other=statuses(SESSIONS, 403))
        yield Probe("POST", "/auth/sign-out", row, [lacking])


FORGED = ("x-forged", "all")
"""Marks a request that gets nothing of what a page of a session sends."""
NO_PAGE, NO_TOKEN = ("x-forged", "page"), ("x-forged", "token")
_LACKING = (FORGED, NO_PAGE, NO_TOKEN)


def is_forged(probe: Probe) -> bool:
    return not set(_LACKING).isdisjoint(probe.headers)


def batch(target: str, row: Row) -> Probe:
    """A batch of one call; the row is about the call."""
    body = json.dumps({"calls": [{"path": target}]}).encode()
    return Probe("POST", "/batch", row, [("content-type", "application/json")], body)


def _sample(template: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: SAMPLES[found[1]], template)

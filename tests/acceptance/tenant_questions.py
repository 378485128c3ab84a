"""Questions of tenants: takes an endpoint and a Random, gives requests; and how answers differ."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote, urlsplit

from headrace.serve import Service
from tests.acceptance.tenant_projects import CANARY, Query

_VALUES = {
    "bigint": ["1", "2", "7", "900", "901", "many"],
    "int": ["1", "2", "3", "4", "1.5"],
    "date": ["2024-01-01", "2024-02-01", "2024-03-09", "2030-01-01", "2024-02-30"],
    "text": ["a", "b", "c", "%", "%canary%", "a x", "'"],
}
_ACCEPTS = ["application/json"] * 4 + ["application/x-ndjson", "text/csv"]
_MOST_PAGES = 60
# What two snapshots of the same rows need not have in common.
_OWN = frozenset({"etag", "x-snapshot", "x-data-age", "date", "x-request-id", "link"})
_INSTANCE = re.compile(rb'"instance":"[^"]*"')
_NEXT = re.compile(r'<([^>]+)>; rel="next"')


@dataclass(frozen=True)
class Question:
    """One request; `follows` says that all pages behind it are asked for, too."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    follows: bool = False


@dataclass(frozen=True)
class Seen:
    """An answer as a client sees it; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def next_url(self) -> str:
        """The next page; "" when there is none."""
        found = _NEXT.search(self.headers.get("link", ""))
        return found[1] if found else ""


def draw(rng: Random, endpoint: Query) -> Question:
    """A random question to an endpoint; some of them are refused."""
    given = [f"{name}={quote(rng.choice(_VALUES[kind]))}" for name, kind in endpoint.parameters]
    if given and rng.random() < 0.05:
        given.pop()
    paging = rng.random()
    if paging < 0.4:
        given.append(f"limit={rng.randint(1, 4)}")
    if paging < 0.2:
        given.append(f"offset={rng.choice([0, 1, 3])}")
    given += _listing(rng, endpoint)
    if rng.random() < 0.03:
        given.append("what=1")
    rng.shuffle(given)
    headers = {"accept": rng.choice(_ACCEPTS)}
    url = f"/{endpoint.name}" + (f"?{'&'.join(given)}" if given else "")
    return Question(url, headers, follows=0.2 <= paging < 0.4)


def _listing(rng: Random, endpoint: Query) -> Iterator[str]:
    fields = endpoint.fields
    if rng.random() < 0.2:
        yield f"fields={','.join(rng.sample(fields, rng.randint(1, len(fields))))}"
    if rng.random() < 0.2:
        # By all of them: rows that tie come in any order.
        yield f"sort={rng.choice(['', '-'])}{rng.choice(fields)}"
    if rng.random() < 0.2:
        name = rng.choice([each for each in fields if each != "day"] or list(fields))
        texts = {"label", "other", "top", "last"}
        value = rng.choice(["a x", "canary-of", "b"] if name in texts else ["1", "2", "0"])
        yield f"{name}{rng.choice(['', '[gte]', '[lt]'])}={quote(value)}"


async def ask(service: Service, question: Question, key: str) -> list[Seen]:
    """The answer to a question, and to what follows; `key` is an API key."""
    found = [await _ask(service, question.url, question.headers, key)]
    while question.follows and found[-1].next_url and len(found) < _MOST_PAGES:
        found.append(await _ask(service, found[-1].next_url, question.headers, key))
    return found


async def _ask(service: Service, url: str, headers: Mapping[str, str], key: str) -> Seen:
    parts = urlsplit(url)
    given = {**headers, **({"authorization": f"Bearer {key}"} if key else {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    sent: list[dict[str, object]] = []

    begun: list[bool] = []

    async def receive() -> dict[str, object]:
        if begun:
            # As a client that stays: nothing more comes.
            await asyncio.Event().wait()
        begun.append(True)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    await service(scope, receive, send)
    start = sent[0]
    pairs = start["headers"]
    assert isinstance(pairs, list)
    told = {name.decode().lower(): value.decode() for name, value in pairs}
    bodies = [each.get("body", b"") for each in sent[1:]]
    assert isinstance(start["status"], int)
    return Seen(start["status"], told, b"".join(each for each in bodies if isinstance(each, bytes)))


def difference(found: list[Seen], expected: list[Seen]) -> str:
    """How what a tenant sees of all data differs from what there is of its own; "" for not."""
    for place, (one, other) in enumerate(zip(found, expected, strict=False)):
        if _told(one) != _told(other):
            return f"page {place}: {_told(one)} instead of {_told(other)}"
    return "" if len(found) == len(expected) else f"{len(found)} pages instead of {len(expected)}"


def _told(seen: Seen) -> tuple[object, ...]:
    headers = {name: value for name, value in seen.headers.items() if name not in _OWN}
    headers.pop("content-length", None)
    return (
        seen.status,
        _INSTANCE.sub(b"", seen.body),
        headers,
        bool(seen.next_url),
        "etag" in seen.headers,
    )


def leak(found: list[Seen]) -> str:
    """Where a canary is in an answer; "" for nowhere."""
    for seen in found:
        said = [*(f"{name}: {value}" for name, value in seen.headers.items()), str(seen.body)]
        for text in said:
            if CANARY in text:
                return text
    return ""

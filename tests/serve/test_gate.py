"""The gate tells who asks by headers alone, and forgets at once what does not hold any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from headrace.auth.proofs import BadCredential, KeysMissing
from headrace.base.access import ANONYMOUS, AUTHENTICATED, NOBODY, PUBLIC, Access, Principal
from headrace.serve.answering.answers import Headers
from headrace.serve.answering.problems import Refused, not_found
from headrace.serve.gate import COOKIE, OPEN_GATE, Gate, has_session, require, session_cookie

ANNA = Principal("user:anna", frozenset({"analyst"}), credential="word:anna")


@dataclass
class Words:
    """Credentials that are words: each says who it is, as long as it is not revoked."""

    known: dict[bytes, Principal] = field(default_factory=lambda: {b"anna": ANNA})
    missing: set[bytes] = field(default_factory=set)
    changed: bool = False
    asked: int = 0
    fetched: list[str] = field(default_factory=list)
    uses: dict[str, float] = field(default_factory=dict)

    def takes(self, credential: bytes) -> bool:
        return credential.isalpha()

    def verify(self, credential: bytes, now: float) -> Principal:  # noqa: ARG002
        self.asked += 1
        if credential in self.missing:
            raise KeysMissing("words")
        if credential not in self.known:
            raise BadCredential("no such word")
        return self.known[credential]

    async def fetch(self, issuer: str) -> None:
        self.fetched.append(issuer)
        self.missing.clear()

    def refresh(self) -> bool:
        changed, self.changed = self.changed, False
        return changed

    def note_uses(self, uses: Mapping[str, float]) -> None:
        self.uses.update(uses)


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def principal(gate: Gate, *headers: tuple[bytes, bytes]) -> Principal:
    return asyncio.run(gate.principal(list(headers)))


def bearer(word: bytes) -> tuple[bytes, bytes]:
    return (b"authorization", b"Bearer " + word)


def refused(gate: Gate, *headers: tuple[bytes, bytes]) -> dict[str, object]:
    with pytest.raises(Refused) as caught:
        principal(gate, *headers)
    answer = caught.value.answer
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    body: dict[str, object] = json.loads(answer.body)
    return body


def test_nothing_shown_is_nobody_known() -> None:
    assert principal(Gate([Words()])) is ANONYMOUS
    assert principal(OPEN_GATE) is ANONYMOUS


def test_a_proof_is_looked_at_once_until_something_changes() -> None:
    words = Words()
    gate = Gate([words], clock=Time())
    assert gate.quick(b"Bearer anna") is ANNA
    assert gate.quick(b"Bearer anna") is ANNA
    assert principal(gate, bearer(b"anna")) is ANNA
    asked = words.asked
    gate.refresh()
    assert gate.quick(b"Bearer anna") is ANNA
    assert words.asked == asked
    words.known, words.changed = {}, True
    gate.refresh()
    assert gate.quick(b"Bearer anna") is None
    refused(gate, bearer(b"anna"))


def test_a_proof_ends_when_it_expires() -> None:
    time = Time()
    until = Principal("user:bo", credential="word:bo", expires_at=1010.0)
    words = Words({b"bo": until})
    gate = Gate([words], clock=time)
    assert gate.quick(b"Bearer bo") is until
    time.now, words.known = 1010.0, {}
    assert gate.quick(b"Bearer bo") is None


def test_a_proof_that_rests_on_what_has_changed_meanwhile_is_kept_nowhere() -> None:
    words = Words()
    gate = Gate([words], clock=Time())
    verify = words.verify

    def revoked_meanwhile(credential: bytes, now: float) -> Principal:
        found = verify(credential, now)
        words.known, words.changed = {}, True
        gate.refresh()
        return found

    words.verify = revoked_meanwhile  # type: ignore[method-assign]
    assert gate.quick(b"Bearer anna") is ANNA
    words.verify = verify  # type: ignore[method-assign]
    assert gate.quick(b"Bearer anna") is None


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic YW5uYTphbm5h",
        b"anna",
        b"Bearer anna anna",
        b"Bearer nobody",
        b"Bearer " + b"a" * 9000,
        b"Bearer \xff\xfe",
    ],
)
def test_whatever_proves_nothing_gets_one_answer(header: bytes) -> None:
    gate = Gate([Words()])
    assert gate.quick(header) is None
    body = refused(gate, (b"authorization", header))
    body.pop("instance")
    assert body == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "The credential is not valid.",
    }


def test_two_credentials_are_one_too_many() -> None:
    refused(Gate([Words()]), bearer(b"anna"), bearer(b"anna"))


def test_missing_keys_are_fetched_once() -> None:
    words = Words(missing={b"anna"})
    gate = Gate([words])
    assert gate.quick(b"Bearer anna") is None
    assert principal(gate, bearer(b"anna")) is ANNA
    assert words.fetched == ["words"]


def test_keys_that_stay_away_prove_nothing() -> None:
    words = Words(missing={b"anna"})

    async def nothing(issuer: str) -> None:
        words.fetched.append(issuer)

    words.fetch = nothing  # type: ignore[method-assign]
    refused(Gate([words]), bearer(b"anna"))
    assert words.fetched == ["words"]


def test_uses_are_handed_on_in_one_go() -> None:
    words, time = Words(), Time()
    gate = Gate([words], clock=time)
    gate.quick(b"Bearer anna")
    time.now = 1005.0
    gate.quick(b"Bearer anna")
    assert words.uses == {}
    gate.refresh()
    assert words.uses == {"word:anna": 1005.0}


def cookie(value: str) -> tuple[bytes, bytes]:
    return (b"cookie", f"a=b; {COOKIE}={value}; c=d".encode())


def test_a_session_is_believed_and_one_that_has_ended_makes_nobody() -> None:
    sessions = Words()
    gate = Gate([], sessions)
    assert principal(gate, cookie("anna")) is ANNA
    assert principal(gate, cookie("over")) is ANONYMOUS
    assert principal(Gate([Words()]), cookie("anna")) is ANONYMOUS


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], ""),
        ([(b"cookie", b"x=1")], ""),
        ([cookie("abc")], "abc"),
        ([cookie("abc"), cookie("abd")], ""),
        ([(b"cookie", b"__Host-headrace-x=1")], ""),
        ([(b"cookie", b"__Host-headrace=\x01;=;;")], ""),
    ],
)
def test_the_session_is_one_cookie(headers: Headers, found: str) -> None:
    assert session_cookie(headers) == found


def test_the_quick_way_tells_a_cookie_that_may_be_a_session() -> None:
    assert has_session(b"a=b; __Host-headrace=1")
    assert not has_session(b"a=b")


def test_who_may_not_gets_what_there_is_where_there_is_nothing() -> None:
    require(PUBLIC, ANONYMOUS)
    require(AUTHENTICATED, ANNA)
    require(Access("granted", ("analyst", "owner")), ANNA)
    for access in (NOBODY, Access("granted", ("owner",))):
        with pytest.raises(Refused) as known:
            require(access, ANNA)
        assert known.value.answer.status == 404
        nothing = json.loads(not_found().body)
        body = json.loads(known.value.answer.body)
        assert body | {"instance": ""} == nothing | {"instance": ""}
    for access in (NOBODY, AUTHENTICATED, Access("granted", ("analyst",))):
        with pytest.raises(Refused) as unknown:
            require(access, ANONYMOUS)
        assert unknown.value.answer.status == 401
        assert unknown.value.answer.headers["WWW-Authenticate"] == "Bearer"

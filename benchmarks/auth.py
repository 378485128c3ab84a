"""What it costs to know who asks: gives microseconds for each way of proving it, and for what
follows from it.

Each is measured in this process, by the thread's CPU time, and beside a hash of 64 bytes: the ratio
of both is of use where the machine is not quiet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import cycle, repeat
from pathlib import Path
from types import NoneType

import jwt

from benchmarks.issuing import ALGORITHMS, KID, Signer
from benchmarks.page import machine, write_figures
from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.accounts.key_proofs import KeyProofs
from headrace.auth.signing_in.passwords import Passwords
from headrace.auth.signing_in.session_proofs import SessionProofs
from headrace.auth.signing_in.sessions import Sessions
from headrace.auth.tokens.key_sets import decoded, read_key_set
from headrace.auth.tokens.token_proofs import TokenProofs
from headrace.auth.tokens.verifying import StaticKeys, TokenVerifier
from headrace.base.access import Principal
from headrace.base.auth_settings import AuthSettings, LimitSettings, Rate
from headrace.base.clock import SystemClock
from headrace.base.secrets import Secret
from headrace.serve.gate import COOKIE, Gate
from headrace.serve.limiting.limits import Limits
from headrace.serve.scoping import BoundScope, Scoping
from headrace.serve.settings import ServeSettings
from headrace.store.snapshots import Case, Claim, Scope

KEY_LIMIT, TOKEN_LIMIT = 10.0, 100.0
# Of the others, OpenSSL takes about as long as that for the signature alone.
_FIRST_LIMITS = {"RS256": TOKEN_LIMIT}
_ENVIRONMENT, _READER, _TENANT = "prod", "reader", "north"
_WHO = Principal("service:reader", frozenset({_READER}), claims={"tenant": _TENANT, "store_id": 7})
# Nobody is ever refused: what is counted costs the same.
_NO_BOUND = Rate(1_000_000_000, 1.0, 1_000_000_000)
# More than are remembered, so that each has been forgotten when it comes again.
_STRANGERS = 6_000
_HASHED = bytes(64)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done.

    Attributes:
        what: it is.
        call: does it once.
        gives: the type of what `call` gives when it does what it should.
        limit: microseconds that it may take; 0 for what no request waits for again and again.
    """

    what: str
    call: Callable[[], object]
    gives: type
    limit: float = 0.0


REFERENCE = Step("SHA-256 of 64 bytes", lambda: sha256(_HASHED).digest(), bytes)


@dataclass(frozen=True, slots=True)
class Figure:
    """What a step costs: microseconds, and how many times the reference, both as medians."""

    what: str
    microseconds: float
    times: float
    limit: float

    @property
    def kept(self) -> bool:
        """Whether it costs no more than it may."""
        return not self.limit or self.microseconds <= self.limit

    def __str__(self) -> str:
        limit = f"{self.limit:g} µs" if self.limit else ""
        said = "yes" if self.kept else "NO"
        return f"| {self.what} | {self.microseconds:,.2f} | {self.times:,.1f} | {limit} | {said} |"


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often each step is measured, and for how long at a time, about."""

    count: int = 15
    seconds: float = 0.01


class NotDone(Exception):
    """A step gives something else than it should: what it costs says nothing."""


def measured(steps: Sequence[Step], rounds: Rounds) -> list[Figure]:
    """The reference, and each step; every round does all of them, one after the other.

    Raises:
        NotDone: a step does not do what it should.
    """
    every = [REFERENCE, *steps]
    for step in every:
        if not isinstance(given := step.call(), step.gives):
            raise NotDone(f"{step.what}: gives {type(given).__name__}, not {step.gives.__name__}")
    counts = [_count(step, rounds.seconds) for step in every]
    found = [
        [_microseconds(step, count) for step, count in zip(every, counts, strict=True)]
        for _ in range(rounds.count)
    ]
    return [
        Figure(
            step.what,
            statistics.median(row[place] for row in found),
            statistics.median(row[place] / row[0] for row in found),
            step.limit,
        )
        for place, step in enumerate(every)
    ]


def _count(step: Step, seconds: float) -> int:
    """How many calls take about so long; at least one."""
    return max(1, int(seconds * 1e6 / max(_microseconds(step, 1), _microseconds(step, 1), 0.1)))


def _microseconds(step: Step, count: int) -> float:
    call = step.call
    started = time.thread_time_ns()
    for _ in repeat(None, count):
        call()
    return (time.thread_time_ns() - started) / count / 1e3


@contextmanager
def all_steps(folder: Path) -> Iterator[list[Step]]:
    """Everything that is measured; `folder` gets an accounts file."""
    with closing(Accounts.open(folder / "accounts.db")) as accounts:
        yield [
            *_key_steps(accounts),
            *(step for algorithm in ALGORITHMS for step in _token_steps(algorithm)),
            *_session_steps(accounts),
            *_scope_steps(),
            *_limit_steps(),
            *_password_steps(),
        ]


def _key_steps(accounts: Accounts) -> Iterator[Step]:
    account = Account(_READER, "service", frozenset({_READER}), claims={"tenant": _TENANT})
    accounts.add_account(account)
    secret, entry = new_key(_ENVIRONMENT)
    accounts.add_key(replace(entry, account=account.name))
    unknown, _ = new_key(_ENVIRONMENT)
    keys = KeyProofs(accounts, FollowedDirectory(accounts), _ENVIRONMENT)
    gate, now = Gate([keys]), time.time()
    first = partial(keys.verify, secret.reveal().encode(), now)
    yield Step("API key, first time", first, Principal, KEY_LIMIT)
    again = partial(gate.quick, _bearer(secret.reveal()))
    yield Step("API key, remembered", again, Principal, KEY_LIMIT)
    yield Step("API key, unknown", partial(gate.quick, _bearer(unknown.reveal())), NoneType)


def _token_steps(algorithm: str) -> Iterator[Step]:
    signer = Signer.make(algorithm)
    issuer = signer.issuer("bench")
    known = StaticKeys(read_key_set(json.loads(signer.key_set()), ALGORITHMS))
    tokens = TokenProofs(TokenVerifier([issuer], {issuer.name: known}))
    token = signer.token("reader", (_READER,), _TENANT)
    key = known.keys[KID].key
    signed, _, signature = token.rpartition(".")
    alone = partial(jwt.get_algorithm_by_name(algorithm).verify, signed.encode(), key)
    value = decoded(signature)
    yield Step(f"{algorithm}, the signature alone", lambda: alone(value) or None, bool)
    first = partial(tokens.verify, token.encode(), time.time())
    limit = _FIRST_LIMITS.get(algorithm, 0.0)
    yield Step(f"token, {algorithm}, first time", first, Principal, limit)
    again = partial(Gate([tokens]).quick, _bearer(token))
    yield Step(f"token, {algorithm}, remembered", again, Principal, KEY_LIMIT)


def _bearer(credential: str) -> bytes:
    return f"Bearer {credential}".encode()


def _session_steps(accounts: Accounts) -> Iterator[Step]:
    accounts.add_account(Account("anna", roles=frozenset({_READER})))
    directory = FollowedDirectory(accounts)
    sessions = Sessions(accounts.database, directory, AuthSettings(), SystemClock())
    secret, _ = sessions.begin_for(directory.now.accounts["anna"])
    gate = Gate(sessions=SessionProofs(sessions))
    headers = [(b"cookie", f"{COOKIE}={secret.reveal()}".encode())]
    yield Step("session, by its cookie", lambda: _ended(gate.principal(headers)), Principal)


def _ended(coroutine: Coroutine[object, None, Principal]) -> Principal | None:
    """What a coroutine gives that waits for nothing; None if it does wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value if not end.value.is_anonymous else None
    coroutine.close()
    return None


def _scope_steps() -> Iterator[Step]:
    claims = (Claim("tenant", "VARCHAR"), Claim("store_id", "INTEGER"))
    cases = (Case(_READER, ("tenant",)), Case("store_manager", ("store_id",)))
    scoping = Scoping(Scope(claims, cases), "salt")
    strangers = cycle([replace(_WHO) for _ in range(_STRANGERS)])
    yield Step("row policy, first time", lambda: scoping.bind(next(strangers)), BoundScope)
    remembered = Scoping(Scope(claims, cases), "salt")
    yield Step("row policy, remembered", lambda: remembered.bind(_WHO), BoundScope, KEY_LIMIT)


def _limit_steps() -> Iterator[Step]:
    who = replace(_WHO, credential="key:1")
    one = LimitSettings(credential=_NO_BOUND)
    for said, given in {"one": one, "two": replace(one, tenant=_NO_BOUND)}.items():
        limits = Limits(ServeSettings(limits=given))
        call = partial(limits.quick, who, "", "data")
        yield Step(f"limits, {said} of them", call, list, KEY_LIMIT)


def _password_steps() -> Iterator[Step]:
    passwords, password = Passwords(), Secret("four words that nobody guesses")
    stored = passwords.hash(password)
    yield Step(
        "password, argon2id", lambda: passwords.verify(stored, password).matches or None, bool
    )


def table(figures: Sequence[Figure], rounds: Rounds) -> str:
    """The figures as Markdown, with the machine that they are from."""
    head = f"| what | µs of CPU | × {REFERENCE.what} | limit | kept |\n|---|---|---|---|---|"
    about = f"Medians of {rounds.count} interleaved rounds; {machine()}."
    return "\n".join([about, "", head, *map(str, figures)])


def main(arguments: Sequence[str], rounds: Rounds | None = None) -> int:
    """Measure, print, write; 1 when a limit is not kept."""
    parser = argparse.ArgumentParser("python -m benchmarks.auth")
    parser.add_argument("--keep-page", action="store_true", help="write nothing into the page")
    asked = parser.parse_args(arguments)
    rounds = rounds or Rounds()
    with (
        tempfile.TemporaryDirectory(prefix="headrace-bench-") as name,
        all_steps(Path(name)) as steps,
    ):
        figures = measured(steps, rounds)
    text = table(figures, rounds)
    print(text)
    if not asked.keep_page:
        write_figures("auth", text)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

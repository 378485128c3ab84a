"""Whoever asks for whatever is served gets what is declared, and without any one guard of the code
they would not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest

from headrace.serve.app import Service
from tests.acceptance.asgi import ask
from tests.acceptance.credentials import Headers
from tests.acceptance.guards import Guard, guards
from tests.acceptance.matrix_probes import Live, undeclared
from tests.acceptance.matrix_project import Matrix, build
from tests.acceptance.matrix_table import EVERYBODY, GUARDED, HEALTH, KNOWN, NOBODIES, PUBLIC
from tests.acceptance.route_matrix import Asking

NO_GUARDS = {
    "auth/tokens/openid.py": "an ID token signs in, and is no credential of a request",
    "serve/signing_in/openid.py": "likewise",
}
"""Modules whose refusals are no request's, each held by a test of its own."""

NOT_OF_ACCESS = {
    "require_roles": "what an account may be given",
    "require_claims": "what an account may be given",
    "require_label": "what a key may be called",
    "require_account_name": "what an account may be called",
    "require_environment_name": "what an environment may be called",
    "require_good": "a password that is hard to guess",
    "_require_still_admin": "no admin locks themselves out",
    "_require_loopback": "what a server listens on",
    "require_fit": "how large a request may be, whoever sends it",
    "_require_new": "a filter that is there twice",
    "_require_going_on": "a query that nobody waits for",
    "require_select": "what a query may be, whoever sends it",
    "require_one_select": "what a query may be, whoever sends it",
    "_require_files": "a snapshot that is whole",
    "require_whole": "a keyed copy that is whole",
}
"""Calls that refuse, but not by who asks."""

_TWICE = "says what another guard says as well: "
SPARED = {
    "base.access:Access.allows: self.kind == 'nobody'": "nothing that is served is for nobody",
    "auth.accounts.directory:Directory.principal_of: found is None": (
        "an account is removed with its keys and sessions"
    ),
    "auth.tokens.issuers:IssuerKeys.key: self._keys.get(kid) if is_fresh else None": (
        "an issuer that does not answer for a day; tests/auth/tokens/test_issuers.py"
    ),
    "auth.tokens.issuers:IssuerKeys.only: self.key(next(iter(self._keys))) if len(self._keys) == 1 "
    "else None": "of ID tokens, which sign in",
    "auth.tokens.own_tokens:OwnTokens.accept: found is None": _TWICE + "_account",
    "auth.tokens.own_tokens:OwnTokens._account: account.disabled": _TWICE
    + "to disable is a new epoch",
    "auth.signing_in.sessions:Sessions.principal_of: kept[0] is directory": (
        _TWICE + "what changes of an account is a new epoch"
    ),
    "auth.signing_in.sessions:Sessions.principal_of: found is None": _TWICE + "_holds",
    "auth.signing_in.sessions:Sessions._holds: now >= min(session.ends_at, idle_at)": (
        "an hour must pass; tests/auth/signing_in/test_sessions.py"
    ),
    "auth.signing_in.sessions:Sessions._holds: account is not None": (
        "an account is removed with its keys and sessions"
    ),
    "auth.signing_in.sessions:Sessions._holds: not account.disabled": _TWICE
    + "to disable is a new epoch",
    "auth.signing_in.sessions:Sessions._holds: self.directory.now is EMPTY": (
        "a file that cannot be read; tests/auth/signing_in/test_sessions.py"
    ),
    "auth.signing_in.sessions:_read: not known": (
        "a session of an account; without it none can be read"
    ),
    "auth.tokens.verifying:_parts: len(token) > MAX_TOKEN_BYTES": _TWICE
    + "the gate refuses as long a header",
    "auth.tokens.verifying:_checked_header: not is_kid(kid)": _TWICE
    + "there is no key of such a name",
    "serve.adhoc:open_tables: each.access.allows(principal)": (
        "nobody queries over HTTP; tests/cli/test_access.py"
    ),
    "serve.faces:Faces.answer: found is None": _TWICE + "where there is no path, no method is open",
    "serve.faces:Faces.answer: method in by_method": (
        "no path has methods for different people; tests/serve/test_faces.py"
    ),
    "serve.faces:_unforged: require(route.access, ANONYMOUS)": (
        "what takes no session is public; tests/serve/test_faces.py"
    ),
    "serve.managing.handling:_holds: account.id != principal.id": (
        "an account that was replaced by one of another kind a moment ago"
    ),
    "serve.managing.face:Managing._rollback: head is None": "something is always published here",
    "serve.signing_in.attempts:Attempts._verified: account is None": (
        _TWICE + "no password is that of a stranger"
    ),
    "serve.signing_in.attempts:Attempts._verified: account.kind != 'user'": (
        _TWICE + "a service has no password"
    ),
    "serve.gate:Gate.quick: proof is not None": "the slow way tells",
    "serve.gate:Gate._bearer: attempt == 2": "a key that comes and goes between two attempts",
    "auth.tokens.verifying:TokenVerifier.verify: algorithm not in trust.issuer.algorithms": (
        _TWICE + "read_key_set leaves out keys of other algorithms"
    ),
}
"""Guards whose absence no request can tell, each with its reason."""


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """A published store; whoever changes it works on a copy."""
    return build(tmp_path_factory.mktemp("matrix"))


def test_everybody_gets_what_is_declared_everywhere(matrix: Matrix, tmp_path: Path) -> None:
    """Every route that is live, by every method, in every format, by every credential."""
    found: list[str] = []

    async def look(service: Service) -> None:
        found.extend([each async for each in Asking(service, copy).differences()])

    copy = matrix.copied(tmp_path / "copy")
    copy.asked(look)
    assert found == []


def test_a_route_that_is_declared_nowhere_is_a_difference() -> None:
    nothing: frozenset[str] = frozenset()
    live = Live((), frozenset({"/payroll"}), nothing, nothing, nothing, frozenset(HEALTH))
    assert next(undeclared(live)) == (
        "/payroll is served, and nothing says who gets in; declare it in TABLE of "
        "tests/acceptance/matrix_table.py"
    )


def test_the_table_names_everybody(matrix: Matrix) -> None:
    assert matrix.known.keys() == KNOWN
    assert matrix.nobody.keys() == NOBODIES
    assert not matrix.bad.keys() & EVERYBODY
    assert all(row.who == EVERYBODY for row in PUBLIC.values())
    assert not any(NOBODIES & set(row.who) for row in GUARDED.values())


def test_without_any_one_guard_somebody_gets_something_else(matrix: Matrix) -> None:
    """Each guard that the code has is taken out in turn, and the matrix must see it."""
    wanted = [each for each in guards() if _counts(each)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.mutants", str(matrix.root)],
        input="".join(f"{each.name}\n" for each in wanted),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 0, ran.stderr
    outcomes = [json.loads(line) for line in ran.stdout.splitlines()]
    assert outcomes[0] == ["", "survived", ""], "the code as it is has a difference"
    assert len(outcomes) == len(wanted) + 1
    left = [
        f"{name}: {verdict} {said}" for name, verdict, said in outcomes[1:] if verdict != "killed"
    ]
    assert left == [], "\n".join(left)


def test_a_refusal_costs_what_it_costs_where_there_is_nothing(matrix: Matrix) -> None:
    """Counted in calls, which is the same on every machine: no stopwatch tells what there is."""
    refused = [
        (
            matrix.known["plain"],
            ("/orders", "/vault", "/stores/10/revenue", "/mine", "/orders.csv"),
        ),
        (matrix.nobody["nothing"], ("/orders", "/vault", "/stores/10/revenue", "/mine")),
        (matrix.bad["unknown key"], ("/orders", "/days", "/mine")),
    ]
    unlike: list[str] = []

    async def look(service: Service) -> None:
        for headers, paths in refused:
            for path in paths:
                nowhere = path.replace("s", "z").replace("m", "n").replace("v", "w")
                there = await _calls_of(service, path, headers)
                nothing = await _calls_of(service, nowhere, headers)
                if not 0.9 < there / nothing < 1.1:
                    unlike.append(f"{path}: {there} calls, and {nothing} where there is nothing")
        known, unknown = matrix.bad["wrong secret"], matrix.bad["unknown key"]
        costs = [await _calls_of(service, "/orders", each) for each in (known, unknown)]
        if costs[0] != costs[1]:
            unlike.append(f"a known key costs {costs[0]} calls, and an unknown one {costs[1]}")

    matrix.asked(look)
    assert unlike == []


async def _calls_of(service: Service, path: str, headers: Headers) -> int:
    """How many functions are called for a request that was sent before."""
    await ask(service, "GET", path, headers)
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        await ask(service, "GET", path, headers)
    finally:
        sys.setprofile(before)
    return count


def test_what_is_spared_is_there() -> None:
    found = guards()
    assert SPARED.keys() <= {_short(each) for each in found}
    for called in NOT_OF_ACCESS:
        assert any(_calls(each, called) for each in found), called
    for module in NO_GUARDS:
        assert any(each.module == _dotted(module) for each in found), module


def _counts(guard: Guard) -> bool:
    is_of_access = not any(_calls(guard, called) for called in NOT_OF_ACCESS)
    is_of_requests = guard.module not in map(_dotted, NO_GUARDS)
    return is_of_access and is_of_requests and _short(guard) not in SPARED


def _calls(guard: Guard, called: str) -> bool:
    return guard.text.partition("(")[0].rpartition(".")[2] == called


def _short(guard: Guard) -> str:
    return guard.name.removeprefix("headrace.")


def _dotted(path: str) -> str:
    return "headrace." + path.removesuffix(".py").replace("/", ".")

"""One run: starts everything with the same rows, has the answers compared, and measures."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.page import machine
from benchmarks.serving import columnar, exports, ours, postgres, routes
from benchmarks.serving.answers import fetch, require_equal
from benchmarks.serving.callers import NOBODY, Caller, access_path, let_in
from benchmarks.serving.data import generate
from benchmarks.serving.environments import NotHere, kept_folder
from benchmarks.serving.load import get
from benchmarks.serving.peers import PEERS, Peer, Premises, listening
from benchmarks.serving.peers.fastapi import FASTAPI
from benchmarks.serving.peers.peer import uvicorn
from benchmarks.serving.questions import SHAPES, Question, Shape, Size, questions
from benchmarks.serving.report import (
    AS_ASGI,
    BARE,
    FRAMEWORK,
    HIT,
    UNCHANGED,
    Figures,
)
from benchmarks.serving.rounds import Cost, Line, Name, Rounds, measure
from benchmarks.serving.servers import Command, DidNotStart, Server, free_port

_COMPARED = 20
_PEER_ASKED = 20_000
_EXPORTED = 1_000_000
_HOT = "/totals?least=1.00&most=50.00"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    size: Size
    peers: Sequence[Peer]
    rounds: Rounds
    endpoints: tuple[int, int] = (10, 1_000)

    @property
    def exported(self) -> int:
        """How many rows an export has."""
        return min(_EXPORTED, self.size.orders // 5)


@dataclass(slots=True)
class _Started:
    """What runs, by its title, and what does not, and why."""

    peers: dict[Peer, Server] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def measured(plan: Plan) -> tuple[Figures, str]:
    """The figures, and a paragraph that says what they are from."""
    root = kept_folder()
    data = root / f"data-{plan.size.orders}"
    with ExitStack() as stack:
        _say("generating the data, installing and starting the peers")
        generate(data, plan.size)
        premises = _premises(root, data, plan, stack)
        started = _start_peers(plan, premises, stack)
        _say("building headrace's project")
        built = ours.build(root / f"headrace-{plan.size.orders}", data, plan.exported)
        known = let_in(built.folder)
        plain = ours.serve(built.folder, premises, stack, NOBODY.title)
        asgi = ours.serve_as_asgi(built.folder, premises, stack, AS_ASGI)
        own = [(NOBODY, plain), (Caller(AS_ASGI), asgi), *((each, plain) for each in known)]
        _compare(plan, started, own)
        lines = [
            *_peer_lines(plan, started),
            *_constant_lines(plan, plain, started, premises, stack),
            *(line for caller, server in own for line in _our_lines(plan, caller, server)),
        ]
        _say(f"{plan.rounds.count} rounds of {len(lines)} lines")
        costs = measure(lines, plan.rounds)
        _say("columnar queries and exports")
        turns = max(2, plan.rounds.count // 3)
        column = columnar.measure(plain, built.folder, turns, plan.rounds.seconds * 2)
        sent = exports.measure(plain, built.folder, plan.exported, turns)
        _say("endpoints, few and many")
        costs |= measure(routes.lines(plan.endpoints, premises, stack), plan.rounds)
    figures = Figures(
        costs=costs,
        built=built,
        columnar=column,
        exports=sent,
        endpoints=plan.endpoints,
        absent=started.absent,
        versions=started.versions,
        under_policies={
            shape: access_path(built.folder, name) for shape, name in ours.OWN_ENDPOINTS.items()
        },
    )
    return figures, _about(plan, costs)


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr)


def _about(plan: Plan, costs: Mapping[Name, Cost]) -> str:
    busy = min(cost.busy for cost in costs.values())
    size, rounds = plan.size, plan.rounds
    return (
        f"{size.orders:,} orders, {size.customers:,} customers, {size.stores:,} stores; "
        f"medians of {rounds.count} interleaved rounds of {rounds.seconds:g} s over "
        f"{rounds.connections} connections, the servers' core busy for {busy:.0%} of the time "
        f"or more; {machine()}."
    )


def _premises(root: Path, data: Path, plan: Plan, stack: ExitStack) -> Premises:
    if not any(peer.title.endswith("PostgreSQL") for peer in plan.peers):
        return Premises(root, data)
    try:
        return Premises(root, data, stack.enter_context(postgres.running(root, data)))
    except NotHere as exc:
        return Premises(root, data, absent=str(exc))


def _start_peers(plan: Plan, premises: Premises, stack: ExitStack) -> _Started:
    started = _Started()
    for peer in PEERS:
        if peer not in plan.peers:
            continue
        try:
            program, version = peer.install(premises.root)
            started.peers[peer] = peer.start(program, premises, stack)
            started.versions[peer.title] = version
        except (NotHere, DidNotStart) as exc:
            started.absent[peer.title] = str(exc)
    return started


def _compare(plan: Plan, started: _Started, own: Sequence[tuple[Caller, Server]]) -> None:
    """Ask everybody the same: costs of different answers say nothing."""
    _say("comparing the answers")
    for shape in SHAPES:
        for question in questions(shape, plan.size)[:_COMPARED]:
            answers = {
                caller.title: _body(server, caller.request(question))
                for caller, server in own
                if shape in caller.asks
            }
            for peer, server in started.peers.items():
                answers[peer.title] = _body(server, peer.request(question))
            require_equal(question, answers)


def _body(server: Server, request: bytes) -> bytes:
    body, answer = fetch(server.port, request)
    if answer.status != 200:
        raise RuntimeError(f"{server.title}: {answer.status} to {request!r}: {body!r}")
    return body


def _peer_lines(plan: Plan, started: _Started) -> list[Line]:
    return [
        Line(Name(peer.title, shape), server, [peer.request(q) for q in asked[:_PEER_ASKED]])
        for shape in SHAPES
        for asked in [questions(shape, plan.size)]
        for peer, server in started.peers.items()
    ]


def _constant_lines(
    plan: Plan, own: Server, started: _Started, premises: Premises, stack: ExitStack
) -> list[Line]:
    """uvicorn and FastAPI alone, with answers as long as ours usually are."""
    port = free_port()
    arguments = uvicorn(Path(sys.executable), "constant:app", port)
    command = Command(arguments, premises.root, premises.log("uvicorn"))
    server = listening(stack, BARE, port, command)
    hot = len(_body(own, get(_HOT)))
    lengths = {shape: _usual_length(plan, own, shape) for shape in SHAPES} | {HIT: hot}
    lines = [
        Line(Name(BARE, what), server, [get(f"/{length}")]) for what, length in lengths.items()
    ]
    if FASTAPI in started.peers:
        request = get(f"/constant/{lengths['P']}")
        lines.append(Line(Name(FRAMEWORK, "P"), started.peers[FASTAPI], [request]))
    return lines


def _usual_length(plan: Plan, own: Server, shape: Shape) -> int:
    asked = questions(shape, plan.size)[:_COMPARED]
    return sorted(len(_body(own, NOBODY.request(q))) for q in asked)[len(asked) // 2]


def _our_lines(plan: Plan, caller: Caller, server: Server) -> list[Line]:
    lines = [
        Line(Name(caller.title, shape), server, _requests(caller, questions(shape, plan.size)))
        for shape in SHAPES
        if shape in caller.asks
    ]
    if HIT in caller.asks:
        lines.append(Line(Name(caller.title, HIT), server, [caller.get(_HOT)]))
    if UNCHANGED in caller.asks:
        _, answer = fetch(server.port, caller.get(_HOT))
        unchanged = [caller.get(_HOT, f"If-None-Match: {answer.headers['ETag']}")]
        lines.append(Line(Name(caller.title, UNCHANGED), server, unchanged, 304))
    return lines


def _requests(caller: Caller, asked: Sequence[Question]) -> list[bytes]:
    return [caller.request(question) for question in asked]

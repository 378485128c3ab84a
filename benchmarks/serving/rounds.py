"""Interleaved rounds: takes requests to several servers, gives what one of each costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

from benchmarks.serving.load import drive
from benchmarks.serving.servers import LOAD_CORE, Server, cpu_clocks, cpu_seconds, pinned


class Name(NamedTuple):
    """Who is asked for what."""

    who: str
    what: str


@dataclass(frozen=True, slots=True)
class Line:
    """Requests to one server; each must be answered with `status`."""

    name: Name
    server: Server
    requests: Sequence[bytes]
    status: int = 200


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often, for how long at a time, over how many connections."""

    count: int = 12
    seconds: float = 0.4
    connections: int = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request costs.

    Attributes:
        microseconds: of CPU, of all the server's processes together.
        a_second: requests that were answered in a second of wall time.
        busy: the part of the time that the server's core was working for it; well below 1 means
            that it waited: for the load, or for a core that others use, too.
    """

    microseconds: float
    a_second: float
    busy: float


def measure(lines: Sequence[Line], rounds: Rounds) -> dict[Name, Cost]:
    """The median of each line: every round asks all of them, one after the other."""
    found: dict[Name, list[Cost]] = {line.name: [] for line in lines}
    # A round goes on where the one before it ended: no request comes again before all others.
    asked = [(line, cycle(line.requests)) for line in lines]
    with pinned(LOAD_CORE):
        for line, requests in asked:
            _once(line, requests, rounds)
        for _ in range(rounds.count):
            for line, requests in asked:
                found[line.name].append(_once(line, requests, rounds))
    return {name: _median(costs) for name, costs in found.items()}


def _once(line: Line, requests: Iterator[bytes], rounds: Rounds) -> Cost:
    before = cpu_clocks(line.server)
    load = drive(
        line.server.port,
        requests,
        seconds=rounds.seconds,
        connections=rounds.connections,
        status=line.status,
    )
    spent = cpu_seconds(before, cpu_clocks(line.server))
    return Cost(spent / load.answers * 1e6, load.answers / load.seconds, spent / load.seconds)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.microseconds for cost in costs),
        statistics.median(cost.a_second for cost in costs),
        statistics.median(cost.busy for cost in costs),
    )

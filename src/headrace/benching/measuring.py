"""Measures endpoints: takes the requests of one and a server, gives figures of its answers.

Each request is asked for once, which finds no answer in the server's cache, then all of them again,
as often as the time lasts. A fixed number of connections each ask for the next one when they have
an answer: so many requests are under way, and never more, however slow the server is.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from headrace.benching.client import Address, Connection, Reply, connect, run
from headrace.benching.drawing import Drawn
from headrace.store.snapshots import EndpointContract

OK = 200
NO_ANSWER = 0

# `[]` and a line's end, in JSON.
_EMPTY_BYTES = 3
# One who cannot connect so often in a row will not.
_MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked.

    Attributes:
        connections: requests that are under way at the same time.
        seconds: for how long each endpoint is asked for, for the first time and again.
        most_requests: so many requests end it earlier.
        patience_seconds: how long the answers to the last requests may take.
    """

    connections: int = 4
    seconds: float = 3.0
    most_requests: int = 200_000
    patience_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of some requests. Times and sizes are those of the answers with status 200.

    Attributes:
        statuses: status -> how many answers had it; 0 counts requests that got none.
        seconds: from the first request to the last answer.
        p50_seconds, p99_seconds: half, and 99 of 100 answers, took at most so long; 0 of none.
        slowest: the target that took longest; "" of none.
        slowest_seconds: how long that was.
        answer_bytes: of a body, on average; 0 of none.
        empty: answers without a row.
        client_busy: the part of the time, from 0 to 1, in which the client itself had to compute;
            near 1, a server could have answered more.
    """

    statuses: Mapping[int, int]
    seconds: float
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0
    slowest: str = ""
    slowest_seconds: float = 0.0
    answer_bytes: float = 0.0
    empty: int = 0
    client_busy: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return sum(self.statuses.values())

    @property
    def answered(self) -> int:
        """How many of them were answered with 200."""
        return self.statuses.get(OK, 0)

    @property
    def per_second(self) -> float:
        """Answers with status 200 a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> dict[int, int]:
        """The statuses that are none of success, and how many answers had them."""
        return {status: count for status, count in self.statuses.items() if status != OK}


@dataclass(frozen=True, slots=True)
class Measured:
    """An endpoint's figures: of requests that are new to the server, and of the same again."""

    contract: EndpointContract
    first: Figures
    again: Figures

    @property
    def is_good(self) -> bool:
        """Whether every answer had the status 200."""
        return not self.first.errors and not self.again.errors


def measure(address: Address, drawn: Drawn, load: Load) -> Measured:
    """Ask an endpoint for what was drawn; takes about twice `load.seconds`."""
    return run(_measure(address, drawn, load))


async def _measure(address: Address, drawn: Drawn, load: Load) -> Measured:
    distinct = list(dict.fromkeys(drawn.targets))
    # What the first request to an endpoint does once and for all is no part of its figures; where
    # there is no second one, it is all there is.
    warming = min(2 * load.connections, len(distinct) // 2)
    await _ask_all(address, distinct[:warming], load)
    new = _Noted(distinct[warming:])
    first = await _ask_all(address, new, load)
    asked = set(distinct[:warming]) | new.given
    known = [target for target in drawn.targets if target in asked]
    return Measured(drawn.contract, first, await _ask_all(address, cycle(known), load))


class _Noted:
    """An iterator over targets that remembers which ones it has given."""

    def __init__(self, targets: Sequence[str]) -> None:
        self._left = iter(targets)
        self.given: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        target = next(self._left)
        self.given.add(target)
        return target


async def _ask_all(address: Address, targets: Iterable[str], load: Load) -> Figures:
    """Ask for the targets, in order, until they or the time end."""
    asking = _Asking(islice(targets, load.most_requests), load.seconds)
    tasks = [asyncio.ensure_future(asking.go_on(address)) for _ in range(load.connections)]
    await asyncio.wait(tasks, timeout=load.seconds + load.patience_seconds)
    asking.abort()
    await asyncio.gather(*tasks)
    return asking.figures()


class _Asking:
    """Requests under way over several connections, and what came of them so far."""

    def __init__(self, targets: Iterator[str], seconds: float) -> None:
        self._targets = targets
        self._began_at = self._ended_at = time.perf_counter()
        self._ends_at = self._began_at + seconds
        self._cpu_began_at = time.process_time()
        self._connections: set[Connection] = set()
        self._statuses: Counter[int] = Counter()
        self._seconds = array("d")
        self._cpu_seconds = 0.0
        self._bytes = 0
        self._empty = 0
        self._slowest = (0.0, "")

    async def go_on(self, address: Address) -> None:
        """Ask for one thing after the other over one connection; a new one when it ends."""
        connection: Connection | None = None
        failures = 0
        while time.perf_counter() < self._ends_at and failures < _MOST_FAILURES:
            target = next(self._targets, "")
            if not target:
                break
            try:
                if connection is None or not connection.is_open:
                    connection = await self._connected(address)
                self._note(target, await connection.ask(target))
                failures = 0
            except OSError:
                self._statuses[NO_ANSWER] += 1
                failures += 1
        if connection is not None:
            connection.abort()

    def abort(self) -> None:
        """End every request that is still under way."""
        self._ends_at = 0.0
        for connection in self._connections:
            connection.abort()

    def figures(self) -> Figures:
        """What came of all of it."""
        times = sorted(self._seconds)
        seconds = self._ended_at - self._began_at
        return Figures(
            statuses=dict(sorted(self._statuses.items())),
            seconds=seconds,
            p50_seconds=percentile(times, 50),
            p99_seconds=percentile(times, 99),
            slowest=self._slowest[1],
            slowest_seconds=self._slowest[0],
            answer_bytes=self._bytes / len(times) if times else 0.0,
            empty=self._empty,
            client_busy=min(1.0, self._cpu_seconds / seconds) if seconds else 0.0,
        )

    async def _connected(self, address: Address) -> Connection:
        connection = await connect(address)
        self._connections.add(connection)
        return connection

    def _note(self, target: str, reply: Reply) -> None:
        self._ended_at = time.perf_counter()
        self._cpu_seconds = time.process_time() - self._cpu_began_at
        self._statuses[reply.status] += 1
        if reply.status != OK:
            return
        self._seconds.append(reply.seconds)
        self._bytes += reply.size_bytes
        self._empty += reply.size_bytes <= _EMPTY_BYTES
        if reply.seconds > self._slowest[0]:
            self._slowest = (reply.seconds, target)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of 100 values do not exceed; 0 of none.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile([1.0, 2.0], 99), percentile([], 50)
    (2.0, 2.0, 0.0)
    """
    if not ordered:
        return 0.0
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]

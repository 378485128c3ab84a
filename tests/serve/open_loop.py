"""Open-loop load: requests come when they come, whether or not earlier ones were answered.

Clients that wait for their answers slow down with the server, and so never show an overload. Here
the times of arrival are drawn beforehand, and a request's time counts from there.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.serve.load import Connection

_LONGEST_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, after the start; status, 0 for none; how long it took."""

    at: float
    status: int
    seconds: float


class Client:
    """A pool of kept connections to one server; a connection asks for one thing at a time."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._host, self._port = host, int(port)
        self._idle: list[Connection] = []

    async def status(self, path: str) -> int:
        """The status of a GET once all of it is there; 0 when there is no whole answer."""
        one = self._idle.pop() if self._idle else Connection(self._host, self._port, "", True)
        one.path = path
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                status, _ = await one.get()
        except (OSError, EOFError, ValueError):
            one.close()
            return 0
        self._idle.append(one)
        return status

    def close(self) -> None:
        """Close every connection."""
        for each in self._idle:
            each.close()


async def offered(
    client: Client, path: Callable[[], str], rate: float, seconds: float, seed: int = 0
) -> list[Sample]:
    """Offer `rate` requests a second for so long, at random times; in the order of arrival."""
    start = time.perf_counter()

    async def one(at: float) -> Sample:
        status = await client.status(path())
        return Sample(at, status, time.perf_counter() - start - at)

    tasks = []
    for at in arrivals(rate, seconds, seed):
        await asyncio.sleep(start + at - time.perf_counter())
        tasks.append(asyncio.ensure_future(one(at)))
    return list(await asyncio.gather(*tasks))


async def capacity(client: Client, path: Callable[[], str], clients: int, seconds: float) -> float:
    """How many answers a second come when so many clients ask again as soon as they can."""
    end = time.perf_counter() + seconds

    async def ask() -> int:
        answered = 0
        while time.perf_counter() < end:
            answered += await client.status(path()) == 200
        return answered

    return sum(await asyncio.gather(*(ask() for _ in range(clients)))) / seconds


def arrivals(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Times of arrival of a Poisson process, in seconds from its start."""
    dice = random.Random(seed)
    at = dice.expovariate(rate)
    while at < seconds:
        yield at
        at += dice.expovariate(rate)


def percentile(samples: Sequence[Sample], share: float) -> float:
    """The seconds that a share of the samples did not take longer than; 0 without any."""
    times = sorted(each.seconds for each in samples)
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0


def having(samples: Sequence[Sample], *statuses: int) -> list[Sample]:
    """Those of some statuses."""
    return [each for each in samples if each.status in statuses]

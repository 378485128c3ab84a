"""Twice the load that a server can bear: it goes on at nearly its best, and refuses the rest soon.

Limits are in shares of what the same server does without overload, for machines differ and are
busy. `HEADRACE_SOAK=1` asks for four times the load, too, and takes longer.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import dataclass

import pytest

from headrace.base.tables import Column
from headrace.serve.settings import DEFAULT_SETTINGS
from headrace.store.snapshots import Parameter
from tests.serve.commanding import running
from tests.serve.open_loop import Client, Sample, capacity, having, offered, percentile
from tests.serve.shop import Shop, endpoint

IS_SOAK = bool(os.environ.get("HEADRACE_SOAK"))
_WORKERS = max(2, os.cpu_count() or 1)
SECONDS = 6.0 if IS_SOAK else 3.0
# Some 20 ms of work, another answer for every `salt`: no cache helps.
WORK = endpoint(
    "SELECT CAST(sum((i + $salt) % 7) AS BIGINT) AS value FROM range(2000000) AS numbers(i)",
    (Column("value", "BIGINT"),),
    Parameter("salt", "query", "BIGINT", required=True),
)


@dataclass(frozen=True)
class Measured:
    """One server, before, during and after an overload; `capacity` in answers a second."""

    capacity: float
    unloaded: list[Sample]
    overloaded: list[Sample]
    live: list[Sample]
    afterwards: list[Sample]

    @property
    def goodput(self) -> float:
        """Answers under overload, as a share of the capacity."""
        return len(having(self.overloaded, 200)) / SECONDS / self.capacity

    def missed(self) -> list[str]:
        """The limits that do not hold."""
        accepted, refused = having(self.overloaded, 200), having(self.overloaded, 503)
        # What the last of a full queue would have waited for.
        queue_seconds = DEFAULT_SETTINGS.queue * percentile(self.unloaded, 0.5) / _WORKERS
        limits = {
            "every request is answered": len(accepted) + len(refused) == len(self.overloaded),
            "the server goes on working": self.goodput >= 0.6,
            "who is let in waits little": percentile(accepted, 0.9) < queue_seconds / 2,
            "who is refused waits less": percentile(refused, 0.9) < percentile(accepted, 0.5),
            "it says that it lives": percentile(self.live, 0.9) < percentile(accepted, 0.5),
            "it is over soon": {each.status for each in self.afterwards if each.at > 1} == {200},
        }
        return [name for name, holds in limits.items() if not holds]

    def described(self) -> str:
        """The figures in one line."""
        accepted, refused = having(self.overloaded, 200), having(self.overloaded, 503)
        times = {
            "unloaded": self.unloaded,
            "accepted": accepted,
            "refused": refused,
            "live": self.live,
            "afterwards": self.afterwards,
        }
        parts = [f"{name} {percentile(each, 0.99) * 1000:.0f}" for name, each in times.items()]
        return f"{self.capacity:.0f}/s, goodput {self.goodput:.0%}, p99 ms: {', '.join(parts)}"


async def measured(url: str, load: float) -> Measured:
    """Offer so many times what the server can bear."""
    salts = itertools.count()
    client, prober = Client(url), Client(url)

    def path() -> str:
        return f"/it?salt={next(salts)}"

    await capacity(client, path, 4, SECONDS / 6)
    best = await capacity(client, path, 4, SECONDS)
    unloaded = await offered(client, path, best / 5, SECONDS)
    probes = asyncio.ensure_future(offered(prober, live, 20, SECONDS))
    overloaded = await offered(client, path, best * load, SECONDS)
    found = Measured(
        best, unloaded, overloaded, await probes, await offered(client, path, best / 5, SECONDS)
    )
    client.close()
    prober.close()
    return found


def live() -> str:
    """Where a server says that it lives."""
    return "/livez"


@pytest.mark.slow
@pytest.mark.parametrize("load", [2.0, 4.0] if IS_SOAK else [2.0])
def test_an_overload_costs_those_who_are_let_in_little(shop: Shop, load: float) -> None:
    """The best of three, for whatever else a machine does looks like an overload."""
    shop.publish(WORK)
    with running(shop) as server:
        server.wait_until_ready()
        for _ in range(1 if IS_SOAK else 3):
            found = asyncio.run(measured(server.url, load))
            if IS_SOAK:
                print(f"\n{load:g} x {found.described()}")
            if not found.missed():
                break
    assert found.missed() == [], found.described()

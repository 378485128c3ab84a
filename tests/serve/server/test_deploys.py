"""No request fails over publishes, deploys and the death of processes; none outlives its parent.

`HEADRACE_SOAK=1` (`make soak`) asks for 50,000 requests over 20 publishes and 4 deploys.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from headrace.serve.server.listening import Listening, listen
from headrace.store.records import Records
from tests.serve.commanding import ENDS_WITHIN_SECONDS, Running, running
from tests.serve.load import Ledger, ask
from tests.serve.shop import Shop

IS_SOAK = bool(os.environ.get("HEADRACE_SOAK"))
REQUESTS = 50_000 if IS_SOAK else 3_000
DEPLOYS = 4 if IS_SOAK else 2
PUBLISHES = 20 if IS_SOAK else 4
ENDS = 20 if IS_SOAK else 2
CLIENTS = 8


@dataclass
class Load:
    """Clients that ask until they are told that it is enough."""

    ledger: Ledger = field(default_factory=Ledger)
    enough: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, server: Running, total: int) -> None:
        """Wait until so many requests have ended."""
        while self.ledger.total < total:
            server.go_on()


@contextmanager
def load(server: Running, path: str = "/sales?limit=5") -> Iterator[Load]:
    """Ask all the time, until the block ends."""
    found = Load()
    asking = threading.Thread(
        target=lambda: asyncio.run(
            ask(found.ledger, server.url, path, CLIENTS, found.enough.is_set)
        )
    )
    asking.start()
    try:
        yield found
    finally:
        found.enough.set()
        asking.join()


@pytest.mark.slow
def test_publishes_and_deploys_fail_no_request(shop: Shop) -> None:
    """Half of the clients keep their connection; nobody ever tries again."""
    shop.publish_sales()
    steps = DEPLOYS * ["deploy", *["publish"] * (PUBLISHES // DEPLOYS)]
    with running(shop, "--processes", "2") as server:
        server.wait_until_ready()
        first = server.children()
        with load(server) as asked:
            for number, step in enumerate(steps):
                asked.wait_for(server, REQUESTS * number // len(steps))
                if step == "deploy":
                    server.deploy()
                else:
                    shop.publish_sales(rows=500 + number)
            asked.wait_for(server, REQUESTS)
        print(f"\n{asked.ledger.total:,} requests, {PUBLISHES} publishes, {DEPLOYS} deploys")
        assert asked.ledger.failures == []
        assert set(asked.ledger.statuses) == {200}
        # They may be answering what they have taken: then they end by themselves.
        _, alive = psutil.wait_procs(first, timeout=30)
        assert alive == []


@pytest.mark.slow
def test_what_cannot_start_does_not_take_over(shop: Shop) -> None:
    """The old process goes on, and the log says why; a deploy of what is right succeeds."""
    shop.publish_sales()
    with running(shop) as server:
        server.wait_until_ready()
        [old] = server.children()
        settings = server.log_path.with_name("headrace.toml")
        text = settings.read_text()
        settings.write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        server.wait_until_logged("deploy failed")
        assert "error: headrace.toml:1: this is not TOML" in server.log
        assert server.log.splitlines()[-1].endswith(
            f" ERROR process {server.process.pid}: deploy failed: a new one ended before it was "
            "ready (exit code 2); the old server processes go on"
        )
        assert server.children() == [old]
        assert httpx.get(f"{server.url}/sales").status_code == 200
        settings.write_text(text)
        server.deploy()
        while old in server.children():
            server.go_on()
        assert httpx.get(f"{server.url}/sales").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ENDS))
def test_a_sigterm_under_load_cuts_no_answer(shop: Shop, number: int) -> None:
    """It ends with 0; no process, no lease and no lock is left, and no counted call is lost."""
    shop.publish_sales()
    with running(shop, "--processes", "2") as server:
        server.wait_until_ready()
        children = server.children()
        with load(server) as asked:
            asked.wait_for(server, 50 + 10 * number)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(ENDS_WITHIN_SECONDS) == 0
        assert set(asked.ledger.statuses) == {200}
        assert asked.ledger.failures == []
        assert asked.ledger.refused == CLIENTS
        assert not [each for each in children if each.is_running()]
        assert list((shop.store.root / "leases").iterdir()) == []
        with closing(Records.open(shop.store.records_path)) as records:
            calls = records.calls_since("prod", "2024-01-01")
        assert calls == {"/sales": asked.ledger.total}
        with listen(Listening(port=int(server.url.rpartition(":")[2]))):
            pass


@pytest.mark.slow
def test_a_second_sigterm_ends_it_at_once(shop: Shop) -> None:
    """An answer that nobody takes would keep it for the time of grace."""
    shop.publish_sales()
    with running(shop) as server:
        server.wait_until_ready()
        children = server.children()
        server.process.send_signal(signal.SIGTERM)
        while httpx.get(f"{server.url}/readyz").status_code == 200:
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(ENDS_WITHIN_SECONDS) == 1
        assert not [each for each in children if each.is_running()]


@pytest.mark.slow
def test_a_process_that_dies_is_replaced_and_none_outlives_its_parent(shop: Shop) -> None:
    shop.publish_sales()
    with running(shop, "--processes", "2") as server:
        server.wait_until_ready()
        victim, other = server.children()
        victim.kill()
        server.wait_until_logged(
            f"process {victim.pid} ended by itself (signal 9); another one is started"
        )
        while len(server.children()) < 2:
            server.go_on()
        assert other in server.children()
        server.wait_until_ready()
        # Those of queries, too.
        descendants = psutil.Process(server.process.pid).children(recursive=True)
        server.process.kill()
        _, alive = psutil.wait_procs(descendants, timeout=ENDS_WITHIN_SECONDS)
        assert alive == []
        with listen(Listening(port=int(server.url.rpartition(":")[2]))):
            pass

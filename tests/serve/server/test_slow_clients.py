"""Whoever is slow loses the connection, and costs nobody else anything."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from headrace.base.tables import Column
from headrace.serve import ServeSettings
from headrace.serve.server.slow_clients import Patience, SlowClients
from headrace.serve.streams import ENDLESS
from tests.serve.serving import serving
from tests.serve.shop import Shop, endpoint

PATIENCE = Patience(
    receive_seconds=10,
    send_seconds=30,
    connections=4,
    address_connections=3,
    answer_seconds=1001,
)


@dataclass(eq=False)
class Cycle:
    """A request as uvicorn keeps it."""

    more_body: bool = False
    response_started: bool = False
    response_complete: bool = False
    scope: dict[str, object] = field(default_factory=dict)


@dataclass
class Flow:
    """Whether the client takes nothing."""

    write_paused: bool = False


@dataclass
class Transport:
    """A socket that remembers how it was ended."""

    ended: str = ""
    unsent_bytes: int = 0

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes


@dataclass(eq=False)
class Known:
    """A connection in a state of a test's choice."""

    cycle: Cycle | None = None
    flow: Flow = field(default_factory=Flow)
    transport: Transport = field(default_factory=Transport)
    timeout_keep_alive_task: object = None
    idle_timer: object = None
    client: tuple[str, int] | None = None


def swept(connections: list[Any], *times: float, patience: Patience = PATIENCE) -> list[str]:
    """How each connection was ended after sweeps at these times."""
    clients = SlowClients(patience)
    for now in times:
        clients.sweep(connections, now)
    return [each.transport.ended for each in connections]


def test_a_request_must_come_within_its_time() -> None:
    """Whether nothing, half a head, or half a body has come."""
    silent, late_body = Known(), Known(Cycle(more_body=True))
    half_head = Known(Cycle(response_complete=True))
    assert swept([silent, late_body, half_head], 0, 9.9) == ["", "", ""]
    assert swept([silent, late_body, half_head], 0, 10) == ["closed"] * 3


def test_an_answer_under_way_and_an_idle_connection_are_left_alone() -> None:
    answering = Known(Cycle())
    early = Known(Cycle(more_body=True, response_started=True))
    idle = Known(Cycle(response_complete=True), timeout_keep_alive_task=object())
    assert swept([answering, early, idle], 0, 10, 1000) == ["", "", ""]
    assert swept([Known(idle_timer=object())], 0, 10, 1000) == [""]


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    stuck = Known(Cycle(response_started=True), Flow(write_paused=True))
    assert swept([stuck], 0, 29.9) == [""]
    assert swept([stuck], 0, 30) == ["aborted"]


def test_a_client_that_takes_a_little_is_left_alone() -> None:
    slow = Known(Cycle(response_started=True), Flow(write_paused=True), Transport("", 900))
    clients = SlowClients(PATIENCE)
    for now in range(0, 90, 20):
        slow.transport.unsent_bytes -= 1
        clients.sweep([slow], now)  # type: ignore[list-item]  # what a sweep looks at
    assert slow.transport.ended == ""


def test_beyond_the_most_connections_those_that_wait_longest_are_closed() -> None:
    answering, old, new = Known(Cycle()), Known(), [Known(idle_timer=object()) for _ in range(4)]
    clients = SlowClients(PATIENCE)
    clients.sweep([answering, old], 0)  # type: ignore[list-item]  # what a sweep looks at
    clients.sweep([answering, *new, old], 1)  # type: ignore[list-item]  # what a sweep looks at
    ended = [each.transport.ended for each in (answering, old, *new)]
    assert ended == ["", "closed", "closed", "", "", ""]


def of_address(address: str, count: int) -> list[Known]:
    return [Known(idle_timer=object(), client=(address, port)) for port in range(count)]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_beyond_the_most_of_one_address_its_own_are_closed(address: str) -> None:
    patience = replace(PATIENCE, connections=100)
    others = [*of_address("192.0.2.2", 3), *of_address("2001:db8:0:1::1", 2), *[Known()] * 1]
    found = swept([*of_address(address, 5), *others], 0, patience=patience)
    assert found == ["closed"] * 2 + [""] * 9


def test_the_addresses_of_one_ipv6_network_are_one_client() -> None:
    patience = replace(PATIENCE, connections=100)
    ones = [each for n in range(1, 6) for each in of_address(f"2001:db8::{n}", 1)]
    assert swept(ones, 0, patience=patience) == ["closed"] * 2 + [""] * 3


@pytest.mark.parametrize("proxy", ["192.0.2.1", "192.0.2.0/24"])
def test_a_trusted_proxy_may_have_as_many_as_there_may_be(proxy: str) -> None:
    patience = replace(PATIENCE, connections=100, proxies=(proxy, "2001:db8::/32"))
    assert swept(of_address("192.0.2.1", 9), 0, patience=patience) == [""] * 9


def test_an_answer_that_does_not_end_is_ended() -> None:
    """However steadily its client takes a byte of it; but for a stream of events."""
    slow = Known(Cycle(response_started=True), Flow(write_paused=True), Transport("", 9000))
    working, endless = Known(Cycle()), Known(Cycle(scope={"state": {ENDLESS: True}}))
    clients = SlowClients(PATIENCE)
    for now in range(0, 1000, 20):
        slow.transport.unsent_bytes -= 1
        clients.sweep([slow, working, endless], now)  # type: ignore[list-item]  # what a sweep looks at
    assert [each.transport.ended for each in (slow, working, endless)] == ["", "", ""]
    slow.transport.unsent_bytes -= 1
    clients.sweep([slow, working, endless], 1001)  # type: ignore[list-item]  # what a sweep looks at
    assert [each.transport.ended for each in (slow, working, endless)] == ["aborted", "aborted", ""]


def test_the_next_answer_of_a_connection_has_its_own_time() -> None:
    connection = Known(Cycle())
    clients = SlowClients(PATIENCE)
    clients.sweep([connection], 0)  # type: ignore[list-item]  # what a sweep looks at
    connection.cycle = Cycle()
    clients.sweep([connection], 1001)  # type: ignore[list-item]  # what a sweep looks at
    # One that was answered the quick way: its cycle is an old one, which has ended.
    connection.cycle.response_complete, connection.flow.write_paused = True, True
    clients.sweep([connection], 2002)  # type: ignore[list-item]  # what a sweep looks at
    assert connection.transport.ended == ""


@contextlib.contextmanager
def slowloris(url: str, count: int) -> Iterator[list[socket.socket]]:
    """So many connections with half a request each."""
    host, port = url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection((host, int(port)), timeout=60))
            one.sendall(b"GET /sales HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            found.append(one)
        yield found


@pytest.mark.parametrize("protocol", ["direct", "asgi"])
def test_half_requests_are_closed_and_whole_ones_answered(shop: Shop, protocol: str) -> None:
    shop.publish_sales()
    settings = ServeSettings(receive_seconds=0.5, protocol=protocol)  # type: ignore[arg-type]  # one of them
    with serving(shop, settings) as url, slowloris(url, 50) as connections:
        assert httpx.get(f"{url}/sales").status_code == 200
        assert [each.recv(1) for each in connections] == [b""] * 50
        assert httpx.get(f"{url}/sales").status_code == 200


def test_a_stream_of_events_may_go_on_for_ever(shop: Shop) -> None:
    """Where an answer may take half a second."""
    shop.publish_sales(rows=10)
    settings = ServeSettings(answer_seconds=0.5, keep_alive_seconds=0.2)
    with serving(shop, settings) as url, httpx.stream("GET", f"{url}/sales/stream") as response:
        # Some three seconds, and as many looks for slow clients.
        lines = (line for line in response.iter_lines() if line == ": nothing new")
        assert [next(lines) for _ in range(15)] == [": nothing new"] * 15


def test_an_abandoned_stream_makes_room_at_once(shop: Shop) -> None:
    """Its query is not run to the end for nobody."""
    many = endpoint(
        "SELECT i AS value FROM range(3000000) AS numbers(i)",
        (Column("value", "BIGINT"),),
        max_limit=3_000_000,
    )
    shop.publish(many)
    large = "/it?limit=3000000"
    with serving(shop, ServeSettings(exports=1)) as url, httpx.Client(base_url=url) as client:
        with client.stream("GET", large) as response:
            # To be held: a response whose iterator is gone is closed.
            pieces = response.iter_bytes()
            next(pieces)
            refused = httpx.get(f"{url}{large}")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["detail"] == "Too many large answers are being sent."
            assert client.get("/it?limit=1").status_code == 200
        again = 503
        while again == 503:
            with client.stream("GET", large) as response:
                again = response.status_code
        assert again == 200

"""Closes connections that keep a server waiting: takes those of a server, now and then.

A connection must bring a whole request in time once it has begun, must take what it asked for, and
may be idle only while there is room, for all of them and for those of its client. All of them are
looked at once a second, so that a request that is no trouble pays for nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.auth.limits import address_key
from headrace.serve.streams import ENDLESS

Doing: TypeAlias = Literal["idle", "receiving", "sending", "answering"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients may take.

    Attributes:
        receive_seconds: until a request is there, with its body.
        send_seconds: in which nothing of an answer is taken.
        connections: at a time; beyond them, those are closed that were idle or incomplete longest.
        address_connections: the same of one client address, or network of IPv6.
        answer_seconds: until an answer has ended, but for one that is endless.
        proxies: addresses and networks that many clients come from.
    """

    receive_seconds: float
    send_seconds: float
    connections: int
    address_connections: int
    answer_seconds: float
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a connection was found doing; as long as `mark` stays, it has come no further.

    `cycle` is its request, which it had first at `asked_at`.
    """

    doing: Doing
    mark: tuple[object, ...]
    since: float
    cycle: object
    asked_at: float


class SlowClients:
    """The connections of one server, as they were last seen."""

    def __init__(self, patience: Patience) -> None:
        """Nothing was seen yet."""
        self._patience = patience
        self._proxies = [ipaddress.ip_network(each, strict=False) for each in patience.proxies]
        self._seen: dict[HttpToolsProtocol, _Seen] = {}

    def sweep(self, connections: Collection[HttpToolsProtocol], now: float) -> None:
        """Look at every connection, and close those that took too long.

        Args:
            connections: all that are open.
            now: seconds, of a clock that never goes back.
        """
        self._seen = {each: self._look(each, now) for each in connections}
        for connection, seen in self._seen.items():
            self._hurry(connection, seen, now)
        self._make_room(self._seen, self._patience.connections)
        most = self._patience.address_connections
        for address, ones in _by_address(self._seen).items():
            if len(ones) > most and not self._is_proxy(address):
                self._make_room(ones, most)

    def _hurry(self, connection: HttpToolsProtocol, seen: _Seen, now: float) -> None:
        """Close a connection that took too long."""
        waited_seconds = now - seen.since
        if seen.doing == "receiving" and waited_seconds >= self._patience.receive_seconds:
            connection.transport.close()
        elif seen.doing == "sending" and waited_seconds >= self._patience.send_seconds:
            # There is no end to waiting until the rest is sent.
            connection.transport.abort()
        elif now - seen.asked_at >= self._patience.answer_seconds and _may_be_ended(connection):
            connection.transport.abort()

    def _look(self, connection: HttpToolsProtocol, now: float) -> _Seen:
        doing, mark = _progress(connection)
        before = self._seen.get(connection)
        if before is not None and before.doing == doing and before.mark == mark:
            return before
        cycle = connection.cycle
        is_same = before is not None and before.cycle is cycle
        return _Seen(doing, mark, now, cycle, before.asked_at if before and is_same else now)

    def _make_room(self, connections: Iterable[HttpToolsProtocol], most: int) -> None:
        """Close those that were idle or incomplete longest, so that there are no more than that."""
        ones = list(connections)
        excess = len(ones) - most
        if excess <= 0:
            return
        waiting = [each for each in ones if self._seen[each].doing in ("idle", "receiving")]
        waiting.sort(key=lambda each: self._seen[each].since)
        for connection in waiting[:excess]:
            connection.transport.close()

    def _is_proxy(self, address: str) -> bool:
        if not self._proxies:
            return False
        network = ipaddress.ip_network(address, strict=False)
        return any(
            network.version == each.version and network.overlaps(each) for each in self._proxies
        )


def _by_address(
    connections: Iterable[HttpToolsProtocol],
) -> dict[str, list[HttpToolsProtocol]]:
    """The connections of each client; one without an address has none."""
    found: defaultdict[str, list[HttpToolsProtocol]] = defaultdict(list)
    for each in connections:
        if each.client is not None:
            found[address_key(each.client[0])].append(each)
    return found


def _may_be_ended(connection: HttpToolsProtocol) -> bool:
    """Whether an answer is under way that has an end."""
    cycle = connection.cycle
    return (
        cycle is not None
        and not cycle.response_complete
        and ENDLESS not in cycle.scope.get("state", ())
    )


def _progress(connection: HttpToolsProtocol) -> tuple[Doing, tuple[object, ...]]:
    """What a connection does, and what changes whenever it gets on with it."""
    # Of a server that has no cycle object yet, or has done with it, the client is to act.
    cycle = connection.cycle
    if connection.flow.write_paused:
        return "sending", (cycle, connection.transport.get_write_buffer_size())
    if cycle is not None and not cycle.response_complete:
        is_whole = not cycle.more_body or cycle.response_started
        return ("answering" if is_whole else "receiving"), (cycle,)
    if connection.timeout_keep_alive_task is not None:
        return "idle", (cycle, connection.timeout_keep_alive_task)
    timer: asyncio.TimerHandle | None = getattr(connection, "idle_timer", None)
    return ("receiving" if timer is None else "idle"), (cycle, timer)

"""Closes connections that keep a server waiting: takes those of a server, now and then.

A connection must bring a whole request in time once it has begun, must take what it asked for, and
may be idle only while there is room. All of them are looked at once a second, so that a request
that is no trouble pays for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Doing: TypeAlias = Literal["idle", "receiving", "sending", "answering"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients may take.

    Attributes:
        receive_seconds: until a request is there, with its body.
        send_seconds: in which nothing of an answer is taken.
        connections: at a time; beyond them, those are closed that were idle or incomplete longest.
    """

    receive_seconds: float
    send_seconds: float
    connections: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a connection was found doing; as long as `mark` stays, it has come no further."""

    doing: Doing
    mark: tuple[object, ...]
    since: float


class SlowClients:
    """The connections of one server, as they were last seen."""

    def __init__(self, patience: Patience) -> None:
        """Nothing was seen yet."""
        self._patience = patience
        self._seen: dict[HttpToolsProtocol, _Seen] = {}

    def sweep(self, connections: Collection[HttpToolsProtocol], now: float) -> None:
        """Look at every connection, and close those that took too long.

        Args:
            connections: all that are open.
            now: seconds, of a clock that never goes back.
        """
        self._seen = {each: self._look(each, now) for each in connections}
        for connection, seen in self._seen.items():
            waited_seconds = now - seen.since
            if seen.doing == "receiving" and waited_seconds >= self._patience.receive_seconds:
                connection.transport.close()
            elif seen.doing == "sending" and waited_seconds >= self._patience.send_seconds:
                # There is no end to waiting until the rest is sent.
                connection.transport.abort()
        self._make_room()

    def _look(self, connection: HttpToolsProtocol, now: float) -> _Seen:
        doing, mark = _progress(connection)
        before = self._seen.get(connection)
        if before is not None and before.doing == doing and before.mark == mark:
            return before
        return _Seen(doing, mark, now)

    def _make_room(self) -> None:
        excess = len(self._seen) - self._patience.connections
        if excess <= 0:
            return
        waiting = [
            (seen.since, connection)
            for connection, seen in self._seen.items()
            if seen.doing in ("idle", "receiving")
        ]
        waiting.sort(key=lambda each: each[0])
        for _, connection in waiting[:excess]:
            connection.transport.close()


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

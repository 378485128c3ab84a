"""Older snapshots that are still asked for: takes a number, gives its edition, opened when it is
needed and kept for a while.

A cursor is for the snapshot of its first page, however many are published meanwhile. Only the last
few that were asked for are open; any other one is opened again as long as the store has it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from headrace.base.errors import NotFound
from headrace.serve.answering.answers import Answer
from headrace.serve.answering.problems import (
    Refused,
    problem,
    shown,
    unavailable,
    unfit,
)
from headrace.serve.asking.cursors import Cursors, read_cursor
from headrace.serve.asking.listing import CURSOR, SNAPSHOT
from headrace.serve.asking.scalars import Unfit, reader
from headrace.serve.editions.edition import Edition

_LOG = logging.getLogger("headrace.serve")

_GONE = 410
# A page that nobody turns within this time is turned as well after opening the snapshot again.
IDLE_SECONDS = 60.0


class Pins:
    """Editions by number; `edition` is for one event loop, everything else for any thread."""

    def __init__(
        self,
        open_edition: Callable[[int], Edition],
        most: int,
        deadline_seconds: float,
        newest: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open nothing yet.

        Args:
            open_edition: blocks; raises NotFound for a snapshot that the store does not have.
            most: editions that are open at the same time.
            deadline_seconds: the longest that a request waits for one to be opened.
            newest: the number of the snapshot that is served.
            monotonic: seconds, to tell who is idle.
        """
        self._open_edition = open_edition
        self._most = most
        self._deadline_seconds = deadline_seconds
        self._newest = newest
        self._monotonic = monotonic
        # The least recently used one first.
        self._editions: OrderedDict[int, Edition] = OrderedDict()
        self._used_at: dict[int, float] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._changing = threading.Lock()

    @asynccontextmanager
    async def edition(self, number: int) -> AsyncIterator[Edition]:
        """The edition of a snapshot, for one request.

        Raises:
            Refused: 410, the store does not have it any more; 503, it cannot be opened now.
        """
        while (edition := self._hold(number)) is None:
            await self._opened(number)
        try:
            yield edition
        finally:
            with self._changing:
                edition.holds -= 1
                self._used_at[number] = self._monotonic()

    def editions(self) -> list[Edition]:
        """Those that are open: their leases are to be renewed."""
        with self._changing:
            return list(self._editions.values())

    def close_idle(self) -> None:
        """Close what nobody has asked for lately; blocks."""
        with self._changing:
            oldest = self._monotonic() - IDLE_SECONDS
            idle = [
                self._editions.pop(number)
                for number, edition in list(self._editions.items())
                if not edition.holds and self._used_at[number] <= oldest
            ]
        for edition in idle:
            edition.close()

    def close(self) -> None:
        """Close every edition; nothing may use one any more."""
        with self._changing:
            editions = list(self._editions.values())
            self._editions.clear()
        for edition in editions:
            edition.close()

    def _hold(self, number: int) -> Edition | None:
        with self._changing:
            edition = self._editions.get(number)
            if edition is not None:
                edition.holds += 1
                self._editions.move_to_end(number)
            return edition

    async def _opened(self, number: int) -> None:
        """Wait until an edition is open: of all who ask for one, the first opens it."""
        task = self._opening.get(number)
        if task is None:
            unused = self._make_room()
            task = asyncio.ensure_future(self._open(number, unused))
            self._opening[number] = task
            task.add_done_callback(partial(self._opening_ended, number))
        try:
            await asyncio.wait_for(asyncio.shield(task), self._deadline_seconds)
        except TimeoutError as exc:
            raise Refused(unavailable("The snapshot is still being opened.", "busy")) from exc

    def _opening_ended(self, number: int, task: asyncio.Task[None]) -> None:
        self._opening.pop(number, None)
        if not task.cancelled():
            # Nobody may have waited for it: that is no error that was never looked at.
            task.exception()

    def _make_room(self) -> Edition | None:
        """Take out the edition that was used least recently, if there is no room for another."""
        with self._changing:
            if len(self._editions) + len(self._opening) < self._most:
                return None
            for number, edition in self._editions.items():
                if not edition.holds:
                    return self._editions.pop(number)
        raise Refused(unavailable("Too many older snapshots are asked for.", "busy"))

    async def _open(self, number: int, unused: Edition | None) -> None:
        if unused is not None:
            await asyncio.to_thread(unused.close)
        try:
            edition = await asyncio.to_thread(self._open_edition, number)
        except NotFound as exc:
            raise Refused(self._missing(number)) from exc
        # A damaged file, too little memory: whatever it is, the current edition goes on.
        except Exception as exc:
            _LOG.exception("snapshot %d cannot be opened again", number)
            raise Refused(unavailable("The snapshot cannot be opened.", "snapshot")) from exc
        with self._changing:
            self._editions[number] = edition
            self._used_at[number] = self._monotonic()

    def _missing(self, number: int) -> Answer:
        if number > self._newest():
            return problem(404, f"There is no snapshot {number} yet.")
        detail = f"Snapshot {number} is not kept any more; ask without `cursor` and `snapshot`."
        return problem(_GONE, detail, kind="snapshot-gone")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The snapshot that a request is for; `content` is what the page of a cursor is made of."""

    number: int
    content: bytes = b""


def wanted_snapshot(
    query: Mapping[str, str], own: Collection[str], cursors: Cursors, *, allowed: bool
) -> Wanted | None:
    """The snapshot that a request names, by a cursor or by `snapshot`; None when by neither.

    Args:
        query: parameter -> text.
        own: parameters of the endpoint, which mean what the endpoint says.
        cursors: of the environment.
        allowed: whether a request may name a snapshot.

    Raises:
        Refused: 403, it may not; 422, it names none, or two.
    """
    cursor = None if CURSOR in own else read_cursor(cursors, query.get(CURSOR, ""))
    wanted = Wanted(cursor.snapshot, cursor.content) if cursor else None
    if SNAPSHOT in own or SNAPSHOT not in query:
        return wanted
    if not allowed:
        raise Refused(problem(403, "This API answers from its newest snapshot only."))
    try:
        number = cast("int", _NUMBER(query[SNAPSHOT]))
    except Unfit as exc:
        raise unfit(SNAPSHOT, shown(query[SNAPSHOT]), str(exc)) from exc
    if wanted is not None and wanted.number != number:
        raise unfit(SNAPSHOT, shown(query[SNAPSHOT]), f"{wanted.number}, as the cursor says")
    return wanted or Wanted(number)


_NUMBER = reader("UBIGINT")

"""A fixed number of query processes: takes snapshots, lends a free process that has them open.

A process that ends is replaced; the new one opens what is served before it is lent.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from headrace.serve.columnar.queries import QueryFailed
from headrace.serve.columnar.query_children import QueryChild
from headrace.serve.columnar.query_frames import Drop, Open, Request, Start

_LOG = logging.getLogger("headrace.serve")

_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 10.0
# A process that has lived so long did not die of how it was started.
_HEALTHY_SECONDS = 10.0
# For what has no deadline of its own: to start, to open, to wait for a process meanwhile.
OPENING_SECONDS = 60.0
_SHOWN_CHARACTERS = 300


@dataclass(slots=True, eq=False)
class Claim:
    """What a query wants: a process that has its snapshot; for later pieces, the same one again.

    Attributes:
        snapshot: its number.
        query: its own number.
        sql: for the log.
        child: the process that holds it, once it has begun.
        is_stopped: it is not to run any more.
        has_deadline: somebody stops it when it takes too long.
    """

    snapshot: int
    query: int
    sql: str
    child: QueryChild | None = None
    is_stopped: bool = False
    has_deadline: bool = True


class QueryPool:
    """The processes; every method may be called from any thread."""

    def __init__(self, start: Start) -> None:
        """Start none yet."""
        self.numbers = itertools.count(1)
        self._start = start
        self._changed = threading.Condition()
        # Who waits, in order of arrival: for which process (None for any), with which snapshot.
        self._line: dict[int, tuple[QueryChild | None, int]] = {}
        self._children: dict[int, QueryChild] = {}
        self._snapshots: dict[int, Open] = {}
        self._seats = {number: Seat() for number in range(1, start.processes + 1)}
        self._keeper: threading.Thread | None = None
        self._watching: list[threading.Thread] = []
        self._is_closed = False

    def open(self, opening: Open) -> None:
        """Open a snapshot in every process, one after the other, so that the others answer.

        Raises:
            QueryFailed: it cannot be opened, or no process can be started.
        """
        self._keep()
        with self._changed:
            self._snapshots[opening.snapshot] = opening
            children = list(self._children.values())
        try:
            for child in children:
                self._open_in(child, opening)
            # Those that are being replaced open it before they are lent; one has to have done so.
            with self.taken(Claim(opening.snapshot, 0, "", has_deadline=False)):
                pass
        except BaseException:
            self.drop(opening.snapshot)
            raise

    def drop(self, snapshot: int) -> None:
        """Close a snapshot everywhere: now, or as soon as a process is free."""
        with self._changed:
            self._snapshots.pop(snapshot, None)
            holding = [each for each in self._children.values() if snapshot in each.snapshots]
            for child in holding:
                child.snapshots.discard(snapshot)
            self._changed.notify_all()
        for child in holding:
            self.send(child, Drop(snapshot))

    def close(self) -> None:
        """End every process; what runs there fails."""
        with self._changed:
            self._is_closed = True
            for child in self._children.values():
                child.kill("the server ends")
            self._changed.notify_all()
        for thread in (self._keeper, *self._watching):
            if thread is not None:
                thread.join()

    # Lending

    @contextmanager
    def taken(self, claim: Claim) -> Iterator[QueryChild]:
        """A process for as long as the block runs; blocks until one is free.

        Raises:
            QueryFailed: the claim is stopped, its snapshot or its process is gone, or none can be
                started.
        """
        child = self._take(claim)
        try:
            yield child
        finally:
            self._release(child)

    def send(self, child: QueryChild, errand: Request) -> None:
        """Send a request that has no reply: now, or as soon as the process is free."""
        with self._changed:
            child.errands.append(errand)
            if child.is_busy or child.is_dead:
                return
            child.is_busy = True
        self._release(child)

    def stop(self, claim: Claim) -> None:
        """Let a claim wait no longer; interrupt what runs."""
        with self._changed:
            claim.is_stopped = True
            self._changed.notify_all()
            if claim.child is not None and claim.child.running == claim.query:
                claim.child.interrupt(claim.query)

    def kill(self, claim: Claim, why: str) -> None:
        """Kill the process that still runs a claim."""
        with self._changed:
            if claim.child is not None and claim.child.running == claim.query:
                claim.child.kill(why)

    def _take(self, claim: Claim) -> QueryChild:
        until = time.monotonic() + OPENING_SECONDS
        with self._changed, self._in_line(claim.child, claim.snapshot) as ticket:
            while True:
                self._require_going_on(claim, until)
                for child in self._children.values() if claim.child is None else (claim.child,):
                    if claim.snapshot in child.snapshots and self._is_free(child, ticket):
                        child.is_busy = True
                        child.running, child.sql = claim.query, claim.sql
                        claim.child = child
                        return child
                self._changed.wait(until - time.monotonic())

    @contextmanager
    def _in_line(self, own: QueryChild | None, snapshot: int) -> Iterator[int]:
        """A place among those who wait: the first to come is the first to get a process.

        Without that, exports whose next piece only one process can give, and queries that any
        process can answer, would keep each other waiting for ever.
        """
        ticket = next(self.numbers)
        self._line[ticket] = own, snapshot
        try:
            yield ticket
        finally:
            del self._line[ticket]
            self._changed.notify_all()

    def _is_free(self, child: QueryChild, ticket: int) -> bool:
        """Whether a process can be asked now, and nobody waits for it longer than `ticket`."""
        if child.is_busy or child.is_dead:
            return False
        return not any(
            number < ticket and (own is child or (own is None and snapshot in child.snapshots))
            for number, (own, snapshot) in self._line.items()
        )

    def _require_going_on(self, claim: Claim, until: float) -> None:
        if self._is_closed:
            raise QueryFailed("process", "the query processes are closed")
        if claim.snapshot not in self._snapshots:
            raise QueryFailed("process", "the snapshot is closed")
        if claim.is_stopped:
            raise QueryFailed("interrupted", "stopped before it ran")
        if claim.child is not None and claim.child.is_dead:
            raise QueryFailed("process", f"query process {claim.child.number} has ended")
        if not claim.has_deadline and time.monotonic() > until:
            raise QueryFailed("process", "no query process is ready")

    def _release(self, child: QueryChild) -> None:
        """Let others have the process, after its errands."""
        while True:
            with suppress(OSError):
                child.run_errands()
            with self._changed:
                child.running = 0
                if child.errands and not child.is_dead:
                    continue
                if child.is_dead:
                    child.shut()
                elif child.is_worn:
                    child.kill("it had no memory left after a query")
                else:
                    # Of one that has ended, the log is still to say what it ran.
                    child.sql = ""
                child.is_busy = False
                self._changed.notify_all()
                return

    def _open_in(self, child: QueryChild, opening: Open) -> None:
        """Open a snapshot in one process as soon as it is free; in none that ends meanwhile."""
        with self._changed, self._in_line(child, opening.snapshot) as ticket:
            self._changed.wait_for(
                lambda: self._is_free(child, ticket) or child.is_dead or self._is_closed
            )
            if child.is_dead or self._is_closed or opening.snapshot in child.snapshots:
                return
            child.is_busy = True
        try:
            child.ask(opening, OPENING_SECONDS)
            child.snapshots.add(opening.snapshot)
        finally:
            self._release(child)

    # Starting and replacing

    def _keep(self) -> None:
        """Start the processes, unless that has been done; wait until each has been tried."""
        with self._changed:
            if self._keeper is None and not self._is_closed:
                self._keeper = threading.Thread(
                    target=self._replace, name="headrace-query-processes", daemon=True
                )
                self._keeper.start()
            self._changed.wait_for(
                lambda: self._is_closed or all(seat.was_tried for seat in self._seats.values()),
                OPENING_SECONDS,
            )

    def _replace(self) -> None:
        """Start what is missing, when it is due, until all is closed."""
        while due := self._wait_for_due():
            # All of them start at the same time; each is ready when its turn comes.
            for child in [child for number in due if (child := self._spawn(number))]:
                self._prepare(child)

    def _wait_for_due(self) -> list[int]:
        """The seats to be filled now; none when all is closed."""
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                empty = [each for each in self._seats.items() if each[0] not in self._children]
                if due := [number for number, seat in empty if seat.due_at <= now]:
                    return due
                waits = [seat.due_at - now for _, seat in empty]
                self._changed.wait(min(waits) if waits else None)
            return []

    def _spawn(self, number: int) -> QueryChild | None:
        try:
            child = QueryChild.spawn(number)
        except OSError as exc:
            _LOG.error("query process %d cannot be started: %s", number, exc)
            with self._changed:
                self._seats[number].fail(time.monotonic())
                self._changed.notify_all()
            return None
        name = f"headrace-query-process-{number}"
        watching = threading.Thread(target=self._watch, args=(child,), name=name, daemon=True)
        watching.start()
        self._watching = [each for each in self._watching if each.is_alive()] + [watching]
        return child

    def _prepare(self, child: QueryChild) -> None:
        """Tell a new process its limits, open every snapshot there, and lend it."""
        try:
            child.ask(self._start, OPENING_SECONDS)
            while opening := self._next_opening(child):
                child.ask(opening, OPENING_SECONDS)
                child.snapshots.add(opening.snapshot)
        except QueryFailed as exc:
            if not child.is_dead:
                child.kill(f"it cannot open what is served: {exc}")
            self._release(child)

    def _next_opening(self, child: QueryChild) -> Open | None:
        """A snapshot that is not open there; without any, the process takes its seat."""
        with self._changed:
            for number, opening in self._snapshots.items():
                if number not in child.snapshots:
                    return opening
            child.errands.extend(Drop(each) for each in child.snapshots - self._snapshots.keys())
            child.snapshots &= self._snapshots.keys()
            if self._is_closed:
                child.kill("the server ends")
            else:
                self._children[child.number] = child
                self._seats[child.number].was_tried = True
        self._release(child)
        return None

    def _watch(self, child: QueryChild) -> None:
        """Wait for a process to end; say so, and when the next one is due."""
        child.process.wait()
        with self._changed:
            was_lent = self._children.get(child.number) is child
            if was_lent:
                del self._children[child.number]
            child.is_dead = True
            if not child.is_busy:
                child.shut()
            if not self._is_closed:
                _log_end(child)
                seat = self._seats[child.number]
                is_healthy = child.killed or _age_seconds(child) > _HEALTHY_SECONDS
                settle = seat.clear if was_lent and is_healthy else seat.fail
                settle(time.monotonic())
            self._changed.notify_all()


@dataclass(slots=True)
class Seat:
    """One place for a process: from when on it may be filled, and how long after a failure."""

    due_at: float = 0.0
    wait_seconds: float = _SHORTEST_WAIT_SECONDS
    was_tried: bool = False

    def clear(self, now: float) -> None:
        """It may be filled now."""
        self.due_at = now
        self.wait_seconds = _SHORTEST_WAIT_SECONDS

    def fail(self, now: float) -> None:
        """It may be filled after a while, after a longer one each time."""
        self.was_tried = True
        self.due_at = now + self.wait_seconds
        self.wait_seconds = min(2 * self.wait_seconds, _LONGEST_WAIT_SECONDS)


def _age_seconds(child: QueryChild) -> float:
    return time.monotonic() - child.started_at


def _log_end(child: QueryChild) -> None:
    which = f"query process {child.number} ({child.process.pid})"
    if child.killed:
        _LOG.warning("%s was killed: %s; another takes its place", which, child.killed)
        return
    doing = f" while it ran {child.sql[:_SHOWN_CHARACTERS]!r}" if child.sql else ""
    _LOG.error("%s %s%s; another takes its place", which, child.ending(), doing)

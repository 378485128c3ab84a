"""The exact cache: takes the tag of an answer, gives its bytes if they were made before.

A tag names everything that an answer depends on: the rule of its endpoint, the versions of the
tables that it reads, its parameters, its format. So an entry is never stale: a publish that touches
none of those tables leaves it valid, any other one asks for another tag.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from headrace.serve.asking.asked import Asked

# What an entry costs beside its body and its request, about: the objects around them.
_ENTRY_BYTES = 600
# One answer takes at most this part of the room: a large one must not push out all the others.
_LARGEST_PART = 16


class SecondLevel(Protocol):
    """A cache that several processes share; it may fail at any time, and says so by a miss."""

    async def get(self, key: bytes) -> bytes | None:
        """The value of a key; None when there is none, or when it cannot be had in time."""
        ...

    def put(self, key: bytes, value: bytes, seconds: float) -> None:
        """Keep a value for so long; returns at once."""
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class Entry:
    """One answer; without a body it says that the query cannot be computed (`status` 422).

    `more` says that there are further rows beyond its limit; `link` is to them, and the number of
    the snapshot that it is of, once somebody has asked. `size_bytes` is what it takes of the
    cache's room, about.
    """

    __slots__ = ("asked", "body", "hits", "link", "more", "size_bytes", "status")

    def __init__(self, body: bytes, asked: Asked, status: int = 200, *, more: bool = False) -> None:
        self.body = body
        self.asked = asked
        self.status = status
        self.more = more
        self.link: tuple[int, str] = (0, "")
        self.hits = 0
        self.size_bytes = len(body) + _request_bytes(asked) + _ENTRY_BYTES


def _request_bytes(asked: Asked) -> int:
    """What a request takes that is kept with its answer: an answer of no rows may be to a long one.

    All of it is there twice: as it was sent and in the link to the next page, or as values and in
    their key.
    """
    request = asked.request
    sent = len(request.target) + sum(len(name) + len(text) for name, text in request.query)
    return 2 * (sent + len(asked.values.key))


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a cache has done so far: counts of answers, and what it holds now."""

    hits: int
    misses: int
    evicted: int
    entries: int
    size_bytes: int


class AnswerCache:
    """Answers by tag, the least recently used ones leave first; from any thread."""

    def __init__(self, most_bytes: int, second: SecondLevel | None = None) -> None:
        """An empty cache; with `most_bytes` 0 it keeps nothing."""
        self.second = second
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size_bytes = 0
        self._hits = self._misses = self._evicted = 0
        self._changing = threading.Lock()

    @property
    def largest_bytes(self) -> int:
        """The largest body that is kept."""
        return self._most_bytes // _LARGEST_PART

    def get(self, tag: str) -> Entry | None:
        """The entry of a tag, which counts as used now."""
        entry = self._entries.get(tag)
        if entry is None:
            self._misses += 1
            return None
        with suppress(KeyError):
            # Another thread may just have evicted it: it is as good as ever.
            self._entries.move_to_end(tag)
        self._hits += 1
        entry.hits += 1
        return entry

    def has(self, tag: str) -> bool:
        """Whether there is an entry; counts for nothing."""
        return tag in self._entries

    def put(self, tag: str, entry: Entry) -> None:
        """Keep an entry, unless it is too large."""
        if len(entry.body) > self.largest_bytes or not self._most_bytes:
            return
        with self._changing:
            old = self._entries.pop(tag, None)
            self._entries[tag] = entry
            self._size_bytes += entry.size_bytes - (old.size_bytes if old else 0)
            while self._size_bytes > self._most_bytes:
                _, evicted = self._entries.popitem(last=False)
                self._size_bytes -= evicted.size_bytes
                self._evicted += 1

    def hottest(self, count: int) -> list[Asked]:
        """What the entries with the most hits are the answers to, the hottest first."""
        with self._changing:
            entries: Iterable[Entry] = list(self._entries.values())
        used = sorted((each for each in entries if each.hits), key=lambda each: -each.hits)
        return [each.asked for each in used[:count]]

    @property
    def statistics(self) -> Statistics:
        """What it has done so far."""
        return Statistics(
            self._hits, self._misses, self._evicted, len(self._entries), self._size_bytes
        )


Outcome: TypeAlias = "Entry | Literal['alone', 'again']"


class Flights:
    """Questions that are being answered: whoever asks the same meanwhile waits for the one answer.

    From one event loop.
    """

    def __init__(self) -> None:
        self._flights: dict[str, asyncio.Future[Outcome]] = {}

    async def join(self, tag: str) -> Entry | None:
        """The answer that is under way for a tag; None when the caller must ask.

        Raises:
            Exception: why the one who asked got no answer, if all would get none.
        """
        while (flight := self._flights.get(tag)) is not None:
            outcome = await asyncio.shield(flight)
            if isinstance(outcome, Entry):
                return outcome
            if outcome == "alone":
                break
        return None

    def lead(self, tag: str) -> Flight:
        """Ask, so that others wait: `land` it in any case."""
        return Flight(self._flights, tag)


class Flight:
    """A question under way."""

    def __init__(
        self,
        flights: dict[str, asyncio.Future[Outcome]],
        tag: str,
    ) -> None:
        self._flights = flights
        self._tag = tag
        self._future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        # One who was told to ask alone does not call others to wait.
        flights.setdefault(tag, self._future)

    def land(self, outcome: Outcome | Exception) -> None:
        """Tell those who wait: the answer, why there is none, or how they get theirs.

        Args:
            outcome: "alone" when each must ask for itself, "again" when one of them must.
        """
        if self._flights.get(self._tag) is self._future:
            del self._flights[self._tag]
        if isinstance(outcome, Exception):
            self._future.set_exception(outcome)
            # Nobody may have waited: that is no error that was never looked at.
            self._future.exception()
        else:
            self._future.set_result(outcome)

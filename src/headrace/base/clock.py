"""Time as a parameter: the system's clock and pauses for real work, set ones for tests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class SetClock:
    """A clock that stands still until a test moves it."""

    at: datetime

    def now(self) -> datetime:
        """The time it was last set to."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self.at += timedelta(seconds=seconds)


class Pauses(Protocol):
    """Anything that lets time pass."""

    def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; False when `end` has cut them short."""
        ...

    def end(self) -> None:
        """End every wait at once, those that begin later, too."""
        ...


class SystemPauses:
    """Pauses that take their time, in any thread."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; False when `end` has cut them short."""
        return not self._ended.wait(seconds)

    def end(self) -> None:
        """End every wait at once, those that begin later, too."""
        self._ended.set()


@dataclass(slots=True)
class NotedPauses:
    """Pauses that take no time: `seconds` lists how long each would have been."""

    seconds: list[float] = field(default_factory=list)
    ended: bool = False

    def wait(self, seconds: float) -> bool:
        """Note the seconds; False after `end`."""
        self.seconds.append(seconds)
        return not self.ended

    def end(self) -> None:
        """Let every later wait say that it was cut short."""
        self.ended = True


def format_time(at: datetime) -> str:
    """An aware time as ISO 8601 in UTC with microseconds and `Z`: text order is time order."""
    assert at.tzinfo is not None, "a naive time would be read as local time"
    # Not strftime: its %Y does not pad the year on every system.
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)

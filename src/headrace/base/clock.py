"""Time as a parameter: the system's clock for real work, a set clock for tests."""

from __future__ import annotations

from dataclasses import dataclass
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


def format_time(at: datetime) -> str:
    """An aware time as ISO 8601 in UTC with microseconds and `Z`: text order is time order."""
    assert at.tzinfo is not None, "a naive time would be read as local time"
    # Not strftime: its %Y does not pad the year on every system.
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)

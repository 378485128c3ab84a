"""The instant of a plan: takes a time, gives the texts that name its hour, day, month or year."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

Volatile: TypeAlias = Literal["", "hour", "day", "month", "year", "run"]
"""How long the clock's value holds: `run` is for one run only, "" is: it is not asked for."""

GRAINS = ("hour", "day", "month", "year")
# Characters of "2024-03-01T05" that name each grain.
_LENGTHS = {"hour": 13, "day": 10, "month": 7, "year": 4}


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clock, for a plan and the run that executes it.

    Attributes:
        at: the time, aware, in UTC.
        run: names this plan and its run among all others.
    """

    at: datetime
    run: str = ""

    def text(self, volatile: Volatile) -> str:
        """What enters an address: "2024-03-01" for a day, the run's name for `run`, or ""."""
        if volatile == "run":
            return self.run
        return grain_text(self.at, volatile)

    def start(self, volatile: Volatile) -> datetime:
        """What the clock shows for that long: the start of the hour, day, month or year, in UTC.

        For `run` it is the instant itself.
        """
        if volatile not in GRAINS:
            return self.at
        kept = self.at.timetuple()[: 4 - GRAINS.index(volatile)]
        year, month, day, hour = (*kept, *(1, 1, 1, 0)[len(kept) :])
        return datetime(year, month, day, hour, tzinfo=UTC)


def grain_text(at: datetime, volatile: Volatile) -> str:
    """The hour, day, month or year of a time in UTC, as ISO 8601; "" for `run` and ""."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat()[: _LENGTHS.get(volatile, 0)]


EPOCH = Moment(datetime(1970, 1, 1, tzinfo=UTC))
"""Stands in where nothing asks for the time."""

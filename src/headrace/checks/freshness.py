"""Judges how fresh a table is: takes its newest time and the time now, gives what is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from headrace.base.clock import format_time, parse_time
from headrace.checks.figures import spoken

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


def newest_text(measured: int | str | None) -> str:
    """What an engine has measured as a text that is kept: a date, or ISO 8601 UTC; "" is NULL.

    Args:
        measured: microseconds since 1970, or a date as ISO 8601.

    Raises:
        ValueError, OverflowError: the year is not one of 1 to 9999, or the time is infinite.
    """
    if measured is None:
        return ""
    if isinstance(measured, str):
        return date.fromisoformat(measured).isoformat()
    return format_time(_EPOCH + timedelta(microseconds=measured))


def staleness(newest: str, within_seconds: float, now: datetime) -> str:
    """Why a table is not fresh, in words; "" when it is.

    A date counts from its midnight in UTC. Today's may have begun east of there already, so that
    of a date only the day after tomorrow is in the future.

    Args:
        newest: as `newest_text` gave it.
        within_seconds: how old that may be.
        now: an aware time.
    """
    if not newest:
        return "it holds no time at all"
    is_date = len(newest) == len("2024-01-01")
    at = datetime.fromisoformat(newest).replace(tzinfo=UTC) if is_date else parse_time(newest)
    shown = newest if is_date else f"{at:%Y-%m-%d %H:%M:%S} UTC"
    age = now - at
    if age < (-_DAY if is_date else timedelta()):
        return f"the newest is {shown}, which is in the future"
    if age > timedelta(seconds=within_seconds):
        return f"the newest is {shown}, {_rough(age)} ago; expected within {spoken(within_seconds)}"
    return ""


def _rough(age: timedelta) -> str:
    """An age in its largest whole unit, so that a message changes seldom."""
    seconds = int(age.total_seconds())
    for noun, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,} {noun}s"
    return f"{seconds} seconds"

"""A moment names the hour, day, month or year that it is in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from headrace.base.moments import Moment, Volatile, grain_text

AT = datetime(2024, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)


@pytest.mark.parametrize(
    ("volatile", "text", "start"),
    [
        ("hour", "2024-03-14T15", datetime(2024, 3, 14, 15, tzinfo=UTC)),
        ("day", "2024-03-14", datetime(2024, 3, 14, tzinfo=UTC)),
        ("month", "2024-03", datetime(2024, 3, 1, tzinfo=UTC)),
        ("year", "2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("run", "a1", AT),
        ("", "", AT),
    ],
)
def test_it_has_a_text_and_a_start_for_each_grain(
    volatile: Volatile, text: str, start: datetime
) -> None:
    moment = Moment(AT, "a1")
    assert moment.text(volatile) == text
    assert moment.start(volatile) == start


def test_a_day_is_a_day_in_utc() -> None:
    late = datetime(2024, 3, 14, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert grain_text(late, "day") == "2024-03-15"

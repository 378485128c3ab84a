"""Time is a parameter, and as text it sorts as time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.clock import (
    Clock,
    NotedPauses,
    Pauses,
    SetClock,
    SystemClock,
    SystemPauses,
    format_time,
    parse_time,
)

# Not the first and last day: in UTC they may lie outside of what a datetime can hold.
times = st.datetimes(timezones=st.timezones()).filter(lambda at: 1 < at.toordinal() < 3_652_059)


def test_the_system_clock_is_aware_and_in_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.tzinfo is UTC


def test_a_set_clock_moves_only_when_it_is_told_to() -> None:
    clock: Clock = SetClock(datetime(2024, 2, 28, 23, 59, 30, tzinfo=UTC))
    assert clock.now() == clock.now()
    assert isinstance(clock, SetClock)
    clock.advance(30.5)
    assert clock.now() == datetime(2024, 2, 29, 0, 0, 0, 500_000, tzinfo=UTC)


def test_a_pause_that_is_ended_is_over_at_once_and_so_is_every_later_one() -> None:
    pauses: Pauses = SystemPauses()
    assert pauses.wait(0.0)
    pauses.end()
    assert not pauses.wait(3600.0)
    assert not pauses.wait(3600.0)


def test_noted_pauses_take_no_time() -> None:
    pauses = NotedPauses()
    assert pauses.wait(3600.0)
    pauses.end()
    assert not pauses.wait(1.0)
    assert pauses.seconds == [3600.0, 1.0]


def test_a_time_is_written_in_utc_with_six_decimals_always() -> None:
    paris = timezone(timedelta(hours=2))
    assert format_time(datetime(2024, 3, 1, 1, 30, tzinfo=paris)) == "2024-02-29T23:30:00.000000Z"


def test_a_naive_time_is_refused_and_not_taken_for_local_time() -> None:
    with pytest.raises(AssertionError, match="naive"):
        format_time(datetime(2024, 3, 1, 1, 30, tzinfo=UTC).replace(tzinfo=None))


@given(times)
def test_a_time_comes_back_from_its_text(at: datetime) -> None:
    assert parse_time(format_time(at)) == at.astimezone(UTC)
    assert parse_time(format_time(at)).tzinfo is UTC


@given(times, times)
def test_the_order_of_texts_is_the_order_of_times(first: datetime, second: datetime) -> None:
    first, second = first.astimezone(UTC), second.astimezone(UTC)
    assert (format_time(first) < format_time(second)) == (first < second)


@pytest.mark.parametrize("text", ["", "2024-03-01", "2024-03-01T00:00:00Z", "2024-03-01 00:00:00"])
def test_other_spellings_of_a_time_are_not_guessed_at(text: str) -> None:
    with pytest.raises(ValueError, match="does not match format"):
        parse_time(text)

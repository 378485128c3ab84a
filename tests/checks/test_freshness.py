"""How fresh a table is follows from its newest time and the time now, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from headrace.checks.freshness import newest_text, staleness

NOW = datetime(2024, 3, 2, 9, tzinfo=UTC)
HOUR = 3600.0


@pytest.mark.parametrize(
    ("newest", "within_seconds", "said"),
    [
        ("2024-03-02T08:00:00.000000Z", HOUR, ""),
        (
            "2024-03-02T07:59:59.999999Z",
            HOUR,
            "the newest is 2024-03-02 07:59:59 UTC, 60 minutes ago; expected within 1 hour",
        ),
        (
            "2024-02-28T08:00:00.000000Z",
            90 * 60,
            "the newest is 2024-02-28 08:00:00 UTC, 3 days ago; expected within 90 minutes",
        ),
        (
            "2024-03-02T08:59:00.000000Z",
            59,
            "the newest is 2024-03-02 08:59:00 UTC, 60 seconds ago; expected within 59 seconds",
        ),
        ("2024-03-02T09:00:00.000000Z", 1, ""),
        (
            "2024-03-02T09:00:00.000001Z",
            HOUR,
            "the newest is 2024-03-02 09:00:00 UTC, which is in the future",
        ),
        ("", HOUR, "it holds no time at all"),
        ("2024-03-02", 9 * HOUR, ""),
        ("2024-03-01", 33 * HOUR, ""),
        (
            "2024-03-01",
            32 * HOUR,
            "the newest is 2024-03-01, 33 hours ago; expected within 32 hours",
        ),
        ("2024-03-03", HOUR, ""),
        ("2024-03-04", HOUR, "the newest is 2024-03-04, which is in the future"),
    ],
)
def test_what_is_not_fresh_is_told(newest: str, within_seconds: float, said: str) -> None:
    assert staleness(newest, within_seconds, NOW) == said


def test_what_an_engine_measures_becomes_a_text() -> None:
    assert newest_text(None) == ""
    assert newest_text("2024-03-01") == "2024-03-01"
    assert newest_text(1_709_280_000_000_001) == "2024-03-01T08:00:00.000001Z"
    with pytest.raises(OverflowError):
        newest_text(2**63 - 1)
    with pytest.raises(ValueError, match="infinity"):
        newest_text("infinity")

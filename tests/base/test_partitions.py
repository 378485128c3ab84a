"""Labels of partitions sort, shift and shorten as the times that they stand for."""

from __future__ import annotations

from datetime import datetime

import pytest

from headrace.base.declarations import Partition
from headrace.base.partitions import (
    Split,
    coarser,
    is_finer,
    runs,
    shifted,
    spelled,
    split_of,
    start_of,
)


@pytest.mark.parametrize(
    ("label", "by", "count", "expected"),
    [
        ("2024-02-28", "day", 1, "2024-02-29"),
        ("2024-03-01", "day", -2, "2024-02-28"),
        ("2023-12-31T23", "hour", 1, "2024-01-01T00"),
        ("2023-12", "month", 1, "2024-01"),
        ("2024-01", "month", -13, "2022-12"),
        ("0999", "year", 1, "1000"),
        ("9999", "year", 1, None),
        ("0001-01", "month", -1, None),
        ("9999-12-31", "day", 1, None),
        ("0001-01-01T00", "hour", -1, None),
    ],
)
def test_a_label_is_shifted_by_its_own_grain(
    label: str, by: str, count: int, expected: str | None
) -> None:
    assert shifted(label, by, count) == expected


def test_a_coarser_label_is_the_beginning_of_a_finer_one() -> None:
    assert [coarser("2024-03-01T05", by) for by in ("year", "month", "day", "hour")] == [
        "2024",
        "2024-03",
        "2024-03-01",
        "2024-03-01T05",
    ]
    assert start_of("2024-03") == datetime(2024, 3, 1)


def test_only_times_are_finer_than_others() -> None:
    assert is_finer("hour", "year")
    assert not is_finer("day", "day")
    assert not is_finer("month", "day")
    assert not is_finer("value", "day")
    assert not is_finer("day", "value")


def test_partitions_that_follow_on_each_other_are_one_run() -> None:
    labels = ["2024-03-02", "2024-02-29", "2024-03-01", "2024-03-05"]
    assert runs(labels, "day") == [("2024-02-29", "2024-03-02"), ("2024-03-05", "2024-03-05")]
    assert runs([], "day") == []


def test_partitions_are_spelled_in_a_few_words() -> None:
    day, value = Split(("day",), "day"), Split(("region",), "value")
    assert spelled(["2024-03-01", "2024-03-02", "2024-03-05"], day) == (
        "2024-03-01 … 2024-03-02, 2024-03-05"
    )
    assert spelled(["a", "b", "c", "d", "e"], value) == "a, b, c and 2 more"
    assert spelled(["1", "2"], Split(("id",), "bucket")) == "2 of 64 parts of its keys"


def test_a_split_is_what_the_partition_declares() -> None:
    assert split_of(None) is None
    assert split_of(Partition("day", "month")) == Split(("day",), "month")
    assert str(Split(("a", "b"), "value")) == "a, b by value"

"""What tells the cells of a table apart: takes a split and labels, gives other labels and times.

A label is the text of one partition: "2024-03-01T05" (by hour), "2024-03-01", "2024-03", "2024",
the text of a value, or the number of a bucket. Labels of times sort as the times do, and the label
of a coarser grain is the beginning of that of a finer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from headrace.base.declarations import Partition

Grain: TypeAlias = Literal["hour", "day", "month", "year", "value", "bucket"]

# From coarse to fine: grain -> the characters of its label.
TIME_GRAINS = {"year": 4, "month": 7, "day": 10, "hour": 13}
# A bucket of a keyed table is rewritten whole when one of its keys changes, and each costs an
# entry in every snapshot.
BUCKETS = 64
_PARTS_OF_A_TIME = "0001-01-01T00"


@dataclass(frozen=True, slots=True)
class Split:
    """What a table's cells are told apart by: one column to a grain, or the hash of a key."""

    columns: tuple[str, ...]
    by: Grain

    @property
    def is_time(self) -> bool:
        """Whether a label is a span of time."""
        return self.by in TIME_GRAINS

    def holding(self, label: str) -> str:
        """The partition in which one of an input lies, whose grain may be finer."""
        return coarser(label, self.by) if self.is_time else label

    def __str__(self) -> str:
        return f"{', '.join(self.columns)} by {self.by}"


def split_of(partition: Partition | None) -> Split | None:
    """The split that a declaration asks for."""
    return None if partition is None else Split((partition.column,), partition.by)


def is_finer(grain: str, other: str) -> bool:
    """Whether each partition of time by `other` consists of whole partitions by `grain`."""
    return TIME_GRAINS.get(grain, 0) > TIME_GRAINS.get(other, 99)


def coarser(label: str, by: str) -> str:
    """The partition by `by`, a grain of time that is not finer, in which a label's lies."""
    return label[: TIME_GRAINS[by]]


def start_of(label: str) -> datetime:
    """When a partition of time begins, without a zone: partitions count in UTC."""
    return datetime.fromisoformat(label + _PARTS_OF_A_TIME[len(label) :] + ":00")


def shifted(label: str, by: str, count: int) -> str | None:
    """The partition of time `count` after another (before, when negative); None out of range."""
    at = start_of(label)
    try:
        if by in {"hour", "day"}:
            at += timedelta(hours=count) if by == "hour" else timedelta(days=count)
        else:
            months = at.year * 12 + at.month - 1 + count * (12 if by == "year" else 1)
            at = at.replace(year=months // 12, month=months % 12 + 1)
    except (OverflowError, ValueError):
        return None
    return at.isoformat()[: TIME_GRAINS[by]]


def runs(labels: Iterable[str], by: str) -> list[tuple[str, str]]:
    """Partitions of time as (first, last) of those that follow on each other, in order."""
    found: list[tuple[str, str]] = []
    follows: str | None = None
    for label in sorted(labels):
        if found and label == follows:
            found[-1] = (found[-1][0], label)
        else:
            found.append((label, label))
        follows = shifted(label, by, 1)
    return found


def spelled(labels: Sequence[str], split: Split) -> str:
    """Some partitions in a few words: "2024-03-01 … 2024-03-31", "a, b and 7 more"."""
    if split.by == "bucket":
        return f"{len(labels)} of {BUCKETS} parts of its keys"
    spans = [*runs(labels, split.by)] if split.is_time else [(each, each) for each in labels]
    texts = [first if first == last else f"{first} … {last}" for first, last in spans]
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more

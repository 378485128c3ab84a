"""What is not answered by key although it could be: too much for the event loop, or no page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

Entry = TypeVar("Entry")

# Rows, or partial results, that an answer reads at most, those that it leaves out with them: some
# milliseconds during which nobody else is answered.
MOST_ENTRIES = 20_000


class NotByKey(Exception):
    """The query is to be asked, in a thread or process that may take its time."""


def counted(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same entries. Raises NotByKey when there are too many."""
    yield from islice(entries, MOST_ENTRIES)
    if next(entries, None) is not None:
        raise NotByKey(f"more than {MOST_ENTRIES} entries")

"""Text for people: aligned whatever the letters, never a control character."""

from __future__ import annotations

import doctest

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.clock import parse_time
from headrace.cli import printing
from headrace.cli.printing import age, cut, duration, table, width


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(printing).failed == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0996, "100 ms"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3600, "1 h 0 min")],
)
def test_durations_step_to_the_next_unit_in_time(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ("2024-05-01T10:00:00.400000Z", "just now"),
        ("2024-05-01T09:00:00.000000Z", "just now"),
        ("2024-05-01T10:00:01.000000Z", "1 second ago"),
        ("2024-05-03T09:59:59.000000Z", "1 day ago"),
    ],
)
def test_ages_are_in_the_largest_unit_that_fits(now: str, text: str) -> None:
    assert age("2024-05-01T10:00:00.000000Z", parse_time(now)) == text


def test_columns_are_aligned_by_what_a_terminal_shows() -> None:
    rows = [("東京", "1,200"), ("São Paulo", "7")]
    assert click.unstyle(table(("city", "rows"), rows, ("left", "right"))) == (
        "city        rows\n東京       1,200\nSão Paulo      7"
    )


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a", "b"), []) == ""


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_what_is_cut_fits_and_has_no_control_characters(text: str, columns: int) -> None:
    shown = cut(text, columns)
    assert width(shown) <= columns
    assert all(char.isprintable() for char in shown)

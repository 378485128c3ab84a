"""A tolerance allows exactly the rows that it says."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.declarations import Tolerance


@pytest.mark.parametrize(
    ("tolerance", "bad_rows", "all_rows", "allowed"),
    [
        (Tolerance(rows=0), 0, 0, True),
        (Tolerance(rows=0), 1, 1_000_000, False),
        (Tolerance(rows=20), 20, 20, True),
        (Tolerance(rows=20), 21, 1_000_000, False),
        (Tolerance(share=0.01), 1, 100, True),
        (Tolerance(share=0.01), 1, 99, False),
        (Tolerance(share=0.0), 0, 0, True),
        (Tolerance(share=1.0), 7, 7, True),
        (Tolerance(share=0.29), 29, 100, True),
        (Tolerance(), 0, 5, True),
        (Tolerance(), 1, 5, False),
    ],
)
def test_the_bound_itself_is_allowed(
    tolerance: Tolerance, bad_rows: int, all_rows: int, allowed: bool
) -> None:
    assert tolerance.allows(bad_rows, all_rows) is allowed


@given(st.integers(0, 1000), st.integers(0, 10**9), st.integers(-1, 1))
def test_a_share_is_reckoned_as_on_paper(tenths: int, all_rows: int, off: int) -> None:
    """`tenths` of a percent, divided in floating point as the reader of YAML does."""
    exact = Fraction(tenths, 1000) * all_rows
    bad_rows = int(exact) + off
    assert Tolerance(share=tenths / 10 / 100).allows(bad_rows, all_rows) is (bad_rows <= exact)


@pytest.mark.parametrize(
    ("tolerance", "text"),
    [
        (Tolerance(rows=20), "20 rows"),
        (Tolerance(rows=0), "0 rows"),
        (Tolerance(share=0.01), "1 %"),
        (Tolerance(share=0.7 / 100), "0.7 %"),
        (Tolerance(), "0 %"),
    ],
)
def test_a_tolerance_reads_as_the_user_writes_it(tolerance: Tolerance, text: str) -> None:
    assert str(tolerance) == text

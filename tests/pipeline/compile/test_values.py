"""Values of a header against the types that they are used with."""

from __future__ import annotations

import pytest

from headrace.base.declarations import Value
from headrace.pipeline.compile.values import fits, has_order, within

FITS = [
    (None, "DATE", True),
    (True, "BOOLEAN", True),
    (1, "BOOLEAN", False),
    (True, "INTEGER", False),
    (127, "TINYINT", True),
    (128, "TINYINT", False),
    (-1, "UINTEGER", False),
    (1.5, "INTEGER", False),
    ("1", "INTEGER", False),
    (1.5, "DECIMAL(12,2)", True),
    ("1.50", "DECIMAL(12,2)", True),
    ("x", "DOUBLE", False),
    ("2024-02-29", "DATE", True),
    ("2023-02-29", "DATE", False),
    ("2024-01-01 10:00:00", "TIMESTAMP", True),
    ("10:00", "TIME", True),
    (2024, "DATE", False),
    ("8f14e45f-ceea-4e7a-9c6b-1d2f3a4b5c6d", "UUID", True),
    ("8f14", "UUID", False),
    ("a", "VARCHAR", True),
    (1, "VARCHAR", False),
    ("[1]", "INTEGER[]", True),
]


@pytest.mark.parametrize(("value", "type_name", "expected"), FITS)
def test_a_value_fits_its_type(value: Value, type_name: str, expected: bool) -> None:
    assert fits(value, type_name) is expected


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("INTEGER", True),
        ("DECIMAL(9,2)", True),
        ("DATE", True),
        ("VARCHAR", False),
        ("UUID", False),
    ],
)
def test_numbers_and_times_have_an_order(type_name: str, expected: bool) -> None:
    assert has_order(type_name) is expected


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (None, 1, 2, True),
        (1, 1, None, True),
        (3, None, 2, False),
        ("10", 9, 11, True),
        ("2024-05-01", "2024-01-01", "2024-12-31", True),
        ("2025-05-01", "2024-01-01", "2024-12-31", False),
    ],
)
def test_bounds_are_inclusive(value: Value, low: Value, high: Value, expected: bool) -> None:
    assert within(value, low, high) is expected

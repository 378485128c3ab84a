"""A number of bytes in words is as exact as anybody wants to read it."""

from __future__ import annotations

import doctest

import pytest

from headrace.base import sizes
from headrace.base.sizes import size


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(sizes).failed == 0


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(999, "999 B"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (10**18, "1000.0 PB")],
)
def test_sizes_never_show_a_thousand_of_a_unit(size_bytes: int, text: str) -> None:
    assert size(size_bytes) == text

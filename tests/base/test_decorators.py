"""The decorator of Python models leaves a function as it was."""

from __future__ import annotations

import headrace
from headrace.base.decorators import MODEL_ATTRIBUTE


def double(rows: list[int]) -> list[int]:
    return [2 * row for row in rows]


def test_a_model_stays_a_plain_function() -> None:
    marked = headrace.model(key="id", allow_empty=True)(double)
    assert marked is double
    assert marked([1, 2]) == [2, 4]
    assert getattr(marked, MODEL_ATTRIBUTE) == {"key": "id", "allow_empty": True}


def test_a_model_needs_no_arguments() -> None:
    @headrace.model
    def nothing() -> list[int]:
        return []

    assert nothing() == []


def test_all_is_what_is_there() -> None:
    assert [name for name in headrace.__all__ if not hasattr(headrace, name)] == []

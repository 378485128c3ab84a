"""Costs are compared only where the answers say the same."""

from __future__ import annotations

import pytest

from benchmarks.serving.answers import DifferentAnswers, require_equal
from benchmarks.serving.questions import Question

_QUESTION = Question("A", 3, "2025-01-01", "2025-02-28")


def test_one_answer_may_be_written_in_several_ways() -> None:
    require_equal(
        _QUESTION,
        {
            "one": b'[{"month": "2025-01-01", "orders": 3, "revenue": 12.50}]',
            "another": b'[{"month":"2025-01-01T00:00:00","revenue":12.5,"orders":3}]\n',
            "a third": b'{"month":"2025-01-01","orders":3,"revenue":12.499999999}',
        },
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (b'[{"month":"2025-01-01","orders":4,"revenue":12.5}]', "two says .*4.*, one says .*3"),
        (b"[]", "two says 0 rows, one says 1 rows"),
    ],
)
def test_another_answer_is_refused(other: bytes, said: str) -> None:
    one = b'[{"month":"2025-01-01","orders":3,"revenue":12.5}]'
    with pytest.raises(DifferentAnswers, match=said):
        require_equal(_QUESTION, {"one": one, "two": other})


def test_no_answer_at_all_proves_nothing() -> None:
    with pytest.raises(DifferentAnswers, match="one answers no row"):
        require_equal(_QUESTION, {"one": b"[]", "two": b"[]"})

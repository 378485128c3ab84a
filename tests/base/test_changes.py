"""A change of the contract reads as a sentence, with what it means for whom."""

from __future__ import annotations

import pytest

from headrace.base.changes import ContractChange


@pytest.mark.parametrize(
    ("calls", "note"),
    [
        (None, "breaking"),
        (0, "breaking, no calls in the last 30 days"),
        (1, "breaking, 1 call in the last 30 days"),
        (1204, "breaking, 1,204 calls in the last 30 days"),
    ],
)
def test_a_breaking_change_says_how_many_calls_it_breaks(calls: int | None, note: str) -> None:
    change = ContractChange(
        "store_revenue", "changed", "field revenue (DOUBLE) removed", breaking=True, calls=calls
    )
    assert str(change) == f"store_revenue: field revenue (DOUBLE) removed - {note}"


def test_one_that_breaks_nobody_says_no_more() -> None:
    assert str(ContractChange("stores", "added", "GET /stores")) == "stores: GET /stores added"

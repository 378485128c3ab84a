"""A path leads to one target, whatever else is served."""

from __future__ import annotations

import pytest

from headrace.serve.asking.routes import Match, Routes

ROUTES = Routes(
    [
        ("/stores", "list"),
        ("/stores/{store_id}", "one"),
        ("/stores/best", "best"),
        ("/stores/{store_id}/sales/{day}", "day"),
        ("/{kind}/best/sales", "any"),
    ]
)


def test_a_literal_wins_over_a_parameter() -> None:
    assert ROUTES.match(["stores", "best"]) == Match("best", {})
    assert ROUTES.match(["stores", "7"]) == Match("one", {"store_id": "7"})


def test_parameters_are_named_by_their_own_route() -> None:
    assert ROUTES.match(["stores", "7", "sales", "today"]) == Match(
        "day", {"store_id": "7", "day": "today"}
    )


def test_a_literal_that_leads_nowhere_does_not_hide_a_parameter() -> None:
    assert ROUTES.match(["stores", "best", "sales"]) == Match("any", {"kind": "stores"})


@pytest.mark.parametrize("path", [[""], ["stores", ""], ["stores", "7", "sales"], ["store"]])
def test_other_paths_lead_nowhere(path: list[str]) -> None:
    assert ROUTES.match(path) is None


def test_two_targets_of_one_path_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^two endpoints have the path /a/\{y\}$"):
        Routes([("/a/{x}", 1), ("/a/{y}", 2)])

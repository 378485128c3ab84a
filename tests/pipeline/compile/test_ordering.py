"""Topological order, and circles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.pipeline.compile.ordering import build_order

_NODES = [f"t{number}" for number in range(8)]
_GRAPHS = st.fixed_dictionaries(
    {node: st.sets(st.sampled_from(_NODES), max_size=3) for node in _NODES}
)


@given(_GRAPHS)
def test_every_table_is_ordered_or_stands_behind_a_circle_that_is_told(
    inputs: dict[str, set[str]],
) -> None:
    order, circles = build_order(inputs)
    for position, name in enumerate(order):
        assert inputs[name] <= set(order[:position])
    assert bool(circles) == (set(order) != set(inputs))
    for circle in circles:
        assert circle[0] == min(circle)
        for name, reader in zip(circle, [*circle[1:], circle[0]], strict=True):
            assert name in inputs[reader]


def test_tables_that_may_come_in_any_order_come_by_name() -> None:
    assert build_order({"c": (), "b": ("c",), "a": ("c",)}) == (["c", "a", "b"], [])

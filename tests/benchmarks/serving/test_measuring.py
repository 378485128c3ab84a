"""The benchmark itself, small: headrace and uvicorn alone, few orders, one short round."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.serving.environments import KEPT
from benchmarks.serving.exports import FORMATS
from benchmarks.serving.measuring import Plan, measured
from benchmarks.serving.questions import SHAPES, Size
from benchmarks.serving.report import (
    AS_ASGI,
    BARE,
    HIT,
    OURS,
    WHATS,
    WITH_KEY,
    WITH_POLICY,
    WITH_TOKEN,
    targets,
    text,
)
from benchmarks.serving.rounds import Name, Rounds
from benchmarks.serving.routes import name as route_name

_ORDERS = 5_000


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it needs two cores")
def test_the_benchmark_measures_all_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEPT, str(tmp_path))
    plan = Plan(Size(_ORDERS), [], Rounds(1, 0.02, 2), endpoints=(10, 20))
    figures, about = measured(plan)
    callers = (OURS, AS_ASGI, WITH_KEY, WITH_TOKEN)
    ours = {Name(who, what) for who in callers for what in WHATS}
    ours |= {Name(WITH_POLICY, what) for what in ("P", "A")}
    alone = {Name(BARE, what) for what in (*SHAPES, HIT)}
    assert set(figures.costs) == ours | alone | {route_name(10), route_name(20)}
    assert all(0 < cost.microseconds < 1e6 for cost in figures.costs.values())
    assert [export.format for export in figures.exports] == list(FORMATS)
    assert figures.under_policies == {"P": "keyed", "A": "keyed"}
    wanted = targets(figures, [])
    page = text(figures, [], wanted, about)
    assert page.startswith("5,000 orders, 200 customers, 10 stores; medians of 1 interleaved round")
    assert [page.count(f"| {each.text} |") for each in wanted] == [1] * len(wanted)

"""What must hold is said of everything that was measured, and what is missed is not hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.serving.__main__ import verdict
from benchmarks.serving.columnar import Columnar
from benchmarks.serving.exports import Export, Transfer
from benchmarks.serving.ours import Built
from benchmarks.serving.peers import Peer
from benchmarks.serving.peers.fastapi import FASTAPI
from benchmarks.serving.peers.roapi import ROAPI
from benchmarks.serving.questions import SHAPES
from benchmarks.serving.report import (
    BARE,
    HIT,
    OURS,
    UNCHANGED,
    WHATS,
    WITH_KEY,
    WITH_POLICY,
    WITH_TOKEN,
    Figures,
    Target,
    targets,
    text,
)
from benchmarks.serving.rounds import Cost, Name
from benchmarks.serving.routes import name as route_name

_PEERS: list[Peer] = [FASTAPI, ROAPI]


def cost(microseconds: float) -> Cost:
    return Cost(microseconds, 1e6 / microseconds, 1.0)


def figures() -> Figures:
    """A run in which everything holds, without ROAPI."""
    callers = {OURS: 20.0, WITH_KEY: 21.5, WITH_TOKEN: 22.0}
    costs = {Name(who, what): cost(spent) for who, spent in callers.items() for what in WHATS}
    costs |= {Name(WITH_POLICY, shape): cost(22.5) for shape in ("P", "A")}
    costs |= {Name(BARE, what): cost(25.0) for what in (*SHAPES, HIT)}
    costs |= {Name(FASTAPI.title, shape): cost(400.0) for shape in SHAPES}
    costs |= {route_name(10): cost(20.0), route_name(1000): cost(21.0)}
    served = Transfer(50_000_000, 0.2, 0.1, 5_000_000)
    return Figures(
        costs=costs,
        built=Built(Path("project"), run_seconds=3.0, copies_seconds=20.0),
        columnar=Columnar(10.0, 11.0, 9.0, 9.5),
        exports=[Export(form, served, served) for form in ("arrow", "ndjson", "csv", "parquet")],
        endpoints=(10, 1000),
        absent={ROAPI.title: "there is no pip"},
        versions={FASTAPI.title: "0.165.0"},
        under_policies={"P": "keyed", "A": "keyed"},
    )


def missed(found: Figures) -> list[str]:
    return [each.text for each in targets(found, _PEERS) if not each.kept]


def test_a_run_in_which_everything_holds_misses_nothing() -> None:
    assert missed(figures()) == []


@pytest.mark.parametrize(
    ("name", "microseconds", "said"),
    [
        (Name(OURS, "L"), 50.1, "L: 8 × as many requests as FastAPI + asyncpg + PostgreSQL"),
        (Name(BARE, "A"), 11.9, "A: 60% of what uvicorn alone answers"),
        (Name(OURS, UNCHANGED), 33.4, "304: 75% of what uvicorn alone answers"),
        (Name(WITH_KEY, "L"), 30.1, "L: with an API key, 10 µs more at most"),
        (Name(WITH_TOKEN, HIT), 120.1, "hit: with a token, 100 µs more at most"),
        (Name(WITH_POLICY, "A"), 31.6, "A: with a row policy beside the key, 10 µs more at most"),
        (route_name(1000), 22.1, "a request among 1,000 endpoints costs as among 10"),
    ],
)
def test_a_request_that_costs_too_much_is_missed(
    name: Name, microseconds: float, said: str
) -> None:
    found = figures()
    dearer = replace(found, costs={**found.costs, name: cost(microseconds)})
    assert any(each.startswith(said) for each in missed(dearer))


def test_what_is_not_keyed_under_a_row_policy_is_missed() -> None:
    found = replace(figures(), under_policies={"P": "keyed", "A": "columnar"})
    assert missed(found) == ["A: keyed under a row policy, too"]


def test_slow_queries_slow_exports_and_growing_memory_are_missed() -> None:
    slow = Transfer(50_000_000, 1.0, 0.6, 150_000_000)
    quick = Transfer(50_000_000, 0.2, 0.1)
    found = replace(
        figures(),
        columnar=Columnar(12.8, 13.0, 9.0, 9.5),
        exports=[Export(form, slow, quick) for form in ("arrow", "ndjson", "csv", "parquet")],
    )
    assert missed(found) == [
        "a columnar query: 1.3 × DuckDB alone + 1 ms",
        "export, arrow: 250 MB/s, or 70 % of DuckDB's pipe",
        "export, ndjson: 100 MB/s",
        "export, csv: 100 MB/s",
        "exports: less than 100 MB more memory",
    ]


def test_the_page_has_every_program_also_one_that_is_not_here() -> None:
    found = figures()
    page = text(found, _PEERS, targets(found, _PEERS), "5 orders.")
    assert page.startswith("5 orders.\n\n| µs of CPU a request (requests a second) | P | L | A |")
    assert "\n| FastAPI + asyncpg + PostgreSQL 0.165.0 | 400.0 (2,500) | 400.0 (2,500) |" in page
    assert "\n| ROAPI (in memory) | not measured: there is no pip | | | | |\n" in page
    assert (
        "\n| export, csv: MB, MB/s of CPU time (of wall time), MB of memory | 50, 500 (250), 5 |"
        in page
    )
    assert "\n| headrace, with an API key and a row policy | 22.5 (44,444) |  | 22.5 (44," in page
    assert "\n| A: with a row policy beside the key, 10 µs more at most | +1.0 µs | yes |" in page
    assert "\n| P: with an API key, 10 µs more at most | +1.5 µs | yes |\n" in page
    assert (
        "\n| P: 8 × as many requests as FastAPI + asyncpg + PostgreSQL | 20.0 × | yes |\n" in page
    )


def test_what_is_missed_is_said_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    held, broken = Target("this", "1 ×", kept=True), Target("that", "2 ×", kept=False)
    assert verdict([held]) == 0
    assert verdict([held, broken]) == 1
    assert capsys.readouterr().err == "missed: that (is 2 ×)\n"

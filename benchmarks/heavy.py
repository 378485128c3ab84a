"""What TPC-H at scale 1 costs, against the same SQL in DuckDB alone: gives figures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import HEADRACE, Cost, Figure, median, run
from benchmarks.tpch import generated, write_one_day, write_tpch_program, write_tpch_project

_TIMES = 3
_ONE_DAY = [HEADRACE, "run", "--only", "fct_daily_revenue"]


def heavy(folder: Path) -> Iterator[Figure]:
    """First run, nothing changed, and one day added."""
    with generated() as raw:
        project, out, program = folder / "tpch", folder / "tpch-out", folder / "tpch.py"
        out.mkdir()
        write_tpch_project(project, raw)
        write_tpch_program(program, raw, out)
        peer, first = _first_runs(project, program)
        ratio = first.cpu_seconds / peer.cpu_seconds
        yield Figure("TPC-H, raw DuckDB", peer)
        yield Figure(
            "TPC-H, first run", first, f"1.5 × raw CPU (is {ratio:.2f} ×)", kept=ratio <= 1.5
        )
        again = median(lambda: run([HEADRACE, "run"], project), _TIMES)
        yield Figure(
            "TPC-H, run, nothing changed", again, "0.5 s CPU", kept=again.cpu_seconds < 0.5
        )
        day = _day_added(project, raw)
        share = day.cpu_seconds / first.cpu_seconds
        beyond = (day.cpu_seconds - again.cpu_seconds) / first.cpu_seconds
        limit = f"2 % of the first run (is {share:.1%}; beyond nothing changed {beyond:.1%})"
        yield Figure("TPC-H, one day added", day, limit, kept=share <= 0.02)


def _first_runs(project: Path, program: Path) -> tuple[Cost, Cost]:
    """The costs of the peer and of ours, in turn: the machine may be another a minute later."""
    peers, firsts = [], []
    for _ in range(_TIMES):
        peers.append(run([sys.executable, str(program)], project))
        shutil.rmtree(project / ".headrace", ignore_errors=True)
        firsts.append(run([HEADRACE, "run"], project))
    return _middle(peers), _middle(firsts)


def _middle(costs: list[Cost]) -> Cost:
    taken = iter(costs)
    return median(lambda: next(taken), len(costs), warm=False)


def _day_added(project: Path, raw: Path) -> Cost:
    costs = []
    for number in range(1, _TIMES + 1):
        write_one_day(project, raw, f"1999-01-{number:02d}")
        costs.append(run(_ONE_DAY, project))
    return _middle(costs)

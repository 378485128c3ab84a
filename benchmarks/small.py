"""What starting, small models and the demo cost: gives figures."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import HEADRACE, Cost, Figure, median, run
from benchmarks.workloads import (
    small_models,
    write_growing_project,
    write_project,
    write_raw_program,
)

TIMES = 5


def start_up(folder: Path) -> Iterator[Figure]:
    """What every command costs before it does anything."""
    cost = median(lambda: run([HEADRACE, "--help"], folder), TIMES)
    yield Figure("`headrace --help`", cost, "0.15 s wall", cost.wall_seconds < 0.15)


def many_models(folder: Path, count: int) -> Iterator[Figure]:
    """Cold run, unchanged plan and run, one leaf edited, against the same SQL in raw DuckDB."""
    models = small_models(count)
    project, raw = folder / f"models{count}", folder / f"raw{count}.py"
    write_project(project, models)
    write_raw_program(raw, models)

    def cold() -> Cost:
        shutil.rmtree(project / ".headrace", ignore_errors=True)
        return run([HEADRACE, "run"], project)

    peer = median(lambda: run([sys.executable, str(raw)], folder), TIMES)
    yield Figure(f"{count} models, raw DuckDB", peer, "", kept=True)
    first = median(cold, TIMES)
    ratio = first.cpu_seconds / peer.cpu_seconds
    yield Figure(f"{count} models, first run", first, f"4 × raw CPU (is {ratio:.1f} ×)", ratio <= 4)
    plan = median(lambda: run([HEADRACE, "plan"], project), TIMES)
    yield Figure(
        f"{count} models, plan, nothing changed", plan, "0.5 s CPU", plan.cpu_seconds < 0.5
    )
    again = median(lambda: run([HEADRACE, "run"], project), TIMES)
    yield Figure(f"{count} models, run, nothing changed", again, "", kept=True)
    yield Figure(f"{count} models, one leaf edited", edited(project, models), "", kept=True)


def growing(folder: Path) -> Iterator[Figure]:
    """What compiling and planning cost as a project grows, with nothing known and with all."""
    hundred = 0.0
    for count in (100, 300, 1000):
        project = folder / f"growing{count}"
        write_growing_project(project, count)
        first, again = planned(project)
        hundred = hundred or first.cpu_seconds
        ratio = first.cpu_seconds / hundred
        limit, kept = "", True
        if count == 1000:
            limit = f"3 s CPU, 11 × that of 100 (is {ratio:.1f} ×)"
            kept = first.cpu_seconds < 3 and ratio <= 11
        yield Figure(f"{count:,} models, compile and plan, nothing known", first, limit, kept)
        yield Figure(f"{count:,} models, compile and plan, all known", again, "", kept=True)
    run([HEADRACE, "run"], project)
    unchanged = median(lambda: run([HEADRACE, "run"], project), TIMES)
    yield Figure("1,000 models, run, nothing changed", unchanged, "", kept=True)


def planned(project: Path) -> tuple[Cost, Cost]:
    """The cost of a plan without, and then with, what earlier ones have learned."""

    def cold() -> Cost:
        shutil.rmtree(project / ".headrace", ignore_errors=True)
        return run([HEADRACE, "plan"], project)

    return median(cold, TIMES), median(lambda: run([HEADRACE, "plan"], project), TIMES)


def edited(project: Path, models: dict[str, str]) -> Cost:
    """The cost of a run after the last model was changed."""
    leaf, sql = list(models.items())[-1]
    values = iter(range(TIMES + 1))

    def edit_and_run() -> Cost:
        text = sql.replace("% 1000003", f"% 1000003 + {next(values)} + 1")
        (project / "models" / f"{leaf}.sql").write_text(text + "\n")
        return run([HEADRACE, "run"], project)

    return median(edit_and_run, TIMES)


def demo(folder: Path) -> Iterator[Figure]:
    """The demo's first run."""
    run([HEADRACE, "new", "demo", "--demo"], folder)
    cost = run([HEADRACE, "run"], folder / "demo")
    kept = cost.wall_seconds < 20 and cost.memory_bytes < 1e9
    yield Figure("the demo, first run", cost, "20 s wall, 1,000 MB", kept)

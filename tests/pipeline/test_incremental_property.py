"""However a project came to be what it is, its tables are those of a fresh build.

A project changes at random, runs, fails, is repaired, rolled back, promoted, compacted and swept.
`HEADRACE_SOAK=200` (`make soak`) asks for another number of sequences, `HEADRACE_SOAK_FIRST=104`
for those from another seed on.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from headrace.base.errors import HeadraceError
from headrace.engines.duckdb import DuckDBEngine, version_sql
from headrace.pipeline.building import BuildReport, build
from headrace.pipeline.plan.compaction import Limits
from headrace.pipeline.plan.plans import Selection
from headrace.pipeline.run.compacting import compact
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.store.snapshots import Snapshot
from tests.pipeline.random_project import RandomProject
from tests.projects import Shop

SEQUENCES = int(os.environ.get("HEADRACE_SOAK", "4"))
FIRST = int(os.environ.get("HEADRACE_SOAK_FIRST", "0"))
STEPS = 8
ENDPOINT = ("revenue",)
Rows = Counter[tuple[object, ...]]
Days = dict[str, set[tuple[str, tuple[str, ...]]]]
# What is partitioned by day over `visits` -> how many days each of its cells looks back at.
# (that read `visits`, and the models between them)
BY_DAY: dict[str, tuple[int, tuple[str, ...]]] = {
    "visits": (0, ()),
    "daily": (0, ("visits",)),
    "stamped": (0, ("visits",)),
    "counted": (0, ("visits",)),
    "kept__all": (0, ("visits",)),
    "rolling": (2, ("visits", "daily")),
}


def tables(snapshot: Snapshot, data_root: Path, engine: DuckDBEngine) -> dict[str, Rows]:
    """The rows of every table."""
    return {
        name: Counter(engine.cursor().execute(version_sql(version, data_root)).fetchall())
        for name, version in snapshot.tables.items()
    }


def findings(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """What each check found, but for those that compare with the snapshot before."""
    return sorted(
        (check.name, check.table, check.failing)
        for check in snapshot.checks.values()
        if "change" not in check.name
    )


@dataclass
class Walk:
    """One sequence of random steps."""

    root: Path
    seed: int
    engine: DuckDBEngine
    log: list[str] = field(default_factory=list)
    days: Days = field(default_factory=dict)
    rebuilt: int = 0
    compared: Snapshot | None = None

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.project = RandomProject(self.rng)
        self.shop = Shop(self.root / "walked")
        self.written: dict[str, str] = {}
        self.write()
        self.store = self.shop.store

    def go(self) -> None:
        """Run, then change and do something, again and again."""
        self.full_run()
        actions: list[Callable[[], None]] = [
            *[self.full_run] * 5,
            *[self.partial_run, self.roll_back, self.run_elsewhere, self.promote, self.sweep],
        ]
        for _ in range(STEPS):
            for _ in range(self.rng.choice([1, 1, 2, 3])):
                self.log.append(self.project.change())
            self.rng.choice(actions)()
        self.full_run()

    def full_run(self) -> None:
        """Run everything, and hold it against a fresh build."""
        self.log.append("run")
        self.write()
        report = self._run(self.shop)
        fresh = self.fresh()
        if report.failures:
            assert fresh.failures, report.failures
            self.log.append(f"failed: {report.failures}")
            self.repair()
            report, fresh = self._run(self.shop), self.fresh()
        assert not fresh.failures, (report, fresh.failures)
        assert not report.failures, report.failures
        self.compare()
        self.compare_cells()

    def repair(self) -> None:
        """Take back what makes runs fail."""
        self.log.append("repair")
        self.project.repair()
        self.write()

    def _run(self, shop: Shop, selection: Selection | None = None) -> BuildReport:
        workspace = open_workspace(shop.root)
        plan = plan_workspace(workspace, shop.environment, selection or Selection())
        return build(workspace, plan, accepted=ENDPOINT)

    def partial_run(self) -> None:
        """Build some models, or some days, only."""
        picked = self.rng.choice(
            [
                Selection(only=("daily",)),
                Selection(only=("totals", "counted")),
                Selection(start="2024-02-01"),
                Selection(end="2024-01-31"),
                Selection(start="2024-01", end="2024-01"),
            ]
        )
        self.log.append(f"run {picked}")
        self.write()
        try:
            self.log.append(str(self._run(self.shop, picked).failures))
        except HeadraceError as exc:
            self.log.append(f"refused: {exc}")

    def roll_back(self) -> None:
        """Publish what was before."""
        self.log.append("rollback")
        try:
            self.store.rollback("prod")
        except HeadraceError as exc:
            self.log.append(f"refused: {exc}")

    def run_elsewhere(self) -> None:
        """Run in another environment."""
        self.log.append("run --env dev")
        self.write()
        self.log.append(str(self._run(Shop(self.shop.root, "dev")).failures))

    def promote(self) -> None:
        """Run in another environment, and publish that."""
        self.run_elsewhere()
        store = self.store
        head, parent = store.head("dev"), store.head("prod")
        if head is None or parent is None:
            return
        self.log.append("promote")
        try:
            store.promote(head, "prod", parent=parent.number)
        except HeadraceError as exc:
            self.log.append(f"refused: {exc}")

    def sweep(self) -> None:
        """Compact what there is, and remove all that nobody shows."""
        self.log.append("gc")
        compact(self.store, self.engine, Limits(small_files=1, superseded_bytes=0))
        for _ in range(2):
            self.store.collect(keep_days=0, keep_last=1, grace_seconds=0)

    def published(self) -> Snapshot:
        """What the project shows."""
        head = self.store.head("prod")
        assert head is not None
        return self.store.snapshot(head)

    def write(self) -> None:
        """Bring the project's folder up to date."""
        files = self.project.files()
        for name in self.written.keys() - files.keys():
            (self.shop.root / name).unlink()
        for name, text in files.items():
            if self.written.get(name) != text:
                _write(self.shop.root / name, text)
        self.written = files

    def fresh(self) -> BuildReport:
        """The same project, built in an empty store."""
        self.rebuilt += 1
        self.other = Shop(self.root / f"fresh{self.rebuilt}")
        for name, text in self.project.files().items():
            _write(self.other.root / name, text)
        return self._run(self.other)

    def compare(self) -> None:
        """Hold what is published against the fresh build."""
        walked, fresh = self.published(), self.other.published()
        found = tables(walked, self.store.data_root, self.engine)
        expected = tables(fresh, self.other.store.data_root, self.engine)
        assert found.keys() == expected.keys()
        for name, rows in expected.items():
            assert found[name] == rows, (name, found[name] - rows, rows - found[name])
        assert findings(walked) == findings(fresh)
        addresses = {name: version.address for name, version in walked.tables.items()}
        assert addresses == {name: version.address for name, version in fresh.tables.items()}
        assert self.shop.plan().nothing_to_do
        for version in walked.tables.values():
            assert all(self.store.is_whole(file) for file in version.files)
            assert sum(cell.rows for cell in version.cells) == found[version.table].total()

    def compare_cells(self) -> None:
        """Hold the cells that are new against the days whose rows are others."""
        days, after, before = self.project.visits_of_days(), self.published(), self.compared
        touched = {
            day for day in days.keys() | self.days.keys() if days.get(day) != self.days.get(day)
        }
        self.days, self.compared = days, after
        if before is None:
            return
        for name, (back, above) in BY_DAY.items():
            if all(_recipe(before, each) == _recipe(after, each) != "" for each in (name, *above)):
                reached = touched | {
                    _later(day, days) for day in touched for days in range(back + 1)
                }
                assert _changed(before, after, name) <= reached, name


def _recipe(snapshot: Snapshot, table: str) -> str:
    return snapshot.tables[table].recipe if table in snapshot.tables else ""


def _changed(before: Snapshot, after: Snapshot, table: str) -> set[str]:
    """The partitions that have other cells than before."""
    cells = [
        {(cell.partition or "", cell.address) for cell in snapshot.tables[table].cells}
        for snapshot in (before, after)
    ]
    return {partition for partition, _ in cells[0] ^ cells[1]}


def _later(day: str, days: int) -> str:
    try:
        return str(date.fromisoformat(day) + timedelta(days=days))
    except ValueError:
        return day


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEQUENCES))
def test_whatever_was_built_before_the_tables_are_those_of_a_fresh_build(
    tmp_path: Path, seed: int
) -> None:
    engine = DuckDBEngine(threads=1)
    walk = Walk(tmp_path, seed, engine)
    try:
        walk.go()
    except BaseException:
        print(f"seed {seed}:", *walk.log, sep="\n")
        raise
    finally:
        engine.close()

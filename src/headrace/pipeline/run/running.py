"""Executes a plan: takes what must be built and checked, gives versions and check results."""

from __future__ import annotations

import importlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import duckdb

from headrace.base.declarations import Model
from headrace.base.errors import HeadraceError, StoreError
from headrace.base.names import quote
from headrace.base.tables import Version
from headrace.checks.figures import before_name
from headrace.engines.duckdb import DuckDBEngine
from headrace.observe.events import CheckFinished, Observer, StepFinished, StepRetried, StepStarted
from headrace.pipeline.compile.graph import CompiledCheck, Relation
from headrace.pipeline.plan.addresses import compared_version
from headrace.pipeline.plan.plans import Cells, Plan, PlannedStep, SourceFiles
from headrace.pipeline.plan.versions import (
    assemble,
    known_schema,
    quarantine_of,
    volume_results,
)
from headrace.pipeline.run.checking import Standard, make_checks, sample, unseen
from headrace.pipeline.run.outcomes import Built, CheckOutcome
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.run.partitions import CellBuilder, Selected
from headrace.pipeline.run.retrying import Patience, may_pass
from headrace.pipeline.run.room import Room
from headrace.pipeline.run.scheduling import Task, run_tasks
from headrace.pipeline.run.storing import NewCell, Target
from headrace.store.data import StoredCell
from headrace.store.store import Store

_BuildSource: TypeAlias = Callable[
    [DuckDBEngine, Store, Path, Relation, Relation, SourceFiles], tuple[Version, Version]
]
_ReturnedRows: TypeAlias = Callable[[DuckDBEngine, Path, Relation], Selected]


def run_plan(
    plan: Plan, store: Store, engine: DuckDBEngine, observe: Observer, pace: Pace
) -> Built:
    """Build and check what the plan asks for; nothing becomes visible.

    Independent tables are built side by side. A table that fails, or fails a check of severity
    error, blocks those that read it; the others are built all the same, so that the next run
    finds them. What may pass is tried again before it counts as failed.
    """
    return _Run(plan, store, engine, observe, pace).execute()


@dataclass
class _Run:
    """The state of one execution; `_lock` guards what several steps write.

    `stopped` are the tables that failed, failed a check, or were blocked; `reshaped` those that
    have other columns than planned, with all that waits for them; `read` those that need to be
    attached.
    """

    plan: Plan
    store: Store
    engine: DuckDBEngine
    observe: Observer
    pace: Pace
    versions: dict[str, Version] = field(default_factory=dict)
    steps: list[StepFinished] = field(default_factory=list)
    checks: list[CheckOutcome] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    reshaped: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    room: Room = field(default_factory=Room)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def execute(self) -> Built:
        """Everything that can be built and checked is, and is returned."""
        self.read = self._read()
        for version in self.plan.reused.values():
            self._reuse(version)
        for version in self.plan.reused.values():
            self._check_volume(version)
        for stale in self.plan.stale:
            self._finish_check(CheckOutcome(stale))
        settings = self.plan.graph.project.settings
        workers = settings.workers or os.cpu_count() or 1
        run_tasks(self._tasks(), workers, self._interrupt)
        return Built(self.versions, tuple(self.steps), tuple(self.checks), frozenset(self.reshaped))

    def _interrupt(self) -> None:
        """Let what is running, or waiting to be tried again, end soon."""
        self.pace.pauses.end()
        self.engine.interrupt()

    def _read(self) -> set[str]:
        """The tables that something may read: opening the files of the others would cost."""
        relation = self.plan.graph.relation
        steps = {name for step in self.plan.steps for name in relation(step.table).inputs}
        checks = {name for check in self.plan.checks for name in check.tables}
        return steps | checks | {quarantine_of(relation(name)) for name in self.plan.sources}

    def _tasks(self) -> list[Task]:
        """One task a step, with the checks of its table alone; then the checks that remain."""
        building = {step.table for step in self.plan.steps}
        of_step: dict[str, list[CompiledCheck]] = {table: [] for table in building}
        others: list[CompiledCheck] = []
        for check in self.plan.checks:
            alone = check.tables == (check.table,) and check.table in building
            (of_step[check.table] if alone else others).append(check)
        steps = [self._step_task(step, of_step[step.table]) for step in self.plan.steps]
        return [*steps, *(self._check_task(number, check) for number, check in enumerate(others))]

    def _needs(self, tables: Iterable[str]) -> frozenset[str]:
        """The tasks that make `tables`: a quarantine is made by its source's."""
        relations = map(self.plan.graph.relation, tables)
        return frozenset(
            relation.inputs[0] if relation.kind == "quarantine" else relation.name
            for relation in relations
        )

    def _step_task(self, step: PlannedStep, checks: list[CompiledCheck]) -> Task:
        relation = self.plan.graph.relation(step.table)
        needs = self._needs(relation.inputs)

        def work() -> bool:
            built = self._build(step, relation)
            if built and self._is_reshaped(relation):
                return False
            passed = built and self._check(checks)
            if not passed:
                self.stopped.add(step.table)
            return passed

        def blocked() -> None:
            if not needs & self.stopped:
                self.reshaped.add(step.table)  # it waits for columns only: the next plan has it
                return
            message = f"waits for {', '.join(sorted(needs & self.stopped))}"
            self.stopped.add(step.table)
            self._finish(StepFinished(step.table, "blocked", message=message, attempts=0))

        return Task(step.table, needs, work, blocked)

    def _check_task(self, number: int, check: CompiledCheck) -> Task:
        # "#" is in no table's name: a check never stands in for a table.
        return Task(
            f"#{number}", self._needs(check.tables), lambda: self._check([check]), lambda: None
        )

    def _build(self, step: PlannedStep, relation: Relation) -> bool:
        self.observe(StepStarted(step.table, step.reasons))
        started = time.monotonic()
        attempt = 1
        while True:
            try:
                made = self._made(step, relation, again=attempt > 1)
                for version in made:
                    self._add(version)
                break
            except (HeadraceError, duckdb.Error, OSError) as exc:
                if not self._is_tried_again(relation, attempt, exc):
                    message = _tried(_located(relation, exc), attempt)
                    failed = StepFinished(step.table, "failed", message=message, attempts=attempt)
                    self._finish(failed)
                    return False
                attempt += 1
        passed = self._check_volume(made[0])
        rows_in = made[0].rows_in
        self._finish(
            StepFinished(
                step.table,
                "built",
                rows=made[0].rows,
                rows_in=rows_in,
                quarantined=rows_in - made[0].rows,
                seconds=time.monotonic() - started,
                attempts=attempt,
            )
        )
        return passed

    def _is_tried_again(self, relation: Relation, attempt: int, exc: Exception) -> bool:
        """Whether there is to be another attempt; the wait before it is over then."""
        patience = self._patience(relation)
        if attempt >= patience.attempts or not may_pass(exc):
            return False
        seconds = patience.seconds_after(attempt, random.random())  # noqa: S311 -- no secret
        message = _located(relation, exc)
        self.observe(
            StepRetried(relation.name, attempt, patience.attempts, round(seconds, 3), message)
        )
        return self.pace.pauses.wait(seconds)

    def _patience(self, relation: Relation) -> Patience:
        settings, declaration = self.plan.graph.project.settings, relation.declaration
        own = declaration.retries if isinstance(declaration, Model) else None
        retries = settings.retries if own is None else own
        return Patience(retries, settings.retry_wait_seconds)

    def _is_reshaped(self, relation: Relation) -> bool:
        """Whether what reads the table was planned with other columns than it has turned out with.

        (What reads one without known columns is not planned at all.)
        """
        with self._lock:
            schema = self.versions[relation.name].schema
        if relation.schema in (None, schema):
            return False
        self.reshaped.add(relation.name)
        return True

    def _made(self, step: PlannedStep, relation: Relation, *, again: bool) -> tuple[Version, ...]:
        known = iter([again])
        # Called twice, it takes up what it has stored the first time.
        return self.room.work(lambda: self._make(step, relation, again=next(known, True)))

    def _make(self, step: PlannedStep, relation: Relation, *, again: bool) -> tuple[Version, ...]:
        """The table's next version, and for a source that of its quarantine.

        With `again`, what an attempt before has stored of a model is taken up.
        """
        if relation.kind == "source":
            root = self.plan.graph.project.root
            quarantine = self.plan.graph.relation(quarantine_of(relation))
            files = self.plan.sources[relation.name]
            build = _load_build_source()
            return build(self.engine, self.store, root, relation, quarantine, files)
        built = dict(self.plan.present[relation.name])
        if again:
            built |= self.store.find_cells(relation.name)
        missing = tuple(cell for cell in step.cells if cell.address not in built)
        if missing:
            built |= {cell.cell.address: cell for cell in self._cells(missing, relation)}
        return (assemble(relation, (built[each.address] for each in self.plan.cells[step.table])),)

    def _cells(self, missing: Cells, relation: Relation) -> Iterable[StoredCell]:
        """The cells of a model that were missing."""
        if relation.split is None:
            with self._rows(relation) as (sql, schema):
                target = Target(self.engine, self.store, relation.name, schema)
                return target.keep(sql, [NewCell(cell.address) for cell in missing])
        assert relation.locality is not None
        model = relation.declaration
        is_function = isinstance(model, Model) and model.function is not None
        with self._lock:
            inputs = {name: self.versions[name] for name in relation.inputs}
        builder = CellBuilder(
            engine=self.engine,
            store=self.store,
            relation=relation,
            inputs=inputs,
            select=lambda: self._rows(relation),
            one_by_one=is_function or bool(relation.locality.lookback),
            pace=self.pace,
        )
        return builder.build(missing)

    def _rows(self, relation: Relation) -> Selected:
        """A SELECT of a model's rows, and their columns."""
        if relation.sql:
            return nullcontext((relation.sql, known_schema(relation)))
        returned_rows = _load_returned_rows()
        return returned_rows(self.engine, self.plan.graph.project.root, relation)

    def _reuse(self, version: Version) -> None:
        try:
            self._add(version)
        except duckdb.Error as exc:
            raise StoreError(
                f"{version.table}: what the store holds of it cannot be read ({exc}); expected the"
                " file as it was built; remove that file, and the next run builds it again"
            ) from exc

    def _add(self, version: Version) -> None:
        if version.table in self.read:
            self.engine.attach(version, self.store.data_root)
        with self._lock:
            self.versions[version.table] = version

    def _check(self, checks: list[CompiledCheck]) -> bool:
        with self._lock:
            read = {name for check in checks for name in check.tables}
            addresses = {name: self.versions[name].address for name in read}
        published = self.plan.before.tables
        for check in checks:
            if (before := compared_version(check, published)) is not None:
                before = replace(before, table=before_name(check.table))
                self.engine.attach(before, self.store.data_root)
        held_against = Standard(self.store.clock.now(), published)
        outcomes: list[CheckOutcome] = []
        for new, of_table in self._by_cells(checks):
            with self.engine.attached([new] if new else [], self.store.data_root):
                make = partial(make_checks, self.engine, of_table, addresses, held_against)
                outcomes += self.room.work(make)
        for outcome in outcomes:
            self._finish_check(outcome)
        return not any(outcome.stops_publish for outcome in outcomes)

    def _by_cells(
        self, checks: list[CompiledCheck]
    ) -> list[tuple[Version | None, list[CompiledCheck]]]:
        """The checks that look at the same cells together; None is all cells."""
        with self._lock:
            versions = dict(self.versions)
        found: dict[str, tuple[Version | None, list[CompiledCheck]]] = {}
        for check in checks:
            new = unseen(check, versions, self.plan.before)
            _, group = found.setdefault(check.table if new else "", (new, []))
            group.append(check)
        return list(found.values())

    def _check_volume(self, version: Version) -> bool:
        relation = self.plan.graph.relation(version.table)
        published = self.plan.before.tables.get(version.table)
        known = self.plan.before.checks
        results = [
            result
            for result in volume_results(relation, version, published)
            if result.address not in known
        ]
        for result in results:
            aside = () if result.passed else self._set_aside(relation)
            self._finish_check(CheckOutcome(result, aside))
        return all(result.passed for result in results)

    def _set_aside(self, relation: Relation) -> tuple[Mapping[str, str | None], ...]:
        """Some of the rows in a source's quarantine, which nobody can query unless it publishes."""
        if relation.kind != "source":
            return ()
        return sample(self.engine, f"FROM {quote(quarantine_of(relation))}")

    def _finish(self, step: StepFinished) -> None:
        with self._lock:
            self.steps.append(step)
            self.observe(step)

    def _finish_check(self, outcome: CheckOutcome) -> None:
        with self._lock:
            self.checks.append(outcome)
            self.observe(
                CheckFinished(
                    outcome.result.name,
                    outcome.result.table,
                    outcome.result.severity,
                    outcome.result.failing,
                    outcome.result.message,
                )
            )


def _located(relation: Relation, exc: Exception) -> str:
    """What an error says, with the place of the table unless it begins with it."""
    place = "" if str(exc).startswith(relation.place.file) else f"{relation.place}: "
    return f"{place}{exc}"


def _tried(message: str, attempts: int) -> str:
    """What failed, and how often, if more than once."""
    if attempts == 1:
        return message
    first, newline, rest = message.partition("\n")
    return f"{first} (tried {attempts} times){newline}{rest}"


# The two lazy imports of a run: both need pyarrow, which with numpy costs 0.2 s of CPU to import,
# and the usual run, after an edit of a SQL model, needs neither.
def _load_build_source() -> _BuildSource:
    module = importlib.import_module("headrace.pipeline.run.reading")
    build: _BuildSource = module.build_source
    return build


def _load_returned_rows() -> _ReturnedRows:
    module = importlib.import_module("headrace.pipeline.run.python_models")
    rows: _ReturnedRows = module.returned_rows
    return rows

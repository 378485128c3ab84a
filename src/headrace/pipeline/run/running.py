"""Executes a plan: takes what must be built and checked, gives versions and check results."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import duckdb

from headrace.base.declarations import Model
from headrace.base.errors import HeadraceError
from headrace.base.names import quote
from headrace.base.tables import Version
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.observe.events import CheckFinished, Observer, StepFinished, StepStarted
from headrace.pipeline.compile.graph import CompiledCheck, Relation
from headrace.pipeline.plan.addresses import model_address
from headrace.pipeline.plan.plans import Plan, PlannedStep
from headrace.pipeline.plan.versions import assemble, quarantine_of, volume_results
from headrace.pipeline.run.checking import make_checks, sample
from headrace.pipeline.run.outcomes import Built, CheckOutcome
from headrace.pipeline.run.python_models import run_python_model
from headrace.pipeline.run.reading import build_source
from headrace.pipeline.run.scheduling import Task, run_tasks
from headrace.pipeline.run.storing import NewCell, store_cells
from headrace.store.store import Store


def run_plan(plan: Plan, store: Store, engine: DuckDBEngine, observe: Observer) -> Built:
    """Build and check what the plan asks for; nothing becomes visible.

    Independent tables are built side by side. A table that fails, or fails a check of severity
    error, blocks those that read it; the others are built all the same, so that the next run
    finds them.
    """
    return _Run(plan, store, engine, observe).execute()


@dataclass
class _Run:
    """The state of one execution; `_lock` guards what several steps write.

    `stopped` are the tables that failed, failed a check, or were blocked.
    """

    plan: Plan
    store: Store
    engine: DuckDBEngine
    observe: Observer
    versions: dict[str, Version] = field(default_factory=dict)
    steps: list[StepFinished] = field(default_factory=list)
    checks: list[CheckOutcome] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def execute(self) -> Built:
        """Everything that can be built and checked is, and is returned."""
        for version in self.plan.reused.values():
            self._add(version)
        for version in self.plan.reused.values():
            self._check_volume(version)
        settings = self.plan.graph.project.settings
        run_tasks(self._tasks(), settings.workers or os.cpu_count() or 1)
        return Built(self.versions, tuple(self.steps), tuple(self.checks))

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
            passed = self._build(step, relation) and self._check(checks)
            if not passed:
                self.stopped.add(step.table)
            return passed

        def blocked() -> None:
            message = f"waits for {', '.join(sorted(needs & self.stopped))}"
            self.stopped.add(step.table)
            self._finish(StepFinished(step.table, "blocked", message=message))

        return Task(step.table, needs, work, blocked)

    def _check_task(self, number: int, check: CompiledCheck) -> Task:
        # "#" is in no table's name: a check never stands in for a table.
        return Task(
            f"#{number}", self._needs(check.tables), lambda: self._check([check]), lambda: None
        )

    def _build(self, step: PlannedStep, relation: Relation) -> bool:
        self.observe(StepStarted(step.table, step.reasons))
        started = time.monotonic()
        try:
            made = self._make(relation)
        except (HeadraceError, duckdb.Error) as exc:
            place = "" if str(exc).startswith(relation.place.file) else f"{relation.place}: "
            self._finish(StepFinished(step.table, "failed", message=f"{place}{exc}"))
            return False
        for version in made:
            self._add(version)
        passed = self._check_volume(made[0])
        rows_in = sum(cell.rows_in for cell in made[0].cells)
        self._finish(
            StepFinished(
                step.table,
                "built",
                rows=made[0].rows,
                rows_in=rows_in,
                quarantined=rows_in - made[0].rows,
                seconds=time.monotonic() - started,
            )
        )
        return passed

    def _make(self, relation: Relation) -> tuple[Version, ...]:
        """The table's next version, and for a source that of its quarantine."""
        root = self.plan.graph.project.root
        if relation.kind == "source":
            quarantine = self.plan.graph.relation(quarantine_of(relation.name))
            files = self.plan.sources[relation.name]
            return build_source(self.engine, self.store, root, relation, quarantine, files)
        model = relation.declaration
        assert isinstance(model, Model)
        sql, schema = relation.sql, relation.schema
        if model.function is not None:
            inputs = {name: name for name, _ in model.function.inputs}
            sql = run_python_model(self.engine, root, model, inputs)
            schema = described(self.engine.cursor(), sql)
        assert schema is not None, "a SQL model is planned once its columns are known"
        with self._lock:
            versions = {name: self.versions[name].address for name in relation.inputs}
        cell = NewCell(model_address(relation, versions))
        stored = store_cells(self.engine, self.store, relation.name, schema, sql, [cell])
        return (assemble(relation, stored),)

    def _add(self, version: Version) -> None:
        self.engine.attach(version, self.store.data_root)
        with self._lock:
            self.versions[version.table] = version

    def _check(self, checks: list[CompiledCheck]) -> bool:
        with self._lock:
            read = {name for check in checks for name in check.tables}
            addresses = {name: self.versions[name].address for name in read}
        outcomes = make_checks(self.engine, checks, addresses)
        for outcome in outcomes:
            self._finish_check(outcome)
        return not any(outcome.stops_publish for outcome in outcomes)

    def _check_volume(self, version: Version) -> bool:
        relation = self.plan.graph.relation(version.table)
        published = self.plan.before.tables.get(version.table)
        results = volume_results(relation, version, published)
        for result in results:
            aside = () if result.passed else self._set_aside(relation)
            self._finish_check(CheckOutcome(result, aside))
        return all(result.passed for result in results)

    def _set_aside(self, relation: Relation) -> tuple[Mapping[str, str | None], ...]:
        """Some of the rows in a source's quarantine, which nobody can query unless it publishes."""
        if relation.kind != "source":
            return ()
        return sample(self.engine, f"FROM {quote(quarantine_of(relation.name))}")

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

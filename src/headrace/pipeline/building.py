"""The whole way from a plan to a published snapshot, with a record of what happened."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Literal

from headrace.base.clock import format_time
from headrace.base.errors import StoreError
from headrace.engines.duckdb import DuckDBEngine
from headrace.observe.events import Observer, RunFinished, RunStarted, StepFinished, ignore
from headrace.pipeline.plan.addresses import check_address, compared_version
from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.plan.reviewing import require_accepted
from headrace.pipeline.plan.versions import volume_results
from headrace.pipeline.run.importing import project_modules
from headrace.pipeline.run.keyed_copies import CopyBuilder
from headrace.pipeline.run.outcomes import Built, CheckOutcome
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.run.running import run_plan
from headrace.pipeline.workspace import Workspace, plan_workspace
from headrace.store.audit.publishing import Published, on_record
from headrace.store.records import CheckRecord, Records, RunRecord, StepRecord
from headrace.store.snapshots import CheckResult, Ref, Snapshot


@dataclass(frozen=True, slots=True)
class BuildReport:
    """How a run ended.

    Attributes:
        run: its identifier.
        outcome: "published", "unchanged" (there was nothing to do) or "failed".
        snapshot: what the environment serves now; None when nothing was ever published.
        steps: how each step ended.
        checks: the outcome of every check that was made.
        failures: why nothing was published, in words.
    """

    run: str
    outcome: Literal["published", "unchanged", "failed"]
    snapshot: Ref | None
    steps: tuple[StepFinished, ...] = ()
    checks: tuple[CheckOutcome, ...] = ()
    failures: tuple[str, ...] = ()


def build(
    workspace: Workspace,
    plan: Plan,
    observe: Observer = ignore,
    *,
    accepted: Collection[str] = (),
    pace: Pace | None = None,
) -> BuildReport:
    """Execute a plan and publish what it makes, if every check allows it.

    Whatever fails, what was published before stays published, and what was built stays in the
    store for the next run.

    Args:
        workspace: the project and its store.
        plan: made from that workspace.
        observe: receives every event.
        accepted: endpoints (of routers, their files) whose breaking changes may be published.
        pace: how the run goes about it; None is the usual.

    Raises:
        BreakingChanges: another endpoint would break its users. Unless only a Python model that
            has run could show it, nothing is built.
        ProjectError: what reads a Python model does not compile over the columns it returned.
    """
    require_accepted(plan.changes, accepted)
    if plan.nothing_to_do and not plan.deferred:
        make_copies(workspace, plan.before, plan.before, observe)
        return BuildReport("", "unchanged", plan.parent)
    run = f"{workspace.store.clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    path = workspace.store.records_path
    with workspace.store.hold(), closing(Records.open(path)) as records:
        return _Build(workspace, plan, observe, run, records, accepted, pace or Pace()).execute()


def make_copies(
    workspace: Workspace, snapshot: Snapshot, before: Snapshot, observe: Observer
) -> None:
    """Make the keyed copies that a snapshot is answered from; without them it is answered, too.

    Args:
        workspace: the project and its store.
        snapshot: the one to make them for.
        before: one that has copies already, to start from.
        observe: receives how each of them went.
    """
    limit_bytes = workspace.project.settings.copy_limit_bytes
    missing = workspace.store.keyed.missing(snapshot, limit_bytes)
    if not missing:
        return
    with workspace.store.hold(), closing(_engine(workspace)) as engine:
        builder = CopyBuilder(workspace.store, engine, snapshot, before, limit_bytes)
        builder.build_all(missing, observe)


def _engine(workspace: Workspace) -> DuckDBEngine:
    settings = workspace.project.settings
    return DuckDBEngine(
        threads=settings.threads,
        memory_limit=settings.memory_limit,
        spill=workspace.store.root / "staging",
    )


@dataclass
class _Build:
    """One run; `plan` is replaced when a Python model has shown its columns."""

    workspace: Workspace
    plan: Plan
    observe: Observer
    run: str
    records: Records
    accepted: Collection[str]
    pace: Pace

    def execute(self) -> BuildReport:
        """Build, check, publish, and record all of it."""
        started = time.monotonic()
        self._start()
        try:
            report = self._report(self._build())
        except BaseException as exc:
            why = "interrupted" if isinstance(exc, KeyboardInterrupt) else str(exc)
            failed = BuildReport(self.run, "failed", self.plan.parent, failures=(why,))
            self._finish(failed, time.monotonic() - started)
            raise
        self._finish(report, time.monotonic() - started)
        return report

    def _report(self, built: Built) -> BuildReport:
        """Publish what was built if it may be, and say how that went."""
        ref, failures = self.plan.parent, built.failures
        if not failures:
            require_accepted(self.plan.changes, self.accepted)
            ref, failures = self._publish(built)
        outcome: Literal["failed", "published"] = "failed" if failures else "published"
        return BuildReport(self.run, outcome, ref, built.steps, built.checks, failures)

    def _start(self) -> None:
        environment, steps = self.plan.environment, len(self.plan.steps)
        self.records.run_started(RunRecord(self.run, environment, self._now()))
        self.observe(RunStarted(self.run, environment, steps, len(self.plan.checks)))

    def _build(self) -> Built:
        store = self.workspace.store
        with (
            closing(_engine(self.workspace)) as engine,
            project_modules(self.workspace.project.root),
        ):
            built = run_plan(self.plan, store, engine, self.observe, self.pace)
            while self._goes_on(built):
                self.plan = self._plan_again(built)
                built = built.then(run_plan(self.plan, store, engine, self.observe, self.pace))
        return built

    def _goes_on(self, built: Built) -> bool:
        """Whether it is known by now what could not be planned before.

        That is what waits for the partitions of a source, which has been read, or for the columns
        of a Python model, which has shown them; and the address of that source itself, by which the
        results of its checks are kept.
        """
        if built.failures:
            return False
        unread = any(not step.address for step in self.plan.steps)
        waited = unread or self.plan.waiting or self.plan.deferred
        return bool(built.reshaped or (waited and self.plan.steps))

    def _plan_again(self, built: Built) -> Plan:
        """The plan for what could not be planned before, without the checks made already.

        What was published, and the time, are what they were when the run began: whoever has
        published since is noticed, and not overwritten.
        """
        plan = plan_workspace(
            self.workspace,
            self.plan.environment,
            self.plan.selection,
            self.plan.graph.moment,
        )
        made = {outcome.result.address for outcome in built.checks}
        remaining = [
            check
            for check in plan.checks
            if check_address(check, plan.addresses, plan.before.tables) not in made
        ]
        return replace(plan, checks=tuple(remaining), parent=self.plan.parent)

    def _publish(self, built: Built) -> tuple[Ref | None, tuple[str, ...]]:
        """What is published afterwards, and why it is not what was built."""
        store, plan = self.workspace.store, self.plan
        snapshot = Snapshot(
            tables=dict(sorted(built.versions.items())),
            manifest=plan.manifest,
            checks=_results(plan, built),
        )
        parent = plan.parent.number if plan.parent else None
        reason = _reason(plan, built)
        make_copies(self.workspace, snapshot, plan.before, self.observe)
        try:
            for text in plan.modules.values():
                store.put_object(text)
            with on_record(store) as record:
                ref = store.publish(
                    plan.environment, snapshot, parent=parent, reason=reason, run=self.run
                )
                record(Published("published", ref, plan.before, snapshot, plan.changes))
        except StoreError as exc:
            return plan.parent, (str(exc),)
        return ref, ()

    def _finish(self, report: BuildReport, seconds: float) -> None:
        number = report.snapshot.number if report.snapshot else 0
        message = "; ".join(report.failures)
        self.records.add_step(*(StepRecord(self.run, **asdict(step)) for step in report.steps))
        self.records.add_check(*(_check_record(self.run, check) for check in report.checks))
        self.records.run_finished(self.run, report.outcome, self._now(), number, message)
        self.observe(RunFinished(self.run, report.outcome, number, seconds, message))

    def _now(self) -> str:
        return format_time(self.workspace.store.clock.now())


def _check_record(run: str, check: CheckOutcome) -> CheckRecord:
    return CheckRecord(
        run=run,
        name=check.result.name,
        table=check.result.table,
        severity=check.result.severity,
        failing=check.result.failing,
        message=check.result.message,
        sample=json.dumps(check.sample, ensure_ascii=False),
    )


def _results(plan: Plan, built: Built) -> dict[str, CheckResult]:
    """The result of every check of the project on the versions to publish, by address."""
    known = dict(plan.before.checks)
    known |= {outcome.result.address: outcome.result for outcome in built.checks}
    published = plan.before.tables
    wanted = {check_address(check, plan.addresses, published) for check in plan.graph.checks}
    wanted |= _unmoved(plan)
    for name, version in built.versions.items():
        before = plan.before.tables.get(name)
        results = volume_results(plan.graph.relation(name), version, before)
        wanted |= {result.address for result in results}
    return {address: known[address] for address in sorted(wanted & known.keys())}


def _unmoved(plan: Plan) -> set[str]:
    """The results of the checks that had nothing to compare: of tables that stay as they are."""
    names = {
        check.name
        for check in plan.graph.checks
        if (version := compared_version(check, plan.before.tables)) is not None
        and version.address == plan.addresses.get(check.table)
    }
    return {address for address, result in plan.before.checks.items() if result.name in names}


def _reason(plan: Plan, built: Built) -> str:
    """Why the snapshot was published, in a line for its history."""
    tables = [step.table for step in built.steps]
    if tables:
        why = f"built {_first(tables, ', ')}"
    else:
        why = _first(list(plan.reasons), "; ") or "checks changed"
    broken = dict.fromkeys(change.endpoint for change in plan.changes if change.breaking)
    return f"{why}; accepted breaking changes of {', '.join(broken)}" if broken else why


def _first(texts: list[str], between: str) -> str:
    """The first three of several texts, and how many more there are."""
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return between.join(texts[:3]) + more

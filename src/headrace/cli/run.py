"""`headrace run`: builds what changed, checks it, publishes it, says how it went."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from headrace.base.tables import LANDED_SUFFIX, QUARANTINE_SUFFIX
from headrace.cli.findings import sample_table
from headrace.cli.options import (
    accept_option,
    environment_option,
    json_option,
    project_option,
    selection_options,
)
from headrace.cli.plan import is_done, not_served_lines, note_needless, nothing_to_do, print_stale
from headrace.cli.printing import bad, counted, duration, faint, good
from headrace.cli.progress import event_json, showing
from headrace.observe.events import CheckFinished, RunFinished
from headrace.pipeline.plan.plans import Plan, Selection
from headrace.pipeline.plan.reviewing import require_accepted
from headrace.pipeline.project.loading import find_root
from headrace.pipeline.workspace import Workspace, open_workspace, plan_workspace

if TYPE_CHECKING:
    from headrace.pipeline.building import BuildReport

FAILED = 1


@click.command(name="run")
@environment_option
@project_option
@selection_options
@json_option
@accept_option
@click.pass_context
def command(
    ctx: click.Context,
    environment: str | None,
    folder: Path,
    only: tuple[str, ...],
    start: str,
    end: str,
    as_json: bool,
    accepted: tuple[str, ...],
) -> None:
    """Build what changed, check it, and publish data and API in one step.

    A change that breaks the users of an endpoint is refused before anything is built, and the exit
    code is 2, unless --accept-breaking names the endpoint.

    When a table cannot be built or a check fails, nothing is published: what was published stays,
    and the exit code is 1. What was built is kept for the next run.
    """
    started = time.monotonic()
    workspace = open_workspace(find_root(folder.resolve()))
    name = environment or workspace.project.settings.environment
    # Held from the plan on: gc must not remove what the plan has found to be built already.
    with workspace.store.hold():
        plan = plan_workspace(workspace, name, Selection(only, start, end))
        note_needless(plan, accepted)
        for line in not_served_lines(plan):
            click.echo(line, err=True)
        if is_done(plan):
            _make_missing_copies(workspace, plan, as_json=as_json)
            _print_unchanged(plan, time.monotonic() - started, as_json=as_json)
            ctx.exit(FAILED if plan.is_held_up else 0)
        require_accepted(plan.changes, accepted)
        # The engine takes longer to import than all of the above takes to find nothing to do.
        from headrace.pipeline.building import build

        with showing(as_json=as_json, names=_names(plan)) as observer:
            report = build(workspace, plan, observer, accepted=accepted)
    if not as_json:
        _print_details(report)
        click.echo(summary(report, name, time.monotonic() - started))
    if report.outcome == "failed":
        ctx.exit(FAILED)


def _make_missing_copies(workspace: Workspace, plan: Plan, *, as_json: bool) -> None:
    """Make the keyed copies that could not be made before, or were removed since."""
    limit_bytes = workspace.project.settings.copy_limit_bytes
    if not workspace.store.keyed.missing(plan.before, limit_bytes):
        return
    from headrace.pipeline.building import make_copies

    with showing(as_json=as_json, names=()) as observer:
        make_copies(workspace, plan.before, plan.before, observer)


def summary(report: BuildReport, environment: str, seconds: float) -> str:
    """The last line of a run."""
    number = report.snapshot.number if report.snapshot else 0
    if report.outcome == "published":
        published = good(f"published snapshot {number} to {environment}")
        return f"{published} in {duration(seconds)}{_passed(report)}"
    if report.outcome == "unchanged":
        return nothing_to_do(number)
    stays = f"snapshot {number} stays published" if number else "nothing is published yet"
    return f"{bad('failed:')} {_failure(report.failures)}; {stays}"


def _failure(failures: tuple[str, ...]) -> str:
    if len(failures) == 1:
        return failures[0].partition("\n")[0]
    return f"{len(failures)} errors, see above"


def _passed(report: BuildReport) -> str:
    passed = sum(1 for check in report.checks if check.result.passed)
    return f", {counted(passed, 'check')} passed" if passed else ""


def _print_unchanged(plan: Plan, seconds: float, *, as_json: bool) -> None:
    """Print that there was nothing to do, and what has become stale by waiting."""
    number = plan.parent.number if plan.parent else 0
    if not as_json:
        click.echo(nothing_to_do(number))
        print_stale(plan)
        return
    for each in plan.stale:
        event = CheckFinished(each.name, each.table, each.severity, each.failing, each.message)
        click.echo(event_json(event))
    why = "; ".join(f"{each.name}: {each.message}" for each in plan.stale)
    outcome: Literal["failed", "unchanged"] = "failed" if plan.is_held_up else "unchanged"
    click.echo(event_json(RunFinished("", outcome, number, seconds, why)))


def _names(plan: Plan) -> tuple[str, ...]:
    return tuple(each.name for each in plan.graph.relations if each.kind != "quarantine")


def _print_details(report: BuildReport) -> None:
    """Print the rows that broke a check, and where to read those that were set aside."""
    for check in report.checks:
        rows = sample_table(check.sample, check.result.failing, indent="    ")
        if rows:
            click.echo(f"\n  {check.result.name}\n{rows}")
    if report.outcome == "published":
        for step in report.steps:
            is_quarantine = step.table.endswith(QUARANTINE_SUFFIX) and step.rows > 0
            if step.quarantined or is_quarantine:
                name = step.table.removesuffix(QUARANTINE_SUFFIX).removesuffix(LANDED_SUFFIX)
                look = f"headrace query 'SELECT * FROM {name}{QUARANTINE_SUFFIX}'"
                click.echo(faint(f"  what was set aside of {name}:  {look}"))

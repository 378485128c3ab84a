"""`headrace plan`: takes the project and the store, says what a run would do, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from headrace.base.changes import ContractChange
from headrace.base.declarations import Endpoint, Router
from headrace.base.errors import BreakingChanges
from headrace.base.names import listed
from headrace.base.partitions import spelled
from headrace.base.sizes import size
from headrace.cli.changes import contract_lines, print_section
from headrace.cli.findings import result_line
from headrace.cli.options import (
    accept_option,
    environment_option,
    json_option,
    project_option,
    selection_options,
)
from headrace.cli.printing import bad, counted, faint, good, print_json, table, warned
from headrace.pipeline.plan.plans import Plan, PlannedStep, Selection
from headrace.pipeline.plan.reviewing import needless, refused
from headrace.pipeline.project.loading import find_root
from headrace.pipeline.workspace import Workspace, open_workspace, plan_workspace

REFUSED = BreakingChanges.exit_code


@click.command(name="plan")
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
    """Show what a run would build, check and publish, and what it would break. Runs nothing.

    The exit code is 2 when a run would be refused, because an endpoint would break its users.
    """
    workspace = open_workspace(find_root(folder.resolve()))
    name = environment or workspace.project.settings.environment
    made = plan_workspace(workspace, name, Selection(only, start, end))
    note_needless(made, accepted)
    left = refused(made.changes, accepted)
    copies = _missing_copies(workspace, made)
    if as_json:
        print_json(plan_json(made, accepted) | {"copies": copies})
    elif is_done(made):
        click.echo(nothing_to_do(made.parent.number if made.parent else 0))
        if copies:
            click.echo(_waiting_for_copies(copies))
        print_stale(made)
        _print_not_served(made)
    else:
        print_plan(made, left)
    if left:
        ctx.exit(REFUSED)


def _missing_copies(workspace: Workspace, plan: Plan) -> list[str]:
    """The endpoints whose keyed copy a run would make although it has nothing else to do."""
    if not is_done(plan):
        return []  # Which copies there are then, the built tables will tell.
    limit_bytes = workspace.project.settings.copy_limit_bytes
    missing = workspace.store.keyed.missing(plan.before, limit_bytes)
    return sorted({contract.name for copy in missing for contract in copy.contracts})


def _waiting_for_copies(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"But {listed(names)} waits for its keyed copy: `headrace run` makes it."
    return f"But {listed(names)} wait for their keyed copies: `headrace run` makes them."


def note_needless(plan: Plan, accepted: Iterable[str]) -> None:
    """Say on stderr which accepted endpoints break nobody.

    Raises:
        UsageError: one is no endpoint.
    """
    if plan.deferred:
        return  # What breaks whom is known once a Python model has run.
    manifests = (plan.before.manifest, plan.manifest)
    for name in needless(plan.changes, accepted, manifests):
        click.echo(f"note: {name} breaks nobody: there is nothing to accept", err=True)


def is_done(plan: Plan) -> bool:
    """Whether a run would have nothing to do."""
    return plan.nothing_to_do and not plan.deferred


def nothing_to_do(number: int) -> str:
    """What is said when the published snapshot `number` is what the project asks for."""
    if not number:
        return "Nothing to do: the project declares nothing yet."
    return good("Nothing to do") + f": everything is built and published (snapshot {number})"


def not_served_lines(plan: Plan) -> list[str]:
    """A line for each endpoint and router that nobody may call, with what to do about it."""
    return [_not_served_line(each) for each in plan.not_served]


def _not_served_line(declared: Endpoint | Router) -> str:
    is_router = isinstance(declared, Router)
    key, written = ("access", 'access = "public"') if is_router else ("access:", "access: public")
    return (
        f"not served: {declared.place.file} has no `{key}`; say who may call it, as in "
        f"`{written}`, or set `default_access` under [serve]"
    )


def print_stale(plan: Plan) -> None:
    """Print the freshness checks that fail on tables that stay as they are."""
    for result in plan.stale:
        click.echo(result_line(result))


def _print_not_served(plan: Plan) -> None:
    for line in not_served_lines(plan):
        click.echo(warned(line))


def print_plan(plan: Plan, left: Sequence[ContractChange] = ()) -> None:
    """Print a plan for people; `left` are the breaking changes for which a run is refused."""
    click.echo(f"For {plan.environment}, where {_published(plan)} published:")
    click.echo()
    print_section(f"Build {counted(len(plan.steps), 'table')}", _steps(plan))
    print_section("Then, cell by cell", _waiting(plan))
    also = "Also" if plan.steps else "Publish, because"
    print_section(also, "\n".join(f"  {reason}" for reason in plan.reasons))
    print_section("API", contract_lines(plan.changes))
    if plan.deferred:
        names = ", ".join(plan.deferred)
        print_section("Known once a Python model has run", f"  {names}")
    if plan.checks:
        click.echo(f"Make {counted(len(plan.checks), 'check')}.")
    print_stale(plan)
    _print_not_served(plan)
    reused = len(plan.reused)
    if reused:
        click.echo(faint(f"{counted(reused, 'table')} stay as they are."))
    if left:
        click.echo(f"{bad('Refused')}: {BreakingChanges(left).advice}")
    else:
        click.echo("`headrace run` does it.")


def _published(plan: Plan) -> str:
    return f"snapshot {plan.parent.number} is" if plan.parent else "nothing is"


def _steps(plan: Plan) -> str:
    rows = [row for step in plan.steps for row in _step(plan, step)]
    return table(("", "", ""), rows, indent="  ")


def _step(plan: Plan, step: PlannedStep) -> list[tuple[str, str, str]]:
    """A line for each reason, the first with what there is to do."""
    first = _work(plan, step)
    return [
        (step.table if position == 0 else "", first if position == 0 else "", reason)
        for position, reason in enumerate(step.reasons or ("",))
    ]


def _work(plan: Plan, step: PlannedStep) -> str:
    """How much of a table is built: "2 of 365 cells (2024-03-05 … 2024-03-06), about 9 rows"."""
    said = [_cells(plan, step)]
    if step.rows_expected is not None:
        said.append(f"about {counted(step.rows_expected, 'row')}")
    if step.bytes_expected is not None:
        said.append(size(step.bytes_expected))
    return ", ".join(each for each in said if each)


def _cells(plan: Plan, step: PlannedStep) -> str:
    split = plan.graph.relation(step.table).split
    if split is None or step.kind == "source":
        return ""
    labels = spelled([cell.partition or "" for cell in step.cells], split)
    of = len(step.cells) + step.cells_reused
    return f"{len(step.cells):,} of {counted(of, 'cell')} ({labels})"


def _waiting(plan: Plan) -> str:
    rows = [(step.table, "; ".join(step.reasons)) for step in plan.waiting]
    return table(("", ""), rows, indent="  ")


def plan_json(plan: Plan, accepted: Collection[str] = ()) -> dict[str, object]:
    """A plan as JSON values; `accepted` names the endpoints that may break their users."""
    return {
        "environment": plan.environment,
        "snapshot": plan.parent.number if plan.parent else None,
        "nothing_to_do": plan.nothing_to_do,
        "steps": [
            {
                "table": step.table,
                "kind": step.kind,
                "reasons": list(step.reasons),
                "files": [file.path for file in step.files],
                "cells": [cell.partition for cell in step.cells],
                "cells_reused": step.cells_reused,
                "rows_expected": step.rows_expected,
                "bytes_expected": step.bytes_expected,
            }
            for step in plan.steps
        ],
        "waiting": [{"table": step.table, "reasons": list(step.reasons)} for step in plan.waiting],
        "checks": [check.name for check in plan.checks],
        "changes": [asdict(change) for change in plan.changes],
        "refused": list(dict.fromkeys(each.endpoint for each in refused(plan.changes, accepted))),
        "reasons": list(plan.reasons),
        "removed": list(plan.removed),
        "reused": sorted(plan.reused),
        "deferred": list(plan.deferred),
        "not_served": [each.place.file for each in plan.not_served],
        "stale": [
            {"check": each.name, "severity": each.severity, "message": each.message}
            for each in plan.stale
        ],
    }

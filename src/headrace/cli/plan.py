"""`headrace plan`: takes the project and the store, says what a run would do, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.changes import contract_lines, print_section
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import counted, faint, good, print_json, table
from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.project.loading import find_root
from headrace.pipeline.workspace import open_workspace, plan_workspace


@click.command(name="plan")
@environment_option
@project_option
@json_option
def command(environment: str | None, folder: Path, as_json: bool) -> None:
    """Show what a run would build, check and publish, and why. Runs nothing."""
    workspace = open_workspace(find_root(folder.resolve()))
    made = plan_workspace(workspace, environment or workspace.project.settings.environment)
    if as_json:
        print_json(plan_json(made))
    elif is_done(made):
        click.echo(nothing_to_do(made.parent.number if made.parent else 0))
    else:
        print_plan(made)


def is_done(plan: Plan) -> bool:
    """Whether a run would have nothing to do."""
    return plan.nothing_to_do and not plan.deferred


def nothing_to_do(number: int) -> str:
    """What is said when the published snapshot `number` is what the project asks for."""
    if not number:
        return "Nothing to do: the project declares nothing yet."
    return good("Nothing to do") + f": everything is built and published (snapshot {number})"


def print_plan(plan: Plan) -> None:
    """Print a plan for people."""
    click.echo(f"For {plan.environment}, where {_published(plan)} published:")
    click.echo()
    print_section(f"Build {counted(len(plan.steps), 'table')}", _steps(plan))
    also = "Also" if plan.steps else "Publish, because"
    print_section(also, "\n".join(f"  {reason}" for reason in plan.reasons))
    print_section("API", contract_lines(plan.changes))
    if plan.deferred:
        names = ", ".join(plan.deferred)
        print_section("Known once a Python model has run", f"  {names}")
    if plan.checks:
        click.echo(f"Make {counted(len(plan.checks), 'check')}.")
    reused = len(plan.reused)
    if reused:
        click.echo(faint(f"{counted(reused, 'table')} stay as they are."))
    click.echo("`headrace run` does it.")


def _published(plan: Plan) -> str:
    return f"snapshot {plan.parent.number} is" if plan.parent else "nothing is"


def _steps(plan: Plan) -> str:
    rows = [
        (step.table if position == 0 else "", reason)
        for step in plan.steps
        for position, reason in enumerate(step.reasons or ("",))
    ]
    return table(("", ""), rows, indent="  ")


def plan_json(plan: Plan) -> dict[str, object]:
    """A plan as JSON values."""
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
            }
            for step in plan.steps
        ],
        "checks": [check.name for check in plan.checks],
        "changes": [asdict(change) for change in plan.changes],
        "reasons": list(plan.reasons),
        "removed": list(plan.removed),
        "reused": sorted(plan.reused),
        "deferred": list(plan.deferred),
    }

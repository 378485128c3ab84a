"""`headrace diff`: takes two snapshots or environments, says how data and API differ."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.changes import (
    changes_json,
    contract_lines,
    policy_lines,
    print_section,
    table_changes,
    table_lines,
)
from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import counted, faint, moment, print_json
from headrace.pipeline.plan.contracts import contract_changes
from headrace.pipeline.plan.policy_changes import policy_changes
from headrace.store.snapshots import Ref


@click.command(name="diff")
@click.argument("before")
@click.argument("after")
@environment_option
@project_option
@json_option
def command(before: str, after: str, environment: str | None, folder: Path, as_json: bool) -> None:
    """Compare two snapshots: rows and columns of each table, what API users would notice, and
    who sees what.

    BEFORE and AFTER are numbers of snapshots, environments (`dev` is what is published there), or
    both, as in `dev:12`.
    """
    opened = open_project(folder)
    old, new = opened.find(before, environment), opened.find(after, environment)
    snapshots = opened.store.snapshot(old), opened.store.snapshot(new)
    tables = table_changes(*snapshots)
    api = contract_changes(snapshots[0].manifest, snapshots[1].manifest, today=new.at[:10])
    policies = list(policy_changes(*(each.manifest.tables for each in snapshots)))
    if as_json:
        refs = {"before": asdict(old), "after": asdict(new)}
        print_json({**refs, **changes_json(tables, api), "policies": policies})
        return
    click.echo(f"{_named(old)} → {_named(new)}")
    print_section("Tables", table_lines(tables))
    print_section("API", contract_lines(api))
    print_section("Who sees what", policy_lines(*snapshots))
    same = len(snapshots[1].tables) - sum(1 for change in tables if change.kind != "removed")
    if not tables and not api and not policies:
        click.echo("No difference: the same data and the same API.")
    elif same:
        click.echo(faint(f"{counted(same, 'table')} the same"))


def _named(ref: Ref) -> str:
    return f"{ref.environment}:{ref.number} ({moment(ref.at)} UTC)"

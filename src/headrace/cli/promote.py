"""`headrace promote`: takes two environments, publishes in the second what the first one shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.base.errors import UsageError
from headrace.cli.changes import (
    changes_json,
    contract_lines,
    policy_lines,
    print_section,
    table_changes,
    table_lines,
)
from headrace.cli.opening import Opened, open_project
from headrace.cli.options import accept_option, json_option, project_option
from headrace.cli.printing import good, print_json
from headrace.pipeline.plan.contracts import contract_changes
from headrace.pipeline.plan.promotion import emptied_tables, stale_reasons
from headrace.pipeline.plan.reviewing import require_accepted, with_calls
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.store.audit.publishing import Published, on_record
from headrace.store.snapshots import Manifest, Ref, Snapshot

_NOTHING = Snapshot(tables={}, manifest=Manifest(project=""))


@click.command(name="promote")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--stale",
    is_flag=True,
    help="Also when FROM is not what the project asks for now; reads no file of the project.",
)
@project_option
@json_option
@accept_option
def command(
    source: str,
    target: str,
    *,
    stale: bool,
    folder: Path,
    as_json: bool,
    accepted: tuple[str, ...],
) -> None:
    """Publish in environment TO what environment FROM shows: data and API, nothing copied.

    What was checked is what is published: no table is built. It is refused when FROM is not what
    the project and its raw files ask for now: run it first. `headrace diff TO FROM` shows before
    what will change. What breaks the users of an endpoint is refused, unless --accept-breaking
    names the endpoint.
    """
    opened = open_project(folder)
    promoted = opened.head(source)
    head = opened.store.head(target)
    before = opened.store.snapshot(head) if head else _NOTHING
    after = opened.store.snapshot(promoted)
    if not stale:
        require_current(opened, promoted, before)
    tables = table_changes(before, after)
    today = opened.store.clock.now().date().isoformat()
    changes = contract_changes(before.manifest, after.manifest, today=today)
    api = with_calls(changes, opened.store, target)
    require_accepted(api, accepted)
    with on_record(opened.store) as record:
        ref = opened.store.promote(promoted, target, parent=head.number if head else None)
        record(Published("promoted", ref, before, after, api))
    if as_json:
        refs = {"before": asdict(head) if head else None, "promoted": asdict(promoted)}
        print_json({**refs, "published": asdict(ref), **changes_json(tables, api)})
        return
    print_section("Tables", table_lines(tables))
    print_section("API", contract_lines(api))
    print_section("Who sees what", policy_lines(before, after))
    published = good(f"published snapshot {ref.number} to {target}")
    click.echo(f"{published}: the same as {source}:{promoted.number}")


def require_current(opened: Opened, promoted: Ref, before: Snapshot) -> None:
    """Make sure that a snapshot is what the project asks for now, and empties no table.

    Args:
        opened: the project.
        promoted: the head of the environment that is promoted.
        before: what is published where it is promoted to.

    Raises:
        UsageError: it is not, or it does.
        ProjectError, SourceError: what the project asks for cannot be told.
    """
    plan = plan_workspace(open_workspace(opened.root), promoted.environment)
    name = f"{promoted.environment}:{promoted.number}"
    if reasons := list(stale_reasons(plan)):
        more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        raise UsageError(
            f"{name} is not what the project asks for now ({reasons[0]}{more}); "
            f"run `headrace run --env {promoted.environment}` first, or promote it as it is with "
            "`--stale`"
        )
    if emptied := list(emptied_tables(plan, opened.store.snapshot(promoted), before)):
        raise UsageError(f"{name} cannot be promoted: {'; '.join(emptied)}")

"""`headrace snapshots`: takes an environment, lists what was published to it, newest first."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import age, counted, cut, faint, moment, print_json, table
from headrace.store.refs import unknown_environment
from headrace.store.snapshots import Ref
from headrace.store.store import Store

_REASON_COLUMNS = 80


@click.command(name="snapshots")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="List at most this many.",
)
@environment_option
@project_option
@json_option
def command(limit: int, environment: str | None, folder: Path, as_json: bool) -> None:
    """List what was published, newest first. `*` marks what is published now."""
    opened = open_project(folder)
    name = opened.environment(environment)
    refs = opened.store.history(name)
    if as_json:
        print_json([asdict(ref) for ref in refs[:limit]])
    elif not refs:
        raise unknown_environment(name, opened.store.environments())
    else:
        click.echo(_listing(opened.store, refs[:limit]))
        if len(refs) > limit:
            click.echo(
                faint(f"and {counted(len(refs) - limit, 'older snapshot')}; --limit shows more")
            )


def _listing(store: Store, refs: list[Ref]) -> str:
    now = store.clock.now()
    rows = [
        (
            f"* {ref.number}" if position == 0 else str(ref.number),
            moment(ref.at),
            age(ref.at, now),
            cut(ref.reason, _REASON_COLUMNS),
        )
        for position, ref in enumerate(refs)
    ]
    return table(("snapshot", "published (UTC)", "", "why"), rows, align=("right",))

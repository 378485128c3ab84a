"""`headrace rollback`: takes the number of an older snapshot, publishes it again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import age, good, print_json
from headrace.store.audit.publishing import Published, on_record
from headrace.store.snapshots import Ref


@click.command(name="rollback")
@click.option(
    "--to",
    type=click.IntRange(min=1),
    metavar="SNAPSHOT",
    help="Number of the snapshot; by default the newest one that differs from what is published.",
)
@environment_option
@project_option
@json_option
def command(to: int | None, environment: str | None, folder: Path, as_json: bool) -> None:
    """Publish an older snapshot again: its data and its API, at once and without copying.

    It is one more step in the history, so it can be rolled back, too.
    """
    opened = open_project(folder)
    name = opened.environment(environment)
    before = opened.head(name)
    shown = opened.store.snapshot(before)
    with on_record(opened.store) as record:
        ref = opened.store.rollback(name, to=to)
        record(Published("rolled_back", ref, shown, opened.store.snapshot(ref)))
    if as_json:
        print_json({"before": asdict(before), "published": asdict(ref)})
        return
    target = _source(ref, opened.store.history(name))
    when = age(target.at, opened.store.clock.now())
    click.echo(
        good(f"published snapshot {ref.number} to {name}")
        + f": the same as snapshot {target.number}, which was published {when}"
    )


def _source(ref: Ref, history: list[Ref]) -> Ref:
    """The step that `ref` repeats."""
    older = (each for each in history if each.number < ref.number)
    return next(each for each in older if each.snapshot == ref.snapshot)

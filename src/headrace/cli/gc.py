"""`headrace gc`: takes how much history to keep, deletes stored data that nothing needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.opening import open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import counted, print_json, size
from headrace.store.garbage import Collected


@click.command(name="gc")
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=7,
    show_default=True,
    help="Keep every snapshot that is newer than this.",
)
@click.option(
    "--keep-last",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Keep this many snapshots of each environment, however old.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@project_option
@json_option
def command(keep_days: float, keep_last: int, dry_run: bool, folder: Path, as_json: bool) -> None:
    """Delete stored data that nothing needs.

    What is published, what is newer than --keep-days or among the --keep-last newest, what a
    server reads and what a run is writing stays. The rest is deleted by the second `gc` that
    finds it unneeded, so that nothing is taken from under a run that has just begun.
    """
    collected = open_project(folder).store.collect(
        keep_days=keep_days, keep_last=keep_last, dry_run=dry_run
    )
    if as_json:
        print_json(asdict(collected))
        return
    click.echo(summary(collected, dry_run=dry_run))


def summary(collected: Collected, *, dry_run: bool) -> str:
    """What a pass did, or would do, in words."""
    if collected.busy:
        return "A run is going on: nothing was deleted; try again when it has ended."
    verb = "would delete" if dry_run else "deleted"
    text = (
        f"{verb} {counted(collected.snapshots, 'old snapshot')}"
        f" and {counted(collected.files, 'file')} ({size(collected.size_bytes)})"
    )
    if collected.waiting_files:
        text += (
            f"\n{counted(collected.waiting_files, 'file')} ({size(collected.waiting_bytes)})"
            " will go in a later `gc`, if still unneeded then"
        )
    return text

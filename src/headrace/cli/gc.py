"""`headrace gc`: takes how much history to keep, compacts tables, deletes what nothing needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.base.sizes import size
from headrace.cli.opening import Opened, open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import counted, print_json
from headrace.pipeline.plan.compaction import Compaction, compactions
from headrace.store.garbage import Collected

if TYPE_CHECKING:
    from headrace.pipeline.run.compacting import Compacted


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
@click.option("--no-compact", is_flag=True, help="Only delete; leave all tables as they are.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@project_option
@json_option
def command(
    keep_days: float, keep_last: int, no_compact: bool, dry_run: bool, folder: Path, as_json: bool
) -> None:
    """Compact tables, and delete stored data that nothing needs.

    A table that is spread over many small files, or whose files hold mostly rows that have been
    superseded, is copied to few files; every row stays as it is.

    What is published, what is newer than --keep-days or among the --keep-last newest, what a
    server reads and what a run is writing stays. The rest is deleted by the second `gc` that
    finds it unneeded, so that nothing is taken from under a run that has just begun.
    """
    opened = open_project(folder)
    wanted = {} if no_compact else compactions(opened.store)
    done = _compact(opened) if wanted and not dry_run else []
    collected = opened.store.collect(keep_days=keep_days, keep_last=keep_last, dry_run=dry_run)
    if as_json:
        compacted = [asdict(each) for each in done]
        would = [_as_json(name, each) for name, found in wanted.items() for each in found]
        print_json(
            {**asdict(collected), "compacted": compacted, "would_compact": would if dry_run else []}
        )
        return
    for line in _planned(wanted) if dry_run else compacted_lines(done):
        click.echo(line)
    click.echo(summary(collected, dry_run=dry_run))


def _compact(opened: Opened) -> Sequence[Compacted]:
    """Compact, unless a run is going on; there it would only have to be done again."""
    with opened.store.alone() as idle:
        pass
    if not idle:
        return []
    # A `gc` that has nothing to compact does without the engine, which takes longer to import.
    from headrace.engines.duckdb import DuckDBEngine
    from headrace.pipeline.run.compacting import compact

    settings = opened.settings
    engine = DuckDBEngine(
        threads=settings.threads,
        memory_limit=settings.memory_limit,
        spill=opened.store.root / "staging",
    )
    with closing(engine):
        return compact(opened.store, engine)


def spread(compaction: Compaction) -> str:
    """Why a table is to be compacted, in words."""
    files = counted(len(compaction.files), "data file")
    text = f"{compaction.version.table}: {files}, {size(compaction.size_bytes)}"
    if compaction.superseded_bytes:
        text += f", of which {size(compaction.superseded_bytes)} superseded"
    return text


def _planned(wanted: dict[str, tuple[Compaction, ...]]) -> Iterator[str]:
    for environment, found in wanted.items():
        yield from (f"would compact {environment}, {spread(each)}" for each in found)


def compacted_lines(done: Sequence[Compacted]) -> list[str]:
    """What was compacted, in words."""
    lines: list[str] = []
    for each in done:
        name = each.environment
        if each.message:
            lines.append(
                f"{name}: nothing was compacted, because {each.message}; a later `gc` does it"
            )
            continue
        for table in each.tables:
            files = counted(table.files_before, "data file")
            lines.append(f"{name}, {table.table}: {files} became {table.files_after}")
        lines.append(f"published snapshot {each.snapshot} to {name}, with the same rows")
    return lines


def _as_json(environment: str, compaction: Compaction) -> dict[str, object]:
    return {
        "environment": environment,
        "table": compaction.version.table,
        "files": len(compaction.files),
        "size_bytes": compaction.size_bytes,
        "superseded_bytes": compaction.superseded_bytes,
    }


def summary(collected: Collected, *, dry_run: bool) -> str:
    """What a pass did, or would do, in words."""
    if collected.busy:
        return "A run is going on: nothing was compacted or deleted; try again when it has ended."
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

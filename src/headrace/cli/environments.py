"""`headrace environments`: takes a store, lists what each of its environments shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli.opening import Opened, open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import age, moment, print_json, table
from headrace.store.refs import unknown_environment
from headrace.store.snapshots import Ref


@click.command(name="environments")
@project_option
@json_option
def command(folder: Path, as_json: bool) -> None:
    """List what each environment shows, and which of them show the same.

    `*` marks the one that commands take when none is named.
    """
    opened = open_project(folder)
    names = opened.store.environments()
    heads = [head for head in map(opened.store.head, names) if head is not None]
    if as_json:
        print_json(
            [
                {
                    **asdict(head),
                    "default": head.environment == opened.settings.environment,
                    "same_as": same_as(head, heads),
                }
                for head in heads
            ]
        )
    elif not heads:
        raise unknown_environment(opened.settings.environment, [])
    else:
        click.echo(_listing(opened, heads))


def same_as(head: Ref, heads: Sequence[Ref]) -> list[str]:
    """The other environments that show the same data and the same API."""
    return [
        each.environment
        for each in heads
        if each.content == head.content and each.environment != head.environment
    ]


def _listing(opened: Opened, heads: Sequence[Ref]) -> str:
    now = opened.store.clock.now()
    rows = [
        (
            f"{'*' if head.environment == opened.settings.environment else ' '} {head.environment}",
            str(head.number),
            moment(head.at),
            age(head.at, now),
            ", ".join(same_as(head, heads)),
        )
        for head in heads
    ]
    headers = ("  environment", "snapshot", "published (UTC)", "", "same as")
    return table(headers, rows, align=("left", "right"))

"""`headrace audit`: takes nothing or a span of time, shows, verifies or exports the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from headrace.base.errors import UsageError
from headrace.cli.opening import open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import bad, counted, cut, faint, good, moment, print_json, table
from headrace.store.audit.entries import ACTIONS, Action, AuditEntry
from headrace.store.audit.log import Audit
from headrace.store.audit.verifying import Head, Verified

BROKEN = 1
_COLUMNS = 48
_DETAIL_COLUMNS = 100
# In an entry, details are in alphabetical order.
_FIRST = ("of", "what", "before", "after", "endpoint", "change")
_TIME = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?)?)?)?")
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@click.group(name="audit", invoke_without_command=True)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Show at most this many.",
)
@click.option("--action", type=click.Choice(ACTIONS), metavar="ACTION", help="Only of this action.")
@project_option
@json_option
@click.pass_context
def command(
    ctx: click.Context, limit: int, action: Action | None, folder: Path, as_json: bool
) -> None:
    """Show the newest entries of the audit log, newest first."""
    if ctx.invoked_subcommand:
        given = {"folder": str(folder), "as_json": as_json, "action": action}
        ctx.default_map = {ctx.invoked_subcommand: given}
        return
    with _opened(folder) as audit:
        entries = audit.newest(limit + 1, action=action)
    if as_json:
        print_json([entry.as_json() for entry in entries[:limit]])
    elif not entries:
        click.echo(f"Nothing is on record{f' of {action}' if action else ''} yet.")
    else:
        click.echo(_listing(entries[:limit]))
        if len(entries) > limit:
            click.echo(faint("and older ones; --limit shows more, `headrace audit export` all"))


@command.command(name="verify")
@click.option(
    "--head",
    "noted",
    metavar="COUNT:HASH",
    help="A head that an earlier `verify` printed and that was kept elsewhere.",
)
@project_option
@json_option
def verify(noted: str | None, folder: Path, as_json: bool) -> None:
    """Read every entry, and find the first one that is not as it was put on record.

    The exit code is 1 when there is one.
    """
    expected = _head(noted) if noted else Head()
    with _opened(folder) as audit:
        verified = audit.verify(expected)
    if as_json:
        print_json(
            {
                "entries": verified.count,
                "head": str(verified.head),
                "broken": verified.broken,
                "why": verified.why,
            }
        )
    else:
        click.echo(_result(verified))
    if verified.broken is not None:
        click.get_current_context().exit(BROKEN)


@command.command(name="export")
@click.option("--since", metavar="TIME", help="From this UTC time on, such as 2026-11-01.")
@click.option("--until", metavar="TIME", help="Before this UTC time.")
@click.option("--action", type=click.Choice(ACTIONS), metavar="ACTION", help="Only of this action.")
@project_option
def export(since: str | None, until: str | None, action: Action | None, folder: Path) -> None:
    """Print entries as NDJSON, oldest first, exactly as they are on record."""
    start, end = _time("--since", since), _time("--until", until)
    with _opened(folder) as audit:
        for line in audit.export(start, end, action):
            click.echo(line, nl=False)


@contextmanager
def _opened(folder: Path) -> Iterator[Audit]:
    with closing(Audit.open(open_project(folder).store.root)) as audit:
        yield audit


def _result(verified: Verified) -> str:
    entries = counted(verified.count, "entry", "entries")
    if verified.broken is not None:
        evidence = (
            "keep audit.db and audit/ in the store as evidence, and move both away to begin anew"
        )
        return (
            f"{bad('broken:')} entry {verified.broken} of {verified.count}: {verified.why}\n"
            f"{faint(evidence)}"
        )
    kept = "keep it elsewhere, and `--head` shows whether all of it was replaced"
    whole = good("whole:")
    return f"{whole} {entries}, unchanged and in order\nhead {verified.head}\n{faint(kept)}"


def _listing(entries: list[AuditEntry]) -> str:
    rows = [
        (
            str(entry.seq),
            moment(entry.at),
            entry.action,
            cut(entry.actor, _COLUMNS),
            cut(entry.target, _COLUMNS),
            cut(_said(entry), _DETAIL_COLUMNS),
        )
        for entry in entries
    ]
    headers = ("", "at (UTC)", "action", "by", "of", "")
    return table(headers, rows, align=("right",))


def _said(entry: AuditEntry) -> str:
    """The details of an entry in a line: "of table orders, before nobody, after everybody"."""
    detail = entry.as_json()["detail"]
    first = [name for name in _FIRST if name in detail]
    names = dict.fromkeys([*first, *detail])
    return ", ".join(f"{name} {detail[name]}" for name in names if detail[name] != "")


def _time(option: str, text: str | None) -> str:
    if text and not _TIME.fullmatch(text):
        raise UsageError(
            f"{option} {text!r}: expected a UTC time or its beginning, such as 2026-11,"
            " 2026-11-26 or 2026-11-26T12:30"
        )
    return text or ""


def _head(text: str) -> Head:
    found = _HEAD.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--head {text!r}: expected what `headrace audit verify` has printed after `head`:"
            " a number, a colon and 64 hexadecimal digits"
        )
    return Head(int(found[1]), found[2])

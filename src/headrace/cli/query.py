"""`headrace query`: takes one SELECT, prints its rows over a published snapshot."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args

import click
import duckdb

from headrace.base.access import Principal
from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.cli.asking_as import asking, asking_options
from headrace.cli.opening import Opened, open_project
from headrace.cli.options import environment_option, project_option
from headrace.cli.printing import Align, counted, cut, faint, table
from headrace.engines.duckdb import described
from headrace.serve.adhoc import Seen, of_somebody
from headrace.serve.columnar.snapshot_reader import (
    Row,
    SnapshotReader,
    one_select,
    require_one_select,
)
from headrace.serve.formats.forms import Ending, Form
from headrace.serve.settings import ServeSettings
from headrace.store.audit.entries import AuditEvent
from headrace.store.audit.log import Audit, operator
from headrace.store.snapshots import Ref

_ENDINGS: tuple[Ending, ...] = get_args(Ending)
_TABLE_LIMIT = 100
_CELL_COLUMNS = 60
_NUMBERS = (int, float, Decimal)
_MISSING_TABLE = re.compile(r"Table with name (\S+) does not exist")


@click.command(name="query")
@click.argument("sql")
@click.option(
    "--snapshot",
    "number",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Number of the snapshot; by default the one that is published.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", *_ENDINGS]),
    default="table",
    show_default=True,
    help="How to print the rows.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"Print at most this many rows; by default {_TABLE_LIMIT} as a table, else all.",
)
@asking_options
@environment_option
@project_option
def command(
    sql: str,
    number: int | None,
    form: Ending | Literal["table"],
    limit: int | None,
    account: str | None,
    roles: tuple[str, ...],
    claims: tuple[str, ...],
    environment: str | None,
    folder: Path,
) -> None:
    """Run one SELECT against a published snapshot; `-` reads the SELECT from standard input.

    It sees what the API sees: every table of the snapshot, and what each source set aside as
    `<source>__quarantine`. It can change nothing. With --as, or with --role and --claim, it sees
    what they see: the tables, rows and columns that are open to them.
    """
    opened = open_project(folder)
    ref = opened.published(environment, number).ref
    principal = asking(opened, account, roles, claims)
    text = sys.stdin.read() if sql == "-" else sql
    require_no_parameters(require_one_select(text))
    if principal is not None:
        _put_on_record(opened, ref, principal, text)
    with reading(opened, ref) as reader, _errors(reader, principal):
        seen = Seen(_statement(text), {})
        if principal is not None:
            with closing(reader.cursor()) as cursor:
                narrowed = of_somebody(cursor, text, reader.snapshot.manifest, principal)
            seen = narrowed.seen_by(principal, opened.store.salt(ref.environment))
        if form == "table":
            _print_table(reader, seen, _TABLE_LIMIT if limit is None else limit)
        else:
            _print_rows(reader, seen, form, limit)


def _put_on_record(opened: Opened, ref: Ref, principal: Principal, text: str) -> None:
    """Note who looks at what as whom, before anything is shown."""
    roles = ", ".join(sorted(principal.roles))
    detail = {"as": principal.id, "roles": roles, "query": text}
    target = f"{ref.environment}:{ref.number}"
    with closing(Audit.open(opened.store.root, clock=opened.store.clock)) as audit:
        audit.append(AuditEvent("queried", operator(), target=target, detail=detail))


def _statement(text: str) -> str:
    """A SELECT without what ends it."""
    return one_select(text).query.strip().rstrip(";")


@contextmanager
def reading(opened: Opened, ref: Ref) -> Iterator[SnapshotReader]:
    """A reader of a snapshot, which gc spares as long as it is open."""
    settings = ServeSettings(
        query_threads=opened.settings.threads or os.cpu_count() or 1,
        memory_limit=opened.settings.memory_limit,
    )
    with (
        opened.store.pin(ref, holder="headrace query"),
        closing(SnapshotReader.open(opened.store, ref, settings)) as reader,
    ):
        yield reader


def require_no_parameters(names: frozenset[str]) -> None:
    """Make sure that a query needs no values.

    Raises:
        UsageError: it has parameters.
    """
    if names:
        raise UsageError(
            f"the query has parameters: {listed(sorted(names))}; expected values in their place;"
            " an endpoint takes parameters: see `headrace explain`"
        )


@contextmanager
def _errors(reader: SnapshotReader, principal: Principal | None) -> Iterator[None]:
    """Turn what DuckDB says about a query into a UsageError."""
    try:
        yield
    except duckdb.CatalogException as exc:
        missing = _MISSING_TABLE.search(str(exc)) if principal is None else None
        raise UsageError(_unknown_table(missing[1], reader) if missing else str(exc)) from exc
    except duckdb.Error as exc:
        raise UsageError(f"the query cannot run: {exc}") from exc


def _unknown_table(name: str, reader: SnapshotReader) -> str:
    tables = sorted(reader.snapshot.tables)
    text = (
        f"there is no table `{name}` in snapshot {reader.ref.number} of {reader.ref.environment};"
        f" expected one of {listed(tables)}"
    )
    hint = near_miss(name, tables)
    return f"{text}; {hint}" if hint else text


def _print_table(reader: SnapshotReader, seen: Seen, limit: int) -> None:
    with closing(reader.query(seen.sql, seen.values)) as stream:
        # One row more than is printed tells whether there are more.
        rows = stream.rows(limit + 1)
        names = stream.names()
    shown = rows[:limit]
    cells = [[_cell(value) for value in row] for row in shown]
    click.echo(table(names, cells, _sides(shown)) or faint("  ".join(names)))
    more = "; there are more, --limit shows them" if len(rows) > limit else ""
    click.echo(faint(f"{counted(len(shown), 'row')}{more}"), err=True)


def _sides(rows: list[Row]) -> list[Align]:
    """Numbers to the right, everything else to the left."""
    return [
        "right" if all(map(_is_number, column)) else "left" for column in zip(*rows, strict=True)
    ]


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, _NUMBERS) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return cut(str(value), _CELL_COLUMNS)


def _print_rows(reader: SnapshotReader, seen: Seen, ending: Ending, limit: int | None) -> None:
    select, values = seen.sql, seen.values
    if limit is not None:
        select = f"SELECT * FROM ({select}\n) LIMIT {limit:d}"
    with closing(reader.cursor()) as cursor:
        columns = described(cursor, select, values)
    with closing(reader.pieces(select, values, columns, Form(ending, guard=False))) as stream:
        last = False
        while not last:
            piece, last = stream.next()
            click.echo(piece, nl=False)

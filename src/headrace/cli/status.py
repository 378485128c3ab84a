"""`headrace status`: takes an environment, shows what is published and how the last runs went."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import click

from headrace.base.changes import CALLS_DAYS
from headrace.base.clock import parse_time
from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.base.sizes import size
from headrace.base.tables import ALL_SUFFIX, LANDED_SUFFIX, QUARANTINE_SUFFIX, Version
from headrace.cli.findings import check_line, indented, result_line, sample_table
from headrace.cli.opening import Opened, Published, open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import (
    age,
    bad,
    count,
    counted,
    cut,
    duration,
    heading,
    moment,
    print_json,
    table,
)
from headrace.pipeline.plan.contracts import route
from headrace.pipeline.plan.reviewing import count_calls
from headrace.store.records import CheckRecord, Records, RunRecord, StepRecord
from headrace.store.snapshots import CheckResult, EndpointContract, Snapshot

_RUNS = 5
# As many as a record of a check can hold.
KEPT_ROWS = 20
_MESSAGE_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class History:
    """What the operations record knows: the last runs, and what the newest that did work found."""

    runs: tuple[RunRecord, ...] = ()
    latest: RunRecord | None = None
    failed: tuple[StepRecord, ...] = ()
    found: tuple[CheckRecord, ...] = ()


@click.command(name="status")
@environment_option
@project_option
@click.option("--check", "check", metavar="NAME", help="Show every row kept of one check.")
@json_option
def command(environment: str | None, folder: Path, check: str | None, as_json: bool) -> None:
    """Show what is published, how the last runs went, and which rows broke which check."""
    opened = open_project(folder)
    name = opened.environment(environment)
    head = opened.store.head(name)
    published = Published(head, opened.store.snapshot(head)) if head else None
    history = read_history(opened, name)
    calls = count_calls(opened.store, name)
    now = opened.store.clock.now()
    stale = _stale(published, now)
    if check is not None:
        _print_one(check, history, as_json=as_json)
        return
    if as_json:
        print_json(_as_json(name, published, history, stale, calls))
        return
    _print_published(opened.settings.name, name, published, now)
    if published is not None:
        _print_endpoints(published, calls)
    _section("Not fresh", "\n".join(f"  {result_line(result)}" for result in stale))
    _print_runs(history, now)
    _print_findings(history)


def _stale(published: Published | None, now: datetime) -> list[CheckResult]:
    """The freshness checks that fail on what is published; no table is read for it."""
    results = published.snapshot.checks.values() if published else ()
    judged = [result.judged(now) for result in results if result.freshness is not None]
    return [result for result in judged if not result.passed]


def _print_one(name: str, history: History, *, as_json: bool) -> None:
    """Every row that is kept of one check of the newest run that did something."""
    found = {check.name: check for check in history.found}
    check = found.get(name)
    if check is None:
        fix = near_miss(name, found) or f"the checks that found something are {listed(found)}"
        raise UsageError(f"{name!r} found nothing in the last run that did something; {fix}")
    if as_json:
        print_json(_check_json(check))
        return
    click.echo(check_line(check.name, check.severity, check.failing, check.message))
    rows = sample_table(json.loads(check.sample), check.failing, "    ", most=KEPT_ROWS)
    if rows:
        click.echo(rows)


def read_history(opened: Opened, environment: str) -> History:
    """The last runs of an environment; empty when there is no operations record."""
    path = opened.store.records_path
    if not path.exists():
        return History()
    with closing(Records.open(path)) as records:
        runs = records.last_runs(environment, _RUNS)
        latest = next((run for run in runs if run.outcome != "unchanged"), None)
        if latest is None:
            return History(tuple(runs))
        steps = [step for step in records.steps(latest.run) if step.outcome == "failed"]
        checks = [check for check in records.checks(latest.run) if check.failing != 0]
        return History(tuple(runs), latest, tuple(steps), tuple(checks))


def _print_published(
    project: str, environment: str, published: Published | None, now: datetime
) -> None:
    if published is None:
        click.echo(f"{project}, {environment}: nothing is published yet; `headrace run` publishes.")
        return
    ref = published.ref
    title = click.style(f"{project}, {environment}: snapshot {ref.number}", bold=True)
    click.echo(f"{title}, published {age(ref.at, now)} ({moment(ref.at)} UTC)")
    _section("Tables", _tables(published.snapshot, now))


def _print_endpoints(published: Published, calls: Counter[str] | None) -> None:
    rows = [
        (each.name, f"GET {each.path}", _called(each, calls))
        for each in published.snapshot.manifest.endpoints
    ]
    _section("Endpoints", table(("", "", ""), rows, indent="  "))


def _called(endpoint: EndpointContract, calls: Counter[str] | None) -> str:
    number = calls[route(endpoint.path)] if calls else 0
    return f"{counted(number, 'call')} in the last {CALLS_DAYS} days" if number else ""


def _tables(snapshot: Snapshot, now: datetime) -> str:
    aside = (QUARANTINE_SUFFIX, ALL_SUFFIX)
    tables = [each for each in snapshot.tables.values() if not each.table.endswith(aside)]
    rows = [
        (
            version.table,
            version.kind,
            count(version.rows),
            count(len(version.cells)),
            size(version.size_bytes),
            _built(version, now),
            _quarantined(version, snapshot),
        )
        for version in sorted(tables, key=lambda version: (version.kind != "source", version.table))
    ]
    headers = ("table", "kind", "rows", "cells", "size", "built", "")
    return table(headers, rows, ("left", "left", "right", "right", "right"), indent="  ")


def _built(version: Version, now: datetime) -> str:
    return age(max(cell.loaded_at for cell in version.cells), now) if version.cells else ""


def _quarantined(version: Version, snapshot: Snapshot) -> str:
    aside = snapshot.tables.get(version.table.removesuffix(LANDED_SUFFIX) + QUARANTINE_SUFFIX)
    return f"{counted(aside.rows, 'row')} quarantined" if aside and aside.rows else ""


def _print_runs(history: History, now: datetime) -> None:
    rows = [
        (age(run.started_at, now), _outcome(run), _took(run), cut(run.message, _MESSAGE_COLUMNS))
        for run in history.runs
    ]
    _section("Last runs", table(("", "", "", ""), rows, ("left", "left", "right"), indent="  "))


def _outcome(run: RunRecord) -> str:
    match run.outcome:
        case "published":
            return f"published snapshot {run.snapshot}"
        case "unchanged":
            return "nothing to do"
        case "failed":
            return "failed"
        case _:
            return "killed, or still running"


def _took(run: RunRecord) -> str:
    if not run.finished_at:
        return ""
    return duration((parse_time(run.finished_at) - parse_time(run.started_at)).total_seconds())


def _print_findings(history: History) -> None:
    """What the newest run that did something found wrong."""
    if not (history.failed or history.found):
        return
    click.echo()
    failed = history.latest is not None and history.latest.outcome == "failed"
    heading("What stopped the last run" if failed else "What the last run warned of")
    for step in history.failed:
        click.echo(f"  {bad('✗')} {step.table}: {indented(step.message)}")
    for check in history.found:
        _print_check(check)


def _print_check(check: CheckRecord) -> None:
    line = check_line(check.name, check.severity, check.failing, check.message)
    rows = sample_table(json.loads(check.sample), check.failing, indent="      ")
    click.echo(f"  {line}")
    if rows:
        click.echo(rows)


def _section(title: str, text: str) -> None:
    if text:
        click.echo()
        heading(title)
        click.echo(text)


def _check_json(check: CheckRecord) -> dict[str, object]:
    return {**asdict(check), "sample": json.loads(check.sample)}


def _as_json(
    environment: str,
    published: Published | None,
    history: History,
    stale: list[CheckResult],
    calls: Counter[str] | None,
) -> dict[str, object]:
    snapshot = published.snapshot if published else None
    return {
        "environment": environment,
        "published": asdict(published.ref) if published else None,
        "tables": [_table_json(each) for each in snapshot.tables.values()] if snapshot else [],
        "endpoints": [
            _endpoint_json(each, calls)
            for each in (snapshot.manifest.endpoints if snapshot else ())
        ],
        "runs": [asdict(run) for run in history.runs],
        "failed_steps": [asdict(step) for step in history.failed],
        "failing_checks": [_check_json(check) for check in history.found],
        "stale": [
            {"check": each.name, "severity": each.severity, "message": each.message}
            for each in stale
        ],
    }


def _endpoint_json(endpoint: EndpointContract, calls: Counter[str] | None) -> dict[str, object]:
    return {
        "endpoint": endpoint.name,
        "path": endpoint.path,
        "version": endpoint.version,
        "deprecated": endpoint.deprecated or None,
        "sunset": endpoint.sunset or None,
        "calls": None if calls is None else calls[route(endpoint.path)],
    }


def _table_json(version: Version) -> dict[str, object]:
    return {
        "table": version.table,
        "kind": version.kind,
        "rows": version.rows,
        "cells": len(version.cells),
        "size_bytes": version.size_bytes,
        "built_at": max((cell.loaded_at for cell in version.cells), default=None),
    }

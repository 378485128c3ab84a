"""Makes checks: takes compiled checks and an engine, gives results and samples of wrong rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

import duckdb

from headrace.base.names import quote
from headrace.base.tables import Version
from headrace.checks.builtin import Form
from headrace.checks.freshness import newest_text
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import CompiledCheck
from headrace.pipeline.plan.addresses import check_address, compared_version
from headrace.pipeline.run.outcomes import SAMPLE_CHARACTERS, SAMPLE_ROWS, CheckOutcome
from headrace.store.snapshots import CheckResult, Freshness, Snapshot

_Row: TypeAlias = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Standard:
    """What checks are held against beside their rule: the time, and what is published."""

    now: datetime
    published: Mapping[str, Version]


def unseen(
    check: CompiledCheck, versions: Mapping[str, Version], before: Snapshot
) -> Version | None:
    """The cells of a check's table in which it can find anything; None when that is all of them.

    Partitions that it passed in the published snapshot need not be looked at again, as long as they
    can be judged each for itself: then a day that is added costs what a day costs. One to which a
    raw file has added is looked at whole: the file may repeat a key of another one.

    Args:
        check: the check.
        versions: the next version of every table that it reads.
        before: the published snapshot.
    """
    if not check.by_cell or any(name not in before.tables for name in check.tables):
        return None
    published = {name: before.tables[name] for name in check.tables}
    passed = before.checks.get(
        check_address(check, {name: each.address for name, each in published.items()})
    )
    others = [name for name in check.tables if name != check.table]
    if passed is None or not passed.passed:
        return None
    if any(versions[name].address != published[name].address for name in others):
        return None
    seen = {cell.address for cell in published[check.table].cells}
    version = versions[check.table]
    changed = {cell.partition for cell in version.cells if cell.address not in seen}
    return version.only(cell for cell in version.cells if cell.partition in changed)


def make_checks(
    engine: DuckDBEngine,
    checks: Iterable[CompiledCheck],
    versions: Mapping[str, str],
    standard: Standard,
) -> list[CheckOutcome]:
    """The outcome of each check, in their order.

    All checks of a table that are aggregates share one scan of it. A check that raises, or that
    gives NULL, has failed.

    Args:
        engine: where the tables are attached, and those to compare with under `before_name`.
        checks: what to make.
        versions: the version addresses of the tables.
        standard: what they are held against.
    """
    listed = list(checks)
    to_scan = [check for check in listed if not _has_nothing_to_compare(check, standard)]
    values: dict[CompiledCheck, object] = {}
    for table in dict.fromkeys(check.table for check in to_scan):
        values |= scan(engine, [check for check in to_scan if check.table == table], quote(table))
    return [_outcome(engine, check, versions, standard, values) for check in listed]


def _outcome(
    engine: DuckDBEngine,
    check: CompiledCheck,
    versions: Mapping[str, str],
    standard: Standard,
    values: Mapping[CompiledCheck, object],
) -> CheckOutcome:
    result = CheckResult(
        address=check_address(check, versions, standard.published),
        name=check.name,
        table=check.table,
        severity=check.severity,
        failing=0,
    )
    if _has_nothing_to_compare(check, standard):
        return CheckOutcome(result)
    try:
        value = values[check] if check in values else _value(engine, check)
        return _FORMS[check.form](engine, check, result, value, standard.now)
    except (duckdb.Error, ValueError, OverflowError) as exc:
        return CheckOutcome(replace(result, failing=-1, message=_first_line(exc)))


def _has_nothing_to_compare(check: CompiledCheck, standard: Standard) -> bool:
    return check.compared is not None and compared_version(check, standard.published) is None


def scan(
    engine: DuckDBEngine, checks: Sequence[CompiledCheck], relation: str
) -> dict[CompiledCheck, object]:
    """Check -> the value of its aggregate, by one scan; {} when the scan raises.

    (The checks are then made one by one, so that a broken one does not hide the others.)

    Args:
        engine: where the relation can be read.
        checks: those without an aggregate are left out.
        relation: what follows FROM: the checks' table, or some of its rows.
    """
    of_scan = [check for check in checks if check.aggregate]
    if not of_scan:
        return {}
    aggregates = ", ".join(check.aggregate for check in of_scan)
    try:
        [row] = engine.cursor().execute(f"SELECT {aggregates} FROM {relation}").fetchall()
    except duckdb.Error:
        return {}
    return dict(zip(of_scan, row, strict=True))


def _value(engine: DuckDBEngine, check: CompiledCheck) -> object:
    """What the check gives by itself."""
    sql = f"SELECT {check.aggregate} FROM {quote(check.table)}"
    if not check.aggregate:
        sql = f"SELECT count(*) FROM ({check.sql}\n)"
    [(value,)] = engine.cursor().execute(sql).fetchall()
    return value


def _of_rows(
    engine: DuckDBEngine, check: CompiledCheck, result: CheckResult, value: object, _now: datetime
) -> CheckOutcome:
    failing = _number(value)
    rows = sample(engine, check.sql) if failing else ()
    return CheckOutcome(replace(result, failing=failing), rows)


def _of_figures(
    engine: DuckDBEngine, check: CompiledCheck, result: CheckResult, value: object, _now: datetime
) -> CheckOutcome:
    if not _number(value):
        return CheckOutcome(result)
    [figures] = sample(engine, check.sql)
    message = ", ".join(f"{name} {figure or 'NULL'}" for name, figure in figures.items())
    return CheckOutcome(replace(result, failing=1, message=message))


def _of_newest(
    _engine: DuckDBEngine, check: CompiledCheck, result: CheckResult, value: object, now: datetime
) -> CheckOutcome:
    assert value is None or isinstance(value, int | str)
    freshness = Freshness(newest_text(value), check.within_seconds)
    return CheckOutcome(replace(result, freshness=freshness).judged(now))


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError("the check gave NULL, which says neither right nor wrong")
    return value


def sample(engine: DuckDBEngine, sql: str) -> tuple[_Row, ...]:
    """Up to `SAMPLE_ROWS` rows of a SELECT, each value as text of `SAMPLE_CHARACTERS` at most."""
    text = f"left(CAST(COLUMNS(*) AS VARCHAR), {SAMPLE_CHARACTERS + 1})"
    rows = engine.rows(f"SELECT {text} FROM ({sql}\n)", SAMPLE_ROWS)
    return tuple({name: _cut(value) for name, value in row.items()} for row in rows)


def _cut(value: object) -> str | None:
    text = None if value is None else str(value)
    return f"{text[:SAMPLE_CHARACTERS]}…" if text and len(text) > SAMPLE_CHARACTERS else text


def _first_line(exc: Exception) -> str:
    return str(exc).split("\n", maxsplit=1)[0]


_Judge: TypeAlias = Callable[
    [DuckDBEngine, CompiledCheck, CheckResult, object, datetime], CheckOutcome
]
_FORMS: Mapping[Form, _Judge] = {
    "rows": _of_rows,
    "figures": _of_figures,
    "newest": _of_newest,
}

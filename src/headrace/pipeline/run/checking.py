"""Makes checks: takes compiled checks and an engine, gives results and samples of wrong rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from headrace.base.names import quote
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import CompiledCheck
from headrace.pipeline.plan.addresses import check_address
from headrace.pipeline.run.outcomes import SAMPLE_ROWS, CheckOutcome
from headrace.store.snapshots import CheckResult


def make_checks(
    engine: DuckDBEngine, checks: Iterable[CompiledCheck], versions: Mapping[str, str]
) -> list[CheckOutcome]:
    """The outcome of each check, in their order.

    The tables must be attached. Checks that look at one row at a time share one scan a table. A
    check that raises has failed. `versions` are the version addresses of the tables.
    """
    listed = list(checks)
    counts = _scan_counts(engine, [check for check in listed if check.condition])
    outcomes = []
    for check in listed:
        try:
            failing = counts[check] if check in counts else _count(engine, check.sql)
            rows = sample(engine, check.sql) if failing else ()
            outcomes.append(_outcome(check, versions, failing, "", rows))
        except duckdb.Error as exc:
            outcomes.append(_outcome(check, versions, -1, _first_line(exc), ()))
    return outcomes


def _scan_counts(engine: DuckDBEngine, checks: Sequence[CompiledCheck]) -> dict[CompiledCheck, int]:
    """Check -> wrong rows, by one scan a table; without the checks of a table whose scan raises.

    (Its checks are then made one by one, so that one broken condition does not hide the others.)
    """
    counts: dict[CompiledCheck, int] = {}
    for table in dict.fromkeys(check.table for check in checks):
        of_table = [check for check in checks if check.table == table]
        filters = ", ".join(f"count(*) FILTER (WHERE {check.condition})" for check in of_table)
        try:
            [row] = engine.cursor().execute(f"SELECT {filters} FROM {quote(table)}").fetchall()
        except duckdb.Error:
            continue
        counts.update(zip(of_table, row, strict=True))
    return counts


def _count(engine: DuckDBEngine, sql: str) -> int:
    [(count,)] = engine.cursor().execute(f"SELECT count(*) FROM ({sql}\n)").fetchall()
    return int(count)


def sample(engine: DuckDBEngine, sql: str) -> tuple[Mapping[str, str | None], ...]:
    """Up to `SAMPLE_ROWS` rows of a SELECT, each value as text."""
    rows = engine.rows(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql}\n)", SAMPLE_ROWS)
    return tuple(
        {name: None if value is None else str(value) for name, value in row.items()} for row in rows
    )


def _first_line(exc: Exception) -> str:
    return str(exc).split("\n", maxsplit=1)[0]


def _outcome(
    check: CompiledCheck,
    versions: Mapping[str, str],
    failing: int,
    message: str,
    sample: tuple[Mapping[str, str | None], ...],
) -> CheckOutcome:
    result = CheckResult(
        address=check_address(check, versions),
        name=check.name,
        table=check.table,
        severity=check.severity,
        failing=failing,
        message=message,
    )
    return CheckOutcome(result, sample)

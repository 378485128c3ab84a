"""Puts versions together from cells, and says whether they hold as many rows as they must."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.base.declarations import Source
from headrace.base.hashing import address
from headrace.base.tables import QUARANTINE_SUFFIX, Schema, Version
from headrace.pipeline.compile.graph import Relation
from headrace.store.data import StoredCell
from headrace.store.snapshots import CheckResult


def quarantine_of(source: str) -> str:
    """The name of the table that holds what a source sets aside."""
    return source + QUARANTINE_SUFFIX


def assemble(relation: Relation, cells: Iterable[StoredCell]) -> Version:
    """The version of a table that consists of `cells`, in that order.

    A Python model that has not declared its columns takes those that its cell has.
    """
    stored = tuple(cells)
    files = {cell.file.path: cell.file for cell in stored if cell.file is not None}
    return Version(
        table=relation.name,
        kind=relation.kind,
        recipe=relation.recipe,
        schema=relation.schema if relation.schema is not None else _shown(stored),
        cells=tuple(cell.cell for cell in stored),
        files=tuple(files.values()),
    )


def _shown(cells: tuple[StoredCell, ...]) -> Schema:
    return cells[0].schema


def stored_cells(version: Version) -> dict[str, StoredCell]:
    """The cells of a version by their address."""
    files = {file.path: file for file in version.files}
    return {
        cell.address: StoredCell(cell=cell, file=files.get(cell.file), schema=version.schema)
        for cell in version.cells
    }


def volume_results(
    relation: Relation, version: Version, before: Version | None
) -> tuple[CheckResult, ...]:
    """The checks that need no query: rows set aside within tolerance, a table not emptied.

    Args:
        relation: the table.
        version: its next version.
        before: the version that is published, None when there is none.
    """
    if relation.kind == "quarantine":
        return ()
    declared = relation.declaration
    results = [_not_empty(relation, version, before)] if not declared.allow_empty else []
    if isinstance(declared, Source):
        results.append(_tolerance(declared, version))
    return tuple(results)


def _not_empty(relation: Relation, version: Version, before: Version | None) -> CheckResult:
    had = before.rows if before and before.address != version.address else 0
    emptied = had > 0 and version.rows == 0
    return CheckResult(
        address=address("not empty", relation.name, version.address),
        name=f"{relation.name}: not empty",
        table=relation.name,
        severity="error",
        failing=int(emptied),
        message=f"had {had:,} rows and has none now; if that is right, say `allow_empty: true`"
        if emptied
        else "",
    )


def _tolerance(source: Source, version: Version) -> CheckResult:
    rows_in = sum(cell.rows_in for cell in version.cells)
    bad_rows = rows_in - version.rows
    barren = [cell for cell in version.cells if cell.rows_in and not cell.rows]
    message = ""
    if not source.tolerance.allows(bad_rows, rows_in):
        message = f"{bad_rows:,} of {rows_in:,} rows are in quarantine"
    elif barren:
        message = f"none of the {barren[0].rows_in:,} rows of {barren[0].label} fits the contract"
    return CheckResult(
        address=address("tolerance", source.name, str(source.tolerance), version.address),
        name=f"{source.name}: tolerance {source.tolerance}",
        table=source.name,
        severity="error",
        failing=bad_rows if message else 0,
        message=message,
    )

"""Puts versions together from cells, and says whether they hold as many rows as they must."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headrace.base.declarations import Model, Source
from headrace.base.hashing import address
from headrace.base.tables import QUARANTINE_SUFFIX, DataFile, Schema, Version
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.plan.plans import SourceFiles
from headrace.store.data import StoredCell
from headrace.store.snapshots import CheckResult


def quarantine_of(relation: Relation) -> str:
    """The name of the table that holds what a source sets aside."""
    return relation.declaration.name + QUARANTINE_SUFFIX


def shows_columns(relation: Relation) -> bool:
    """Whether a table's columns are what its rows turn out to have.

    So it is with a Python model that does not declare them: they may differ with each input.
    """
    model = relation.declaration
    if not isinstance(model, Model) or model.function is None:
        return False
    return not (model.columns and all(column.type for column in model.columns))


def assemble(
    relation: Relation, cells: Iterable[StoredCell], source: SourceFiles | None = None
) -> Version:
    """The version of a table that consists of `cells`, in that order.

    `source` says which raw files the cells of a partitioned source are from.
    """
    stored = tuple(cells)
    files = {cell.file.path: cell.file for cell in stored if cell.file is not None}
    shown = stored and shows_columns(relation)
    return Version(
        table=relation.name,
        kind=relation.kind,
        recipe=relation.recipe,
        schema=stored[0].schema if shown else known_schema(relation),
        cells=tuple(cell.cell for cell in stored),
        files=tuple(files.values()),
        split=relation.split,
        batches=tuple(source.batches[each] for each, _ in source.files)
        if source and relation.split
        else (),
    )


def known_schema(relation: Relation) -> Schema:
    """The columns of a table that is planned, and does not show them only when it is built."""
    assert relation.schema is not None, "a table is planned once its columns are known"
    return relation.schema


def stored_cells(version: Version, is_whole: Callable[[DataFile], bool]) -> dict[str, StoredCell]:
    """The cells of a version by their address, without those whose data file is not whole."""
    files = {file.path: file for file in version.files if is_whole(file)}
    return {
        cell.address: StoredCell(cell=cell, file=files.get(cell.file), schema=version.schema)
        for cell in version.cells
        if not cell.file or cell.file in files
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
    if isinstance(declared, Source) and relation.kind == "source":
        results.append(_tolerance(declared, version))
    return tuple(results)


def _not_empty(relation: Relation, version: Version, before: Version | None) -> CheckResult:
    had = before.rows if before else 0
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
    rows_in = version.rows_in
    bad_rows = rows_in - version.rows
    barren = _barren(version)
    message = ""
    if not source.tolerance.allows(bad_rows, rows_in):
        message = f"{bad_rows:,} of {rows_in:,} rows are in quarantine"
    elif barren:
        message = f"{_no_row(barren[0][1])} of {barren[0][0]} fits the contract"
    return CheckResult(
        address=address("tolerance", source.name, str(source.tolerance), version.address),
        name=f"{source.name}: tolerance {source.tolerance}",
        table=source.name,
        severity="error",
        failing=bad_rows if message else 0,
        message=message,
    )


def _barren(version: Version) -> list[tuple[str, int]]:
    """The raw files none of whose rows fit, each with the number of its rows."""
    if version.split is not None:
        return [
            (each.label, each.rows_in)
            for each in version.batches
            if each.rows_in and not each.cells
        ]
    return [(cell.label, cell.rows_in) for cell in version.cells if cell.rows_in and not cell.rows]


def _no_row(rows: int) -> str:
    return "not one row" if rows == 1 else f"none of the {rows:,} rows"

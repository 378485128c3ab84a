"""Builds a source: reads the raw files that are new, stores rows and quarantine as cells."""

from __future__ import annotations

from pathlib import Path

from headrace.base.declarations import Source
from headrace.base.names import quote
from headrace.base.tables import PART_COLUMN, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.plan.addresses import quarantine_address
from headrace.pipeline.plan.plans import SourceFiles
from headrace.pipeline.plan.versions import assemble, known_schema
from headrace.pipeline.run.storing import NewCell, store_cells
from headrace.sources.reading import FileOutcome, read_files
from headrace.store.store import Store


def build_source(
    engine: DuckDBEngine,
    store: Store,
    root: Path,
    source: Relation,
    quarantine: Relation,
    files: SourceFiles,
) -> tuple[Version, Version]:
    """The next version of a source, and of its quarantine.

    Args:
        engine: reads the files.
        store: receives the cells.
        root: the project's folder, that the files' paths are relative to.
        source: the source.
        quarantine: what holds the rows that do not fit.
        files: every file of the next version; only those not built yet are read.

    Raises:
        SourceError: a file cannot be read by its contract at all.
    """
    declaration = source.declaration
    assert isinstance(declaration, Source)
    rows, aside = f"__rows_{source.name}", f"__aside_{source.name}"
    outcomes = read_files(engine, root, declaration, files.unread, rows, aside)
    addresses = {file: address for address, file in files.files}
    # The quarantine first: a file counts as read once its cell of the source is recorded.
    set_aside = store_cells(
        engine,
        store,
        quarantine.name,
        known_schema(quarantine),
        f"SELECT * FROM {quote(aside)} ORDER BY {PART_COLUMN}, line, rowid",
        [
            NewCell(
                quarantine_address(addresses[outcome.file]),
                outcome.file.path,
                outcome.part,
                outcome.quarantined,
            )
            for outcome in outcomes
        ],
    )
    read = store_cells(
        engine,
        store,
        source.name,
        known_schema(source),
        # By rowid, too: a sort need not keep the order of equal rows.
        f"SELECT * FROM {quote(rows)} ORDER BY {PART_COLUMN}, rowid",
        [_cell(addresses[outcome.file], outcome) for outcome in outcomes],
    )
    for table in (rows, aside):
        engine.cursor().execute(f"DROP TABLE {quote(table)}")
    cells = dict(files.built) | {cell.cell.address: cell for cell in read}
    quarantined = dict(files.quarantined) | {cell.cell.address: cell for cell in set_aside}
    wanted = [address for address, _ in files.files]
    return (
        assemble(source, (cells[address] for address in wanted)),
        assemble(quarantine, (quarantined[quarantine_address(each)] for each in wanted)),
    )


def _cell(address: str, outcome: FileOutcome) -> NewCell:
    return NewCell(address, outcome.file.path, outcome.part, outcome.rows, outcome.rows_in)

"""Versions are put together from cells, and must hold as many rows as they must."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.base.declarations import (
    ColumnContract,
    FileFormat,
    Model,
    PythonFunction,
    Source,
    Tolerance,
)
from headrace.base.errors import Place
from headrace.base.tables import Cell, Column, DataFile, Schema, Version
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.plan.versions import (
    assemble,
    quarantine_of,
    shows_columns,
    stored_cells,
    volume_results,
)
from headrace.store.data import StoredCell

PLACE = Place("sources/orders.yaml", 1)
SCHEMA: Schema = (Column("i", "BIGINT"),)
SOURCE = Source("orders", PLACE, ("*.csv",), FileFormat("csv"), ())
RELATION = Relation("orders", "source", PLACE, "recipe", (), SCHEMA, SOURCE)
FILE = DataFile("orders/1.parquet", 5, 100, "hash")


def cell(label: str, rows: int, rows_in: int | None = None) -> StoredCell:
    """A cell, in the one data file if it has rows."""
    file = FILE if rows else None
    rows_in = rows if rows_in is None else rows_in
    noun = Cell(f"address {label}", label, file.path if file else "", 0, rows, rows_in, "now")
    return StoredCell(noun, file, SCHEMA)


def tolerance_of(source: Source, *cells: StoredCell) -> tuple[int, str]:
    """What the check of the tolerance says of a version."""
    relation = replace(RELATION, declaration=source)
    [_, result] = volume_results(relation, assemble(relation, cells), None)
    assert result.name == f"orders: tolerance {source.tolerance}"
    assert result.severity == "error"
    return result.failing, result.message


def test_a_version_has_the_cells_in_their_order_and_each_file_once() -> None:
    version = assemble(RELATION, [cell("b", 2), cell("a", 3), cell("c", 0)])
    assert [each.label for each in version.cells] == ["b", "a", "c"]
    assert version.files == (FILE,)
    assert (version.rows, version.schema) == (5, SCHEMA)
    assert quarantine_of(RELATION) == "orders__quarantine"


def test_a_version_comes_apart_as_it_was_put_together() -> None:
    cells = [cell("b", 2), cell("a", 3), cell("c", 0)]
    version = assemble(RELATION, cells)
    assert stored_cells(version, lambda _: True) == {each.cell.address: each for each in cells}


def test_a_cell_whose_file_is_not_whole_is_none() -> None:
    version = assemble(RELATION, [cell("b", 2), cell("c", 0)])
    assert list(stored_cells(version, lambda _: False)) == ["address c"]


@pytest.mark.parametrize(
    ("types", "shown"), [((), True), (("BIGINT", ""), True), (("BIGINT", "DATE"), False)]
)
def test_a_python_model_shows_its_columns_unless_it_declares_them(
    types: tuple[str, ...], *, shown: bool
) -> None:
    columns = tuple(ColumnContract(f"c{type_name}", type_name, PLACE) for type_name in types)
    model = Model("m", PLACE, function=PythonFunction("m", ()), columns=columns)
    planned: Schema = (Column("planned", "BIGINT"),)
    relation = Relation("m", "model", PLACE, "recipe", (), planned, model)
    assert shows_columns(relation) is shown
    assert assemble(relation, [cell("", 1)]).schema == (SCHEMA if shown else planned)
    assert not shows_columns(replace(relation, declaration=replace(model, function=None)))
    assert not shows_columns(RELATION)


@pytest.mark.parametrize(
    ("tolerance", "bad_rows", "failing"),
    [
        (Tolerance(share=0.01), 10, 0),
        (Tolerance(share=0.01), 11, 11),
        (Tolerance(share=0.29), 290, 0),
        (Tolerance(rows=0), 0, 0),
        (Tolerance(rows=0), 1, 1),
        (Tolerance(rows=20), 20, 0),
        (Tolerance(rows=20), 21, 21),
    ],
)
def test_rows_set_aside_are_tolerated_up_to_a_share_or_a_number(
    tolerance: Tolerance, bad_rows: int, failing: int
) -> None:
    source = replace(SOURCE, tolerance=tolerance)
    found, message = tolerance_of(source, cell("a", 1000 - bad_rows, 1000))
    assert found == failing
    assert message == (f"{failing} of 1,000 rows are in quarantine" if failing else "")


def test_a_file_none_of_whose_rows_fits_is_not_tolerated_however_short_it_is() -> None:
    assert tolerance_of(SOURCE, cell("a", 10_000), cell("b", 0, 2)) == (
        2,
        "none of the 2 rows of b fits the contract",
    )
    assert tolerance_of(SOURCE, cell("a", 10_000), cell("b", 0, 1)) == (
        1,
        "not one row of b fits the contract",
    )


def test_a_file_without_rows_is_nothing_to_tolerate() -> None:
    assert tolerance_of(SOURCE, cell("a", 0), cell("b", 0)) == (0, "")


def test_a_table_that_had_rows_must_have_some() -> None:
    relation = replace(RELATION, kind="model", declaration=Model("orders", PLACE, sql="SELECT 1"))
    full, empty = assemble(relation, [cell("a", 1234)]), assemble(relation, [cell("b", 0)])

    def failing(version: Version, before: Version | None) -> tuple[int, str]:
        [result] = volume_results(relation, version, before)
        return result.failing, result.message

    assert failing(empty, None) == (0, "")
    assert failing(empty, empty) == (0, "")
    assert failing(full, empty) == (0, "")
    assert failing(empty, full) == (
        1,
        "had 1,234 rows and has none now; if that is right, say `allow_empty: true`",
    )
    allowed = replace(relation, declaration=Model("orders", PLACE, allow_empty=True))
    assert volume_results(allowed, empty, full) == ()


def test_a_quarantine_may_be_as_it_likes() -> None:
    relation = replace(RELATION, kind="quarantine")
    assert volume_results(relation, assemble(relation, []), None) == ()

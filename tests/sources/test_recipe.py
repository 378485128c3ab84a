"""Promises of recipes: what decides over rows changes the address, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.base.declarations import CheckDeclaration, ColumnContract, FileFormat, Tolerance
from headrace.base.errors import Place
from headrace.base.tables import RawFile
from headrace.sources.recipe import cell_address, source_recipe
from tests.sources.reading_files import PLACE, contract, source

COLUMN = contract("a", "int")
DECLARED = source(COLUMN, contract("b"))
FILE = RawFile("data/a.csv", 4, "0" * 64)


@pytest.mark.parametrize(
    "column",
    [
        replace(COLUMN, name="c"),
        replace(COLUMN, type="BIGINT"),
        replace(COLUMN, not_null=True),
        replace(COLUMN, min=0),
        replace(COLUMN, max=0),
        replace(COLUMN, accepted=(1,)),
        replace(COLUMN, pattern="x"),
    ],
)
def test_a_row_rule_changes_the_recipe(column: ColumnContract) -> None:
    changed = replace(DECLARED, columns=(column, *DECLARED.columns[1:]))
    assert source_recipe(changed) != source_recipe(DECLARED)


@pytest.mark.parametrize(
    "format_",
    [
        FileFormat("ndjson"),
        FileFormat("csv", encoding="latin-1"),
        FileFormat("csv", delimiter=";"),
        FileFormat("csv", quote="'"),
        FileFormat("csv", header=False),
        FileFormat("csv", skip=1),
        FileFormat("csv", nulls=("NA",)),
        FileFormat("csv", sheet="x"),
        FileFormat("csv", compression="gzip"),
    ],
)
def test_a_read_option_changes_the_recipe(format_: FileFormat) -> None:
    assert source_recipe(replace(DECLARED, format=format_)) != source_recipe(DECLARED)


def test_the_order_of_columns_is_part_of_the_recipe() -> None:
    turned = replace(DECLARED, columns=DECLARED.columns[::-1])
    assert source_recipe(turned) != source_recipe(DECLARED)


def test_what_is_checked_after_loading_and_what_is_only_said_changes_nothing() -> None:
    told = tuple(
        replace(column, unique=True, description="x", place=Place("sources/t.yaml", 9))
        for column in DECLARED.columns
    )
    changed = replace(
        DECLARED,
        columns=told,
        key=("a",),
        checks=(CheckDeclaration("unique", ("a",), PLACE),),
        tolerance=Tolerance(rows=5),
        files=("elsewhere/*.csv",),
        allow_empty=True,
        description="x",
        place=Place("sources/t.yaml", 7),
    )
    assert source_recipe(changed) == source_recipe(DECLARED)


def test_nulls_are_a_set() -> None:
    one = replace(DECLARED, format=FileFormat("csv", nulls=("NA", "-")))
    other = replace(DECLARED, format=FileFormat("csv", nulls=("-", "NA")))
    assert source_recipe(one) == source_recipe(other)


def test_a_cell_is_named_by_recipe_path_and_content() -> None:
    here = cell_address("r", FILE)
    assert here == cell_address("r", replace(FILE, size_bytes=5))
    others = {
        cell_address("s", FILE),
        cell_address("r", replace(FILE, path="data/b.csv")),
        cell_address("r", replace(FILE, sha256="1" * 64)),
    }
    assert len(others | {here}) == 4

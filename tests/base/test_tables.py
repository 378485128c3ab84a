"""A version counts what its cells hold, and is named by what makes it."""

from __future__ import annotations

import dataclasses

import pytest

from headrace.base.tables import Cell, Column, DataFile, Version, version_address

JANUARY = Cell("a1", "data/01.csv", "orders/x.parquet", 0, 10, 12, "2024-02-01T00:00:00.000000Z")
FEBRUARY = Cell("a2", "data/02.csv", "orders/x.parquet", 1, 5, 5, "2024-03-01T00:00:00.000000Z")
NOTHING = Cell("a3", "data/03.csv", "", None, 0, 1, "2024-04-01T00:00:00.000000Z")
FILE = DataFile("orders/x.parquet", 15, 300, "f" * 64)
ORDERS = Version(
    "orders", "source", "r1", (Column("id", "INTEGER"),), (JANUARY, FEBRUARY, NOTHING), (FILE,)
)


def test_a_version_has_the_rows_of_its_cells_and_the_bytes_of_its_files() -> None:
    assert ORDERS.rows == 15
    assert ORDERS.size_bytes == 300


def test_a_version_without_cells_is_empty() -> None:
    empty = Version("orders", "source", "r1", (), ())
    assert (empty.rows, empty.size_bytes, empty.files) == (0, 0, ())
    assert empty.address == version_address("r1", [])


def test_where_and_when_rows_were_stored_does_not_change_a_versions_address() -> None:
    moved = tuple(
        dataclasses.replace(cell, file="orders/y.parquet", part=None, loaded_at="later")
        for cell in ORDERS.cells
    )
    assert dataclasses.replace(ORDERS, cells=moved, files=()).address == ORDERS.address


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(ORDERS, recipe="r2"),
        dataclasses.replace(ORDERS, cells=ORDERS.cells[:2]),
        dataclasses.replace(ORDERS, cells=ORDERS.cells[::-1]),
        dataclasses.replace(ORDERS, cells=()),
    ],
)
def test_another_recipe_or_other_cells_are_another_version(other: Version) -> None:
    assert other.address != ORDERS.address


def test_an_address_is_taken_from_the_cells_in_order() -> None:
    assert ORDERS.address == version_address("r1", iter(["a1", "a2", "a3"]))

"""data.py: what counts as built is there, whole, and never changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.hashing import hash_bytes
from headrace.base.tables import Cell
from headrace.store.data import StoredCell
from headrace.store.store import Store
from tests.store.disks import SCHEMA, QuickDisk, build, read_file


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", disk=QuickDisk())


def _empty_cell(address: str) -> Cell:
    return Cell(address, "data/empty.csv", "", None, 0, 0, "2026-01-01T00:00:00.000000Z")


def test_a_kept_file_is_described_and_read_only(store: Store) -> None:
    staged = store.new_data_path("orders")
    staged.write_bytes(b"PAR1")
    file = store.keep_file("orders", staged, 7)
    path = store.data_root / file.path
    assert path.parent == store.data_root / "orders"
    assert (file.rows, file.size_bytes, file.sha256) == (7, 4, hash_bytes(b"PAR1"))
    assert path.stat().st_mode & 0o777 == 0o444
    assert not staged.exists()


def test_new_data_paths_differ_and_lie_in_staging(store: Store) -> None:
    one, other = store.new_data_path("orders"), store.new_data_path("orders")
    assert one != other
    assert one.parent == store.root / "staging"
    assert one.suffix == ".parquet"


def test_a_recorded_cell_is_found_with_its_file_and_schema(store: Store) -> None:
    version = build(store, "orders", 1)
    [cell], [file] = version.cells, version.files
    assert store.find_cells("orders") == {cell.address: StoredCell(cell, file, SCHEMA)}
    assert store.find_cells("stores") == {}


def test_a_cell_without_rows_is_found_without_a_file(store: Store) -> None:
    cell = _empty_cell("a" * 64)
    store.record_cells("orders", SCHEMA, [cell], [])
    assert store.find_cells("orders") == {cell.address: StoredCell(cell, None, SCHEMA)}


def test_of_two_builds_of_a_cell_the_later_is_found(store: Store) -> None:
    address = build(store, "orders", 1).cells[0].address
    older = Cell(address, "", "", None, 0, 0, "2025-01-01T00:00:00.000000Z")
    newer = Cell(address, "", "", None, 0, 0, "2027-01-01T00:00:00.000000Z")
    for cell in (newer, older):
        store.record_cells("orders", SCHEMA, [cell], [])
    assert store.find_cells("orders")[address].cell == newer


def test_of_a_cell_and_its_copies_the_last_copy_is_found(store: Store) -> None:
    """A copy is as old as what it is a copy of, whatever the names of the files are."""
    [cell] = build(store, "orders", 1).cells
    for number, moved_at in enumerate(("2027-03", "2027-01", "2027-02")):
        staged = store.new_data_path("orders")
        staged.write_bytes(b"PAR1")
        file = store.keep_file("orders", staged, cell.rows)
        copy = replace(cell, file=file.path, part=number)
        store.record_cells("orders", SCHEMA, [copy], [file], moved_at=moved_at)
    assert store.find_cells("orders")[cell.address].cell.part == 0
    newer = replace(cell, file="", rows=0, loaded_at="2028-01-01T00:00:00.000000Z")
    store.record_cells("orders", SCHEMA, [newer], [])
    assert store.find_cells("orders")[cell.address].cell == newer


@pytest.mark.parametrize("cut", [0, 1, 64, 65, 100, -1])
def test_a_torn_sidecar_does_not_count(store: Store, cut: int) -> None:
    build(store, "orders", 1)
    kept = build(store, "orders", 2).cells[0].address
    for path in (store.data_root / "orders").glob("*.cells.json"):
        data = path.read_bytes()
        if kept.encode() not in data:
            path.chmod(0o600)
            path.write_bytes(data[:cut])
    assert set(store.find_cells("orders")) == {kept}


def test_a_cell_whose_file_is_missing_or_cut_does_not_count(store: Store) -> None:
    missing, cut, whole = (build(store, "orders", number) for number in (1, 2, 3))
    (store.data_root / missing.files[0].path).unlink()
    path = store.data_root / cut.files[0].path
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    assert set(store.find_cells("orders")) == {whole.cells[0].address}


def test_cells_of_one_file_are_found_each(store: Store) -> None:
    staged = store.new_data_path("orders")
    staged.write_bytes(b"PAR1")
    file = store.keep_file("orders", staged, 2)
    cells = [Cell(f"{n:064}", f"{n}.csv", file.path, n, 1, 1, "2026") for n in range(2)]
    store.record_cells("orders", SCHEMA, cells, [file])
    found = store.find_cells("orders")
    assert [found[cell.address].cell for cell in cells] == cells
    assert read_file(store, file) == b"PAR1"


def test_a_path_that_is_no_table_is_no_table(store: Store) -> None:
    (store.data_root / "note.txt").write_bytes(b"")
    assert store.find_cells("note.txt") == {}

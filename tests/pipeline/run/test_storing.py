"""What a step has written is in the store with what it holds, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from headrace.base.tables import Column
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.storing import NewCell, Target
from headrace.store.store import Store

SCHEMA = (Column("i", "BIGINT"),)


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=1)
    yield engine
    engine.close()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def test_a_cell_takes_all_rows_of_its_file(engine: DuckDBEngine, store: Store) -> None:
    [stored] = Target(engine, store, "t", SCHEMA).keep(
        "SELECT i FROM range(3) AS t(i)", [NewCell("a")]
    )
    assert stored.file is not None
    assert (stored.cell.rows, stored.cell.rows_in, stored.file.rows) == (3, 3, 3)
    assert stored.cell.file == stored.file.path
    assert store.is_whole(stored.file)
    assert store.find_cells("t") == {"a": stored}


def test_a_cell_without_rows_has_no_file_and_is_known_all_the_same(
    engine: DuckDBEngine, store: Store
) -> None:
    [stored] = Target(engine, store, "t", SCHEMA).keep(
        "SELECT 1 AS i WHERE false", [NewCell("a", rows_in=7)]
    )
    assert (stored.cell.file, stored.file) == ("", None)
    assert (stored.cell.rows, stored.cell.rows_in) == (0, 7)
    assert store.find_cells("t") == {"a": stored}
    assert list((store.root / "staging").iterdir()) == []


def test_cells_share_a_file_and_one_without_rows_names_none(
    engine: DuckDBEngine, store: Store
) -> None:
    cells = [
        NewCell("a", "a.csv", part=0, rows=2, rows_in=3),
        NewCell("b", "b.csv", part=1, rows=0, rows_in=1),
        NewCell("c", "c.csv", part=2, rows=1, rows_in=1),
    ]
    sql = "SELECT i, CAST(c AS INTEGER) AS __cell FROM (VALUES (3, 0), (4, 0), (5, 2)) AS t(i, c)"
    stored = Target(engine, store, "t", SCHEMA).keep(sql, cells)
    assert [each.cell.rows for each in stored] == [2, 0, 1]
    assert [each.cell.rows_in for each in stored] == [3, 1, 1]
    assert [bool(each.file) for each in stored] == [True, False, True]
    assert [each.cell.label for each in stored] == ["a.csv", "b.csv", "c.csv"]
    assert len(list(store.data_root.rglob("*.parquet"))) == 1
    assert store.find_cells("t") == {each.cell.address: each for each in stored}


def test_a_query_that_raises_leaves_nothing(engine: DuckDBEngine, store: Store) -> None:
    with pytest.raises(duckdb.Error, match="no coffee"):
        Target(engine, store, "t", SCHEMA).keep(
            "SELECT CASE WHEN i > 900000 THEN error('no coffee') ELSE i END AS i"
            " FROM range(1000000) AS t(i)",
            [NewCell("a")],
        )
    assert store.find_cells("t") == {}
    assert list(store.data_root.rglob("*.parquet")) == []
    assert list((store.root / "staging").iterdir()) == []

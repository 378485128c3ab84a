"""Parquet files are read for what is in them, wherever they lie."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from headrace.engines.duckdb import DuckDBEngine
from headrace.sources.inference import infer_source
from tests.sources.reading_files import contract, load, source


def write_parquet(path: Path, sql: str) -> None:
    path.parent.mkdir(parents=True)
    with closing(DuckDBEngine(threads=1)) as engine:
        engine.write(sql, path)


@pytest.mark.parametrize("folder", ["store=7", "year=2024"])
def test_a_folder_named_like_a_partition_is_no_column(tmp_path: Path, folder: str) -> None:
    """DuckDB would take the folder's value for the row's own, or add a column to the file."""
    write_parquet(tmp_path / folder / "a.parquet", "SELECT CAST(3 AS BIGINT) AS store")
    declaration = source(contract("store", "bigint"), files="*/*.parquet", kind="parquet")
    loaded = load(tmp_path, declaration)
    assert (loaded.rows, loaded.quarantine) == ([(3,)], [])
    inferred = infer_source(tmp_path, ["*/*.parquet"], "t").source
    assert [column.name for column in inferred.columns] == ["store"]

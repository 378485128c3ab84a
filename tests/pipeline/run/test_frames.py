"""Frames are given as they are asked for; what comes back is a stream that tells its errors."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headrace.base.declarations import Frame
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.frames import NoFrame, make_frames, take_back


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("CREATE VIEW t AS SELECT i FROM range(5) AS t(i)")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("relation", duckdb.DuckDBPyRelation),
        ("arrow", pa.Table),
        ("arrow_stream", pa.RecordBatchReader),
        ("polars", pl.DataFrame),
        ("polars_lazy", pl.LazyFrame),
        ("pandas", pd.DataFrame),
    ],
)
def test_each_frame_is_what_its_annotation_says_and_can_be_taken_back(
    frame: Frame, kind: type
) -> None:
    engine = DuckDBEngine(threads=1)
    engine.cursor().execute("CREATE VIEW t AS SELECT i FROM range(5) AS t(i)")
    given = make_frames(engine, [("t", frame)])["t"]
    assert isinstance(given, kind)
    returned = take_back(given)
    assert returned.names == ("i",)
    assert returned.reader.read_all()["i"].to_pylist() == [0, 1, 2, 3, 4]


def test_only_a_relation_knows_duckdbs_types(cursor: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT uuid() AS u, '{}'::JSON AS j, 1::HUGEINT AS h"
    assert take_back(cursor.sql(sql)).types == {"u": "UUID", "j": "JSON", "h": "HUGEINT"}
    assert take_back(cursor.sql(sql).to_arrow_table()).types == {}


def test_what_making_rows_raises_is_kept_as_it_was_raised() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"i": [1]})
        raise ValueError("late")

    schema = pa.schema([("i", pa.int64())])
    returned = take_back(pa.RecordBatchReader.from_batches(schema, batches()))
    assert returned.errors == []
    with pytest.raises(ValueError, match="late"):
        returned.reader.read_all()
    [error] = returned.errors
    assert repr(error) == "ValueError('late')"


def test_a_column_of_mixed_values_is_refused_and_not_made_text() -> None:
    """DuckDB would look at some of the values and turn them all into text."""
    with pytest.raises(NoFrame, match=r"^DataFrame, which cannot be read as a table \(.*to int64"):
        take_back(pd.DataFrame({"a": [1, "x", None]}, dtype=object))

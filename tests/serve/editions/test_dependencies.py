"""A user's route queries the snapshot of its request, one SELECT at a time."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from headrace.base.errors import UsageError
from headrace.serve import ServeSettings
from headrace.serve.columnar.snapshot_reader import SnapshotReader
from headrace.serve.editions.dependencies import SnapshotView
from tests.serve.shop import Shop


@pytest.fixture
def reader(shop: Shop) -> Iterator[SnapshotReader]:
    reader = SnapshotReader.open(shop.store, shop.publish_sales(rows=10), ServeSettings())
    yield reader
    reader.close()


def test_rows_are_dicts(reader: SnapshotReader) -> None:
    view = SnapshotView(reader, 10)
    sql = "SELECT store_id, count(*) AS days FROM sales WHERE store_id < $n GROUP BY 1 ORDER BY 1"
    assert view.query(sql, {"n": 2}) == [
        {"store_id": 0, "days": 2},
        {"store_id": 1, "days": 2},
    ]
    assert view.number == 1


def test_rows_are_an_arrow_table(reader: SnapshotReader) -> None:
    table = SnapshotView(reader, 10).arrow("SELECT day FROM sales LIMIT $n", {"n": 3})
    assert (table.num_rows, table.column_names) == (3, ["day"])


@pytest.mark.parametrize("sql", ["DROP VIEW sales", "SELECT 1; SELECT 2", "COPY sales TO 'x'"])
def test_nothing_but_one_select_runs(reader: SnapshotReader, sql: str) -> None:
    view = SnapshotView(reader, 10)
    for method in (view.query, view.arrow):
        with pytest.raises(UsageError):
            method(sql)


def test_a_query_past_its_deadline_is_interrupted(reader: SnapshotReader) -> None:
    with pytest.raises(duckdb.InterruptException):
        SnapshotView(reader, 0.05).query(
            "SELECT count(*) FROM range(100000000000) a, range(1000) b"
        )

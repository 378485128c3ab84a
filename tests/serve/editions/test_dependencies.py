"""A user's route queries the snapshot of its request, one SELECT at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from headrace.base.access import ANONYMOUS, Principal
from headrace.base.errors import UsageError
from headrace.serve import ServeSettings
from headrace.serve.columnar.snapshot_reader import SnapshotReader
from headrace.serve.editions.dependencies import Snapshots, SnapshotView
from headrace.store.snapshots import Claim, ColumnMask, RowCase, TablePolicy
from tests.serve.shop import Shop

BY_STORE = TablePolicy(
    rows=(
        RowCase("manager", "store_id = $auth_store_id", ("store_id",)),
        RowCase("head_office"),
    ),
    claims=(Claim("store_id", "INTEGER"),),
    masks=(
        ColumnMask("revenue", ("head_office",), "absent"),
        ColumnMask("day", ("head_office", "manager")),
    ),
    columns=("store_id", "day", "revenue"),
)
MANAGER = Principal("user:anna", frozenset({"manager"}), claims={"store_id": 3})
OFFICE = Principal("user:bo", frozenset({"head_office"}))


@pytest.fixture
def reader(shop: Shop) -> Iterator[SnapshotReader]:
    reader = SnapshotReader.open(shop.store, shop.publish_sales(rows=10), ServeSettings())
    yield reader
    reader.close()


def seen(
    reader: SnapshotReader, principal: Principal = ANONYMOUS, deadline_seconds: float = 10.0
) -> SnapshotView:
    return SnapshotView(Snapshots(reader, deadline_seconds, "salt"), principal)


def narrowed(reader: SnapshotReader, policy: TablePolicy) -> SnapshotReader:
    """The same snapshot, with a policy of `sales`."""
    manifest = replace(reader.snapshot.manifest, tables={"sales": policy})
    reader.snapshot = replace(reader.snapshot, manifest=manifest)
    return reader


def test_rows_are_dicts(reader: SnapshotReader) -> None:
    view = seen(reader)
    sql = "SELECT store_id, count(*) AS days FROM sales WHERE store_id < $n GROUP BY 1 ORDER BY 1"
    assert view.query(sql, {"n": 2}) == [
        {"store_id": 0, "days": 2},
        {"store_id": 1, "days": 2},
    ]
    assert view.number == 1


def test_rows_are_an_arrow_table(reader: SnapshotReader) -> None:
    table = seen(reader).arrow("SELECT day FROM sales LIMIT $n", {"n": 3})
    assert (table.num_rows, table.column_names) == (3, ["day"])


@pytest.mark.parametrize("sql", ["DROP VIEW sales", "SELECT 1; SELECT 2", "COPY sales TO 'x'"])
def test_nothing_but_one_select_runs(reader: SnapshotReader, sql: str) -> None:
    view = seen(reader)
    for method in (view.query, view.arrow):
        with pytest.raises(UsageError):
            method(sql)


def test_a_query_past_its_deadline_is_interrupted(reader: SnapshotReader) -> None:
    with pytest.raises(duckdb.InterruptException):
        seen(reader, deadline_seconds=0.05).query(
            "SELECT count(*) FROM range(100000000000) a, range(1000) b"
        )


def test_a_router_sees_what_its_asker_may_see(reader: SnapshotReader) -> None:
    narrowed(reader, BY_STORE)
    sql = """
        WITH sums AS (SELECT store_id, sum(revenue) AS revenue, count(day) AS days
                      FROM main.sales GROUP BY ALL)
        SELECT s.* FROM sums AS s WHERE store_id >= $low ORDER BY 1
    """
    managed = seen(reader, MANAGER)
    assert managed.query(sql, {"low": 0}) == [{"store_id": 3, "revenue": None, "days": 2}]
    assert managed.query(sql, {"low": 4}) == []
    assert seen(reader, OFFICE).arrow(sql, {"low": 0}).num_rows == 5
    for nobody in (ANONYMOUS, Principal("user:cy", MANAGER.roles), Principal("user:di")):
        assert seen(reader, nobody).query(sql, {"low": 0}) == []


def test_a_query_of_a_router_meets_no_row_that_is_not_seen(reader: SnapshotReader) -> None:
    """Whether it fails would tell of that row: whether it can, its parameters decide."""
    narrowed(reader, BY_STORE)
    texts = Snapshots(reader, 1.0, "salt")
    end = "LIMIT 9223372036854775807) AS sales"
    assert end in texts.narrowed("SELECT 1 // CAST(store_id AS TINYINT) FROM sales").sql
    assert end in texts.narrowed("SELECT store_id FROM sales WHERE store_id > $low").sql


def test_a_router_cannot_say_who_asks(reader: SnapshotReader) -> None:
    narrowed(reader, BY_STORE)
    with pytest.raises(
        UsageError, match=r"^the query has a parameter `\$auth_store_id`; expected another name$"
    ):
        seen(reader, MANAGER).query("SELECT $auth_store_id", {"auth_store_id": 4})
    sql = "SELECT DISTINCT store_id FROM sales"
    assert seen(reader, MANAGER).query(sql, {"auth_store_id": 4}) == [{"store_id": 3}]

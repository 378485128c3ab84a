"""A snapshot answers SELECTs over its own files, and can do nothing else."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from headrace.base.errors import CorruptObject, UsageError
from headrace.serve.columnar.snapshot_reader import SnapshotReader, one_select, require_one_select
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from headrace.store.store import Store
from tests.serve.shop import Shop


def opened(shop: Shop, settings: ServeSettings = DEFAULT_SETTINGS) -> SnapshotReader:
    head = shop.store.head("prod")
    assert head is not None
    return SnapshotReader.open(shop.store, head, settings)


def rows(reader: SnapshotReader, sql: str, **parameters: object) -> list[tuple[object, ...]]:
    stream = reader.query(sql, parameters)
    try:
        return stream.rows(1000)
    finally:
        stream.close()


def test_tables_are_read_under_their_names(shop: Shop) -> None:
    shop.publish_sales(rows=20)
    reader = opened(shop)
    assert rows(reader, "SELECT count(*) FROM sales WHERE store_id = $store", store=3) == [(4,)]
    reader.close()


def test_small_tables_are_copied_and_large_ones_are_not(shop: Shop) -> None:
    small, large = shop.table("small", "SELECT 1 AS x"), shop.table("large", "FROM range(100000)")
    shop.publish(tables=(large, small))
    reader = opened(shop, ServeSettings(copy_bytes=small.size_bytes))
    names = "SELECT table_name, table_type FROM information_schema.tables ORDER BY ALL"
    assert rows(reader, names) == [("large", "VIEW"), ("small", "BASE TABLE")]
    assert rows(reader, "SELECT count(*) FROM large") == [(100_000,)]
    reader.close()


@pytest.mark.parametrize("folder", ["a[1]", "b*", "c?"])
def test_a_store_may_lie_in_a_folder_with_odd_letters(tmp_path: Path, folder: str) -> None:
    """Views escape such letters; the lock must allow that spelling, too."""
    shop = Shop(Store.open(tmp_path / folder))
    shop.publish_sales(rows=20)
    reader = opened(shop, ServeSettings(copy_bytes=0))
    assert rows(reader, "SELECT count(*) FROM sales") == [(20,)]
    reader.close()
    shop.engine.close()


def test_rows_come_in_pieces(shop: Shop) -> None:
    shop.publish_sales(rows=5)
    reader = opened(shop)
    stream = reader.query(one_select("SELECT day FROM sales"), {})
    assert [len(stream.rows(2)) for _ in range(3)] == [2, 2, 1]
    assert stream.names() == ["day"]
    stream.close()
    stream.close()
    reader.close()


def test_a_closed_query_leaves_nothing_behind(shop: Shop) -> None:
    shop.publish_sales()
    reader = opened(shop)
    stream = reader.query(one_select("SELECT * FROM range(1000000000000)"), {})
    stream.rows(10)
    stream.close()
    with pytest.raises(duckdb.Error):
        stream.rows(10)
    assert rows(reader, "SELECT 1") == [(1,)]
    reader.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{outside}')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '{inside}/../../outside.csv'",
        "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
        "SELECT getenv('HOME')",
        "SELECT * FROM leak",
        "ATTACH '{outside}'",
        "COPY (SELECT 1) TO '{outside}'",
        "SET enable_external_access=true",
        "SET lock_configuration=false",
        "INSTALL httpfs",
        "LOAD httpfs",
    ],
)
def test_a_query_reaches_nothing_but_the_data(shop: Shop, tmp_path: Path, sql: str) -> None:
    leak = [1]
    (tmp_path / "outside.csv").write_text("a\n1\n")
    shop.publish_sales()
    reader = opened(shop)
    text = sql.format(outside=tmp_path / "outside.csv", inside=shop.store.data_root)
    with pytest.raises(duckdb.Error):
        rows(reader, text)
    assert leak
    reader.close()


def test_a_missing_file_is_found_when_the_snapshot_is_opened(shop: Shop) -> None:
    shop.publish_sales()
    [file] = shop.store.data_root.rglob("*.parquet")
    file.rename(file.with_suffix(".lost"))
    with pytest.raises(CorruptObject) as caught:
        opened(shop)
    size = file.with_suffix(".lost").stat().st_size
    assert str(caught.value) == (
        f"{file}: it is missing; expected {size} bytes of sales; "
        "restore the file, or run `headrace rollback`"
    )


def test_a_torn_file_is_found_when_the_snapshot_is_opened(shop: Shop) -> None:
    shop.publish_sales()
    [file] = shop.store.data_root.rglob("*.parquet")
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:100])
    with pytest.raises(CorruptObject) as caught:
        opened(shop)
    assert str(caught.value) == (
        f"{file}: it is 100 bytes long; expected {len(content)} bytes of sales; "
        "restore the file, or run `headrace rollback`"
    )


def test_the_memory_limit_is_set(shop: Shop) -> None:
    shop.publish_sales()
    reader = opened(shop, ServeSettings(memory_limit="100MB"))
    with pytest.raises(duckdb.OutOfMemoryException):
        rows(reader, "SELECT list(i) FROM range(100000000) AS numbers(i)")
    reader.close()


def test_one_select_is_told_by_the_parser() -> None:
    assert require_one_select("SELECT $a, $b + $a") == {"a", "b"}
    assert require_one_select("WITH x AS (SELECT 1) FROM x") == set()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1; DROP VIEW sales", "SELECT and DROP"),
        ("CREATE TABLE x AS SELECT 1", "CREATE"),
        ("COPY (SELECT 1) TO 'x.csv'", "COPY"),
        ("", "nothing"),
    ],
)
def test_what_is_not_one_select_is_refused(sql: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_one_select(sql)
    assert str(caught.value) == (
        f"the query is {found}; expected exactly one SELECT; a snapshot is read, never changed"
    )


def test_what_is_no_sql_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        require_one_select("SELEC 1")
    assert str(caught.value).startswith(
        "the query cannot be parsed; expected one SELECT; Parser Error: "
    )

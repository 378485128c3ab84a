"""A large Parquet file that needs no change becomes a data file as it is; any other is landed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headrace.base.hashing import hash_file
from headrace.base.tables import Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.run.copies import LEAST_BYTES
from tests.projects import Shop, write_files

ROWS = 240_000
PLAIN = "files: data/*.parquet\ncolumns: {day: {type: date, not_null: true}, text: text}\n"
BY_DAY = f"{PLAIN}partition: {{column: day, by: day}}\n"
# Ten days of rows that hardly compress, in no order of days.
SELECT = (
    "SELECT DATE '2024-01-01' + CAST(i % 10 AS INTEGER) AS day, md5(CAST(i AS VARCHAR)) AS text"
    f" FROM range({ROWS}) AS t(i)"
)


def write_raw(root: Path, sql: str, options: str = "") -> Path:
    path = root / "data" / "a.parquet"
    path.parent.mkdir(exist_ok=True)
    duckdb.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet{options})")
    return path


def project(tmp_path: Path, source: str) -> Shop:
    return Shop(
        write_files(
            tmp_path / "copies",
            {"headrace.toml": 'name = "copies"\n', "sources/events.yaml": source},
        )
    )


def run(shop: Shop) -> Version:
    assert shop.run().failures == ()
    return shop.published().tables["events"]


def query(shop: Shop, sql: str) -> list[tuple[Any, ...]]:
    """The answer to a query over what is published, read from the store alone."""
    engine = DuckDBEngine(threads=1)
    try:
        for version in shop.published().tables.values():
            engine.attach(version, shop.store.data_root)
        return engine.cursor().execute(sql).fetchall()
    finally:
        engine.close()


def data_hashes(shop: Shop, version: Version) -> list[str]:
    folder = shop.root / ".headrace" / "store" / "data"
    found = [hash_file(folder / file.path) for file in version.files]
    assert found == [file.sha256 for file in version.files]
    return found


@pytest.mark.parametrize("source", [PLAIN, BY_DAY], ids=["plain", "by day"])
def test_a_file_that_fits_is_the_data_file_and_may_vanish(tmp_path: Path, source: str) -> None:
    shop = project(tmp_path, source)
    raw = write_raw(shop.root, SELECT)
    assert raw.stat().st_size > LEAST_BYTES
    version = run(shop)
    assert (version.rows, version.rows_in) == (ROWS, ROWS)
    assert data_hashes(shop, version) == [hash_file(raw)]
    assert shop.published().tables["events__quarantine"].rows == 0
    raw.write_bytes(b"")
    assert query(shop, "SELECT count(*), count(DISTINCT day), min(day) FROM events") == [
        (ROWS, 10, date(2024, 1, 1))
    ]


def test_a_corrected_day_is_the_only_new_cell(tmp_path: Path) -> None:
    shop = project(tmp_path, BY_DAY)
    write_raw(shop.root, SELECT)
    before = run(shop)
    write_raw(shop.root, f"{SELECT} WHERE i NOT IN (13, 23)")
    after = run(shop)
    changed = {cell.partition for cell in set(after.cells) - set(before.cells)}
    assert changed == {"2024-01-04"}
    assert [file.rows for file in after.files] == [ROWS, ROWS // 10 - 2]
    assert after.rows == ROWS - 2
    days = query(shop, "SELECT count(*) FROM events GROUP BY day ORDER BY day")
    assert [count for (count,) in days] == [24_000, 24_000, 24_000, 23_998, *[24_000] * 6]


def test_the_same_rows_in_another_order_give_no_new_cell(tmp_path: Path) -> None:
    shop = project(tmp_path, BY_DAY)
    write_raw(shop.root, SELECT)
    before = run(shop)
    write_raw(shop.root, f"{SELECT} ORDER BY day, text")
    after = run(shop)
    assert (after.cells, after.files) == (before.cells, before.files)


def test_pieces_are_named_alike_however_a_file_was_read(tmp_path: Path) -> None:
    """A file that must be landed, because of one row, gives the other days what it gave before."""
    shop = project(tmp_path, BY_DAY)
    write_raw(shop.root, SELECT)
    before = run(shop)
    write_raw(shop.root, f"{SELECT} UNION ALL SELECT NULL, 'no day'")
    after = run(shop)
    assert (after.cells, after.rows_in) == (before.cells, ROWS + 1)
    assert query(shop, "SELECT line, reason FROM events__quarantine") == [
        (ROWS + 1, "day: it is empty, and must not be")
    ]


@pytest.mark.parametrize(
    ("sql", "options"),
    [
        (f"SELECT CAST(day AS TIMESTAMP) AS day, text FROM ({SELECT})", ""),
        (f"SELECT text, day FROM ({SELECT})", ""),
        (SELECT, ", ROW_GROUP_SIZE 2048"),
    ],
    ids=["another type", "another order", "small row groups"],
)
def test_a_file_that_would_be_another_table_is_written_anew(
    tmp_path: Path, sql: str, options: str
) -> None:
    shop = project(tmp_path, PLAIN)
    raw = write_raw(shop.root, sql, options)
    version = run(shop)
    assert version.rows == ROWS
    assert data_hashes(shop, version) != [hash_file(raw)]


def test_a_damaged_file_is_refused_as_ever(tmp_path: Path) -> None:
    shop = project(tmp_path, PLAIN)
    raw = write_raw(shop.root, SELECT)
    raw.write_bytes(raw.read_bytes()[:-1000])
    [failure] = shop.run().failures
    assert "data/a.parquet: it cannot be read as Parquet" in failure
    assert list((shop.root / ".headrace" / "store" / "staging").iterdir()) == []


@pytest.mark.parametrize("days", [3, 20], ids=["read as they lie", "sorted first"])
def test_days_that_look_back_read_theirs_from_a_file_in_any_order(
    tmp_path: Path, days: int
) -> None:
    shop = project(tmp_path, BY_DAY)
    header = "/*\npartition: {column: day, by: day}\nlookback: 1 day\n*/\n"
    recent = "SELECT day, count(*) + sum(count(*)) OVER (ORDER BY day ROWS 1 PRECEDING) AS n"
    shop.write("models/recent.sql", f"{header}{recent} FROM events GROUP BY day\n")
    write_raw(shop.root, SELECT.replace("% 10", f"% {days}"))
    run(shop)
    of_a_day = ROWS // days
    assert query(shop, "SELECT n, count(*) FROM recent GROUP BY n ORDER BY n") == [
        (2 * of_a_day, 1),
        (3 * of_a_day, days - 1),
    ]
    assert list((shop.root / ".headrace" / "store" / "staging").iterdir()) == []


def test_a_run_that_fails_leaves_no_copy_in_staging(tmp_path: Path) -> None:
    """The first file has been copied when the second has a row that belongs to no day."""
    shop = project(tmp_path, BY_DAY.replace(", not_null: true", ""))
    day = "DATE '2024-01-01' + CAST(i % 10 AS INTEGER)"
    first = write_raw(
        shop.root, SELECT.replace(day, f"CASE WHEN i = 7 THEN DATE 'infinity' ELSE {day} END")
    )
    first.rename(first.with_name("b.parquet"))
    write_raw(shop.root, SELECT)
    [failure] = shop.run().failures
    assert "b.parquet" in failure
    assert list((shop.store.root / "staging").iterdir()) == []

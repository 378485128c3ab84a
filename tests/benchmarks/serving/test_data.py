"""The same rows in every form, the same ones every time; and questions that they answer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb

from benchmarks.serving.data import TABLES, generate, parquet, sqlite_file
from benchmarks.serving.questions import FIRST_DAY, SHAPES, Size, questions

_SIZE = Size(5_000)


def test_every_form_has_the_same_rows(tmp_path: Path) -> None:
    generate(tmp_path, _SIZE)
    lite = sqlite3.connect(sqlite_file(tmp_path))
    counts = {}
    for table in TABLES:
        sorted_rows = f"FROM '{parquet(tmp_path, table)}' ORDER BY ALL"
        rows = duckdb.execute(sorted_rows).fetchall()
        kept = lite.execute(f"SELECT * FROM {table}").fetchall()
        assert sorted(kept) == [tuple(map(_as_sqlite, row)) for row in rows]
        counts[table] = len(rows)
    lite.close()
    assert counts == {"orders": 5_000, "customers": 200, "daily_revenue": 10 * 365}


def _as_sqlite(value: object) -> object:
    if isinstance(value, int | str):
        return value
    text = str(value)
    return text if text.count("-") == 2 else float(text)


def test_rows_and_questions_are_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        generate(tmp_path / folder, _SIZE)
    one, two = ((tmp_path / name / "orders.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    for shape in SHAPES:
        assert questions(shape, _SIZE, 50) == questions(shape, _SIZE, 50)


def test_questions_ask_for_what_there_is() -> None:
    size = Size()
    assert (size.orders, size.customers, size.stores) == (5_000_000, 200_000, 1_000)
    assert {1 <= each.key <= 200_000 for each in questions("P", size)} == {True}
    assert {1 <= each.key <= 1_000 for each in questions("L", size)} == {True}
    days = [(each.since, each.until) for each in questions("A", size)]
    assert all(FIRST_DAY.isoformat() <= since < until <= "2025-12-31" for since, until in days)

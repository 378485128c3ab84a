"""What a type becomes when it is stored, and that DuckDB's Parquet then keeps it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from headrace.pipeline.compile.stored_types import cast_hint, stored_type

STORED = [
    ("HUGEINT", "BIGINT"),
    ("UHUGEINT", "BIGINT"),
    ('"NULL"', "INTEGER"),
    ("HUGEINT[]", "BIGINT[]"),
    ("INTEGER[3]", "INTEGER[]"),
    ("ENUM('a', 'b)')", "VARCHAR"),
    ("MAP(VARCHAR, HUGEINT)", "MAP(VARCHAR, BIGINT)"),
    ('STRUCT(a HUGEINT, "b c" DECIMAL(12,2), d STRUCT(hugeint VARCHAR))',
     'STRUCT(a BIGINT, "b c" DECIMAL(12,2), d STRUCT(hugeint VARCHAR))'),
    ("DECIMAL(38,2)", "DECIMAL(38,2)"),
    ("TIMESTAMP_S", "TIMESTAMP"),
    ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
]  # fmt: skip


@pytest.mark.parametrize(("type_name", "expected"), STORED)
def test_a_type_is_stored_as_one_that_parquet_keeps(type_name: str, expected: str) -> None:
    assert stored_type(type_name) == expected
    assert cast_hint(stored_type(type_name)) == ""


@pytest.mark.parametrize(
    ("type_name", "hint"),
    [
        ("INTERVAL", "BIGINT, as in epoch_us(x)"),
        ("TIME WITH TIME ZONE", "TIME"),
        ("BIT", "VARCHAR"),
        ("UNION(a INTEGER)", "a STRUCT or VARCHAR"),
        ("TUPLE(INTEGER, INTEGER)", "a STRUCT"),
        ("INTERVAL[]", "BIGINT, as in epoch_us(x)"),
        ("MAP(VARCHAR, BIT)", "VARCHAR"),
        ("STRUCT(a INTEGER, b STRUCT(c BIGNUM))", "VARCHAR or DECIMAL(38,0)"),
    ],
)
def test_a_type_that_parquet_changes_or_cuts_has_a_hint(type_name: str, hint: str) -> None:
    assert cast_hint(stored_type(type_name)) == hint


VALUES = [
    "true", "1::TINYINT", "1::UBIGINT", "1.5::FLOAT", "1.5::DECIMAL(38,10)", "'x'", "'x'::BLOB",
    "DATE '2024-01-02'", "TIME '10:00:00.123456'", "TIMESTAMP '2024-01-02 03:04:05.123456'",
    "'2024-01-02 03:04:05.123456789'::TIMESTAMP_NS", "'2024-01-02 03:04:05+02'::TIMESTAMPTZ",
    "'{\"a\": 1}'::JSON", "'8f14e45f-ceea-4e7a-9c6b-1d2f3a4b5c6d'::UUID", "[1, NULL]",
    "{'a': 1, 'b': [1.5::DOUBLE]}", "MAP {'a': 1}", "1::HUGEINT", "NULL", "'a'::ENUM('a', 'b')",
    "[1, 2]::INTEGER[2]", "'2024-01-02'::TIMESTAMP_S", "[{'n': 1::HUGEINT}]",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_of_a_stored_type_comes_back_as_it_was(tmp_path: Path, value: str) -> None:
    path = tmp_path / "x.parquet"
    with duckdb.connect() as connection:
        [(_, type_name, *_)] = connection.execute(f"DESCRIBE SELECT {value} AS x").fetchall()
        stored = stored_type(type_name)
        assert cast_hint(stored) == ""
        select = f"SELECT CAST({value} AS {stored}) AS x"
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        text = "SELECT typeof(x)::VARCHAR, x::VARCHAR FROM"
        before = connection.execute(f"{text} ({select})").fetchall()
        assert connection.execute(f"{text} '{path}'").fetchall() == before

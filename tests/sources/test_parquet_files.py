"""Promises of Parquet: types are converted only where nothing is lost, and every row counts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from headrace.base.declarations import ColumnContract
from headrace.base.errors import SourceError
from tests.sources.reading_files import Loaded, contract, load, source


def loaded(root: Path, sql: str, *columns: ColumnContract) -> Loaded:
    """The rows of a SELECT, written to Parquet and read by a contract."""
    duckdb.execute(f"COPY ({sql}) TO '{root}/a.parquet'")
    return load(root, source(*columns, files="a.parquet", kind="parquet"))


def test_a_column_of_the_contracts_type_is_taken_as_it_is(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "SELECT 1::INTEGER AS i, [1, 2]::BIGINT[] AS l, {'a': 'x'} AS s, 'é' AS t",
        contract("t"),
        contract("i", "int"),
        contract("l", "bigint[]"),
        contract("s", "struct(a text)"),
    )
    assert found.rows == [("é", 1, [1, 2], {"a": "x"})]


def test_another_type_is_converted_row_by_row_if_nothing_is_lost(tmp_path: Path) -> None:
    """As pandas writes integers and dates: floats where one is missing, and times at midnight."""
    found = loaded(
        tmp_path,
        "SELECT * FROM (VALUES (1::DOUBLE, TIMESTAMP '2024-01-01', 1.5::DOUBLE, 300),"
        " (2.5, TIMESTAMP '2024-01-01 10:00', NULL, 1), (NULL, NULL, 1.234, 1)) AS t(i, d, x, n)",
        contract("i", "int"),
        contract("d", "date"),
        contract("x", "decimal(9,2)"),
        contract("n", "smallint"),
    )
    assert found.rows == [(1, date(2024, 1, 1), Decimal("1.50"), 300)]
    assert found.quarantine == [
        (
            "a.parquet",
            2,
            '{"i":2.5,"d":"2024-01-01 10:00:00","x":null,"n":1}',
            "i",
            (
                "i: '2.5' is not an INTEGER; d: '2024-01-01 10:00:00' is not a DATE"
                " (it has a time: declare timestamp)"
            ),
        ),
        (
            "a.parquet",
            3,
            '{"i":null,"d":null,"x":1.234,"n":1}',
            "x",
            "x: '1.234' is not a DECIMAL(9,2)",
        ),
    ]
    [outcome] = found.outcomes
    assert (outcome.rows_in, outcome.rows, outcome.quarantined) == (3, 1, 2)


def test_rules_hold_for_columns_of_the_right_type_too(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "SELECT 5::INTEGER AS n, NULL::INTEGER AS m",
        contract("n", "int", min=6),
        contract("m", "int", not_null=True),
    )
    assert found.reasons == [(1, "n", "n: '5' is less than 6; m: it is empty, and must not be")]


def test_other_columns_refuse_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, "SELECT 1 AS a, 2 AS c", contract("a", "int"), contract("b", "int"))
    assert str(caught.value) == (
        "a.parquet: the header lacks `b` and the header has `c`, which the contract does not know;"
        " expected the columns `a`, `b`; correct the file, or `columns:` of the source"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"\x1f\x8b\x08" + bytes(20),
            (
                "a.parquet: it cannot be read as Parquet (it is compressed by gzip); expected a"
                " complete Parquet file; say `compression: gzip`"
            ),
        ),
        (b"PAR1" + bytes(20), "; expected a complete Parquet file; write it again"),
        (b"", "; expected a complete Parquet file; write it again"),
    ],
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    declared = source(contract("a"), files="a.parquet", kind="parquet")
    with pytest.raises(SourceError) as caught:
        load(tmp_path, declared, {"a.parquet": data})
    assert str(caught.value).endswith(message)

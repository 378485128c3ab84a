"""Values of two types are compared by a key only when one type holds both unchanged."""

from __future__ import annotations

import duckdb
import pytest

from headrace.base.types import INTEGER_TYPES
from headrace.pipeline.compile.access_types import compared_as, is_key_type, is_sort_type

ENDS = {
    **{
        name: (f"(-{2 ** (bits - 1)})", f"{2 ** (bits - 1) - 1}")
        for name, bits in (
            ("TINYINT", 8),
            ("SMALLINT", 16),
            ("INTEGER", 32),
            ("BIGINT", 64),
            ("HUGEINT", 128),
        )
    },
    **{
        name: ("0", f"{2**bits - 1}")
        for name, bits in (
            ("UTINYINT", 8),
            ("USMALLINT", 16),
            ("UINTEGER", 32),
            ("UBIGINT", 64),
            ("UHUGEINT", 128),
        )
    },
    "DECIMAL(4,2)": ("-99.99", "99.99"),
    "DECIMAL(12,2)": ("-9999999999.99", "9999999999.99"),
    "DECIMAL(38,0)": ("-" + "9" * 38, "9" * 38),
}
TYPES = [*ENDS, "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "DOUBLE"]


@pytest.mark.parametrize("expression", ENDS)
def test_a_key_holds_the_least_and_the_greatest_value_of_what_is_compared(expression: str) -> None:
    connection = duckdb.connect()
    for parameter in TYPES:
        if key := compared_as(expression, parameter):
            for value in ENDS[expression]:
                cast = f"CAST(CAST('{value.strip('()')}' AS {expression}) AS {key})"
                sql = f"SELECT CAST(CAST({cast} AS {expression}) AS VARCHAR)"
                [(found,)] = connection.execute(sql).fetchall()
                assert found == value.strip("()"), (expression, parameter, key)


def test_integers_are_compared_by_value_and_nothing_else_changes_its_type() -> None:
    assert compared_as("BIGINT", "INTEGER") == "BIGINT"
    assert compared_as("INTEGER", "BIGINT") == "BIGINT"
    assert compared_as("UINTEGER", "INTEGER") == ""
    assert compared_as("DATE", "TIMESTAMP") == "TIMESTAMP"
    assert compared_as("INTEGER", "DECIMAL(12,2)") == "DECIMAL(12,2)"
    for pair in [
        *(("TIMESTAMP", "DATE"), ("VARCHAR", "INTEGER"), ("DECIMAL(12,2)", "INTEGER")),
        *(("DOUBLE", "DOUBLE"), ("INTEGER", "DOUBLE"), ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")),
    ]:
        assert compared_as(*pair) == ""


def test_rows_are_sorted_by_more_than_they_are_found_by() -> None:
    assert all(map(is_key_type, [*INTEGER_TYPES, "VARCHAR", "UUID", "TIME", "DECIMAL(38,10)"]))
    assert not any(map(is_key_type, ["DOUBLE", "FLOAT", "BLOB", "JSON", "INTEGER[]", "ENUM('a')"]))
    assert is_sort_type("DOUBLE")
    assert not is_sort_type("STRUCT(a INTEGER)")

"""ordered_keys.py: bytes sort as DuckDB sorts the values, and are the same from SQL and Python."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import duckdb
import pytest

from headrace.base.types import INTEGER_TYPES
from headrace.engines.duckdb import open_duckdb
from headrace.store.ordered_keys import Inexact, NoOrder, PartEncoder, after, turned
from headrace.store.snapshots import KeyPart

_TIMES = ["'infinity'", "'-infinity'", "'2024-01-01'", "'1960-01-01 00:00:00.001'"]
_FLOATS = ["1", "-1", "0", "'-0'", "'nan'", "'inf'", "'-inf'", "1e-30", "-1e30"]
# Type -> SQL of some values.
VALUES: dict[str, list[str]] = {
    "BOOLEAN": ["true", "false"],
    **{each: ["1", "0", "5", "100", "127"] for each in sorted(INTEGER_TYPES) if each[0] == "U"},
    **{each: ["-128", "-1", "0", "5", "127"] for each in sorted(INTEGER_TYPES) if each[0] != "U"},
    "DECIMAL(4,1)": ["-999.9", "0.1", "-0.1", "12.3"],
    "DECIMAL(9,3)": ["-999.9", "0.1", "-0.1", "12.3"],
    "DECIMAL(3,3)": ["-0.05", "0.05"],
    "DECIMAL(18,2)": ["-0.05", "0.05", "-9999999999999999.99", "12"],
    "DECIMAL(38,10)": ["-0.05", "0.05", "'-9999999999999999999999999999.99'", "12"],
    "VARCHAR": [
        *("''", "'a'", "chr(0)", "'a' || chr(0)", "'a' || chr(0) || 'b'", "'a' || chr(1)"),
        *("'é'", "'aa'", "'😀'", "chr(0) || chr(0)", "chr(65535)"),
    ],
    "BLOB": [rf"'{each}'::BLOB" for each in ("", r"\x00", r"\xFF", r"\x00\xFF", r"\x00\x01")],
    "UUID": [f"'{first}0000000-0000-4000-8000-000000000000'" for first in "0789af"],
    "DOUBLE": _FLOATS,
    "FLOAT": _FLOATS,
    "DATE": ["'infinity'", "'-infinity'", "'2024-01-01'", "'290000-01-01'", "'0044-01-01 (BC)'"],
    "TIME": ["'00:00:00'", "'24:00:00'", "'12:00:00.000001'"],
    "TIMESTAMP": [*_TIMES, "'290000-01-01'"],
    "TIMESTAMP WITH TIME ZONE": [*_TIMES, "'290000-01-01'"],
    "TIMESTAMP_S": [*_TIMES, "'290000-01-01'"],
    "TIMESTAMP_MS": [*_TIMES, "'290000-01-01'"],
    "TIMESTAMP_NS": _TIMES,
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_duckdb({})
    yield connection
    connection.close()


def _parts(type_name: str) -> Iterator[PartEncoder]:
    for descending, nulls_first in itertools.product((False, True), repeat=2):
        yield PartEncoder.of(KeyPart(type_name, descending, nulls_first))


@pytest.mark.parametrize("type_name", VALUES)
def test_bytes_sort_as_the_values(connection: duckdb.DuckDBPyConnection, type_name: str) -> None:
    """NULLs and infinities, too; a part is not confused with what comes after it."""
    selects = [f"SELECT CAST({each} AS {type_name}) AS x" for each in [*VALUES[type_name], "NULL"]]
    for part in _parts(type_name):
        order = part.order_sql("x")
        found = connection.execute(
            f"SELECT {part.raw_sql('x')} FROM ({' UNION ALL '.join(selects)}) ORDER BY {order}"
        ).fetchall()
        keys = [part.encode_raw(raw) for (raw,) in found]
        assert keys == sorted(keys)
        ends = [bytes((end,)) for end in (0, 2, 0x7F)]
        followed = [key + end for key, same in itertools.groupby(keys) for end in ends]
        assert followed == sorted(followed)
        assert all(key + end < after(key) for key in keys for end in ends)
        present = [key for key in keys if key != part.null]
        assert [turned(key) for key in present] == sorted(map(turned, present), reverse=True)


# Type -> SQL of a value, and what a reader of parameters makes of it.
SAME: dict[str, tuple[str, object]] = {
    "BOOLEAN": ("true", True),
    "TINYINT": ("-5", -5),
    "UHUGEINT": ("'340282366920938463463374607431768211455'", 2**128 - 1),
    "DECIMAL(12,2)": ("-1234.50", Decimal("-1234.5")),
    "DECIMAL(38,0)": ("'99999999999999999999999999999999999999'", Decimal(10**38 - 1)),
    "VARCHAR": ("'ä' || chr(0)", "ä\x00"),
    "BLOB": (r"'\xAA\x00'::BLOB", b"\xaa\x00"),
    "DOUBLE": ("-0.1", -0.1),
    "FLOAT": ("-0.1", -0.1),
    "DATE": ("'0001-01-01'", date(1, 1, 1)),
    "TIME": ("'23:59:59.999999'", time(23, 59, 59, 999999)),
    "TIMESTAMP": ("'1969-12-31 23:59:59.999999'", datetime(1969, 12, 31, 23, 59, 59, 999999)),
    "TIMESTAMP WITH TIME ZONE": (
        "'2024-01-01 12:00:00+00'",
        datetime(2024, 1, 1, 12, tzinfo=UTC),
    ),
    "TIMESTAMP_S": ("'2024-01-01 12:00:01'", datetime(2024, 1, 1, 12, 0, 1)),
    "TIMESTAMP_MS": ("'2024-01-01 12:00:00.001'", datetime(2024, 1, 1, 12, 0, 0, 1000)),
    "TIMESTAMP_NS": ("'2024-01-01 12:00:00.000001'", datetime(2024, 1, 1, 12, 0, 0, 1)),
    "UUID": (
        "'123e4567-e89b-12d3-a456-426614174000'",
        UUID("123e4567-e89b-12d3-a456-426614174000"),
    ),
}


@pytest.mark.parametrize("type_name", SAME)
def test_a_parameter_has_the_bytes_of_the_value(
    connection: duckdb.DuckDBPyConnection, type_name: str
) -> None:
    sql, value = SAME[type_name]
    for part in _parts(type_name):
        cast = part.raw_sql(f"CAST({sql} AS {type_name})")
        [raw] = connection.execute(f"SELECT {cast}").fetchone() or ()
        assert part.encode(value) == part.encode_raw(raw)
        assert part.floor(value) == (part.encode_raw(raw), True)


@pytest.mark.parametrize(
    ("type_name", "value", "below"),
    [
        ("TINYINT", 128, 127),
        ("TINYINT", -129, None),
        ("TINYINT", Decimal("1.5"), 1),
        ("TINYINT", -1.5, -2),
        ("DECIMAL(4,1)", Decimal("1.25"), 12),
        ("DECIMAL(4,1)", Decimal("-1.25"), -13),
        ("TIMESTAMP_S", datetime(1970, 1, 1, 0, 0, 1, 5), 1),
    ],
)
def test_a_value_that_the_type_does_not_have_lies_behind_the_one_below(
    type_name: str, value: object, below: int | None
) -> None:
    part = PartEncoder.of(KeyPart(type_name))
    with pytest.raises((Inexact, struct.error)):
        part.encode(value)
    expected = None if below is None else part.encode_raw(below)
    assert part.floor(value) == (expected, False)


def test_a_type_without_an_order_is_refused() -> None:
    with pytest.raises(NoOrder) as refused:
        PartEncoder.of(KeyPart("INTEGER[]"))
    assert str(refused.value) == (
        "a key of type INTEGER[] cannot be kept in order; expected a boolean, a number, a text, "
        "a date, a time or a UUID"
    )

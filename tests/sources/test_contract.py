"""Promises of the contract: a text is a value of a type only if nothing is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.base.types import parse_type
from headrace.sources.contract import type_rules
from tests.sources.reading_files import contract, load, source


def fits(type_text: str, text: str) -> bool:
    """Whether a text is a value of a type."""
    column = contract("c", type_text)
    value = f"TRY_CAST(t AS {column.type})"
    [(misfit, _)] = type_rules(column, "t", value)
    found = duckdb.execute(f"SELECT coalesce({misfit}, false) FROM (SELECT $1 AS t)", [text])
    return not found.fetchall()[0][0]


GOOD: list[tuple[str, str, Any]] = [
    ("int", "7", 7),
    ("int", "-7", -7),
    ("int", "+7", 7),
    ("int", "007", 7),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("utinyint", "255", 255),
    ("double", "1.5", 1.5),
    ("double", "1e3", 1000.0),
    ("double", ".5", 0.5),
    ("double", "3", 3.0),
    ("decimal(12,2)", "1.5", Decimal("1.50")),
    ("decimal(12,2)", "1.5000", Decimal("1.50")),
    ("decimal(12,2)", ".25", Decimal("0.25")),
    ("decimal(12,2)", "-12", Decimal(-12)),
    ("decimal(3,0)", "12.", Decimal(12)),
    ("boolean", "true", True),
    ("boolean", "FALSE", False),
    ("boolean", "t", True),
    ("boolean", "0", False),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("time", "10:00", time(10)),
    ("time", "10:00:01.5", time(10, 0, 1, 500_000)),
    ("timestamp", "2024-01-01", datetime.fromisoformat("2024-01-01")),
    ("timestamp", "2024-01-01T10:00", datetime.fromisoformat("2024-01-01 10:00")),
    ("timestamp", "2024-01-01 10:00:00.000", datetime.fromisoformat("2024-01-01 10:00")),
    ("timestamptz", "2024-01-01T10:00:00Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ("timestamptz", "2024-01-01 10:00:00+02:00", datetime(2024, 1, 1, 8, tzinfo=UTC)),
    ("timestamptz", "2024-01-01 10:00:00 +02:00", datetime(2024, 1, 1, 8, tzinfo=UTC)),
    ("timestamptz", "2024-01-01 10:00:00 Z", datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ("map(text, int)", '{"x": 1}', {"x": 1}),
    ("timestamptz", "2024-01-01 10:00:00-0230", datetime(2024, 1, 1, 12, 30, tzinfo=UTC)),
    (
        "uuid",
        "A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11",
        UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ),
    ("json", '{"a": [1]}', '{"a": [1]}'),
    ("int[]", "[1, 2]", [1, 2]),
    ("double[]", "[1, 2.50]", [1.0, 2.5]),
    ("struct(a int, b text)", '{"b": "x", "a": 1}', {"a": 1, "b": "x"}),
    ("struct(a int, b text)", '{"a": 1}', {"a": 1, "b": None}),
]


@pytest.mark.parametrize(("type_text", "text", "value"), GOOD)
def test_a_text_that_loses_nothing_becomes_the_value(
    tmp_path: Path, type_text: str, text: str, value: object
) -> None:
    quoted = text.replace('"', '""')
    data = f'c,d\n"{quoted}",x\n'
    loaded = load(tmp_path, source(contract("c", type_text), contract("d")), {"a.csv": data})
    assert loaded.quarantine == []
    assert loaded.rows == [(value, "x")]
    if isinstance(value, datetime) and value.tzinfo:
        assert loaded.rows[0][0].astimezone(UTC) == value


BAD = [
    ("int", "1.5"), ("int", "1e2"), ("int", "1_000"), ("int", "0x10"), ("int", " 7"),
    ("int", "7 "), ("int", "2147483648"), ("int", "1,000"), ("int", "٣"), ("utinyint", "-1"),
    ("double", "nan"), ("double", "inf"), ("double", "1e400"), ("double", "1_0.0"),
    ("double", " 1.5"), ("float", "1e39"), ("double", "1,5"),
    ("decimal(12,2)", "1.239"), ("decimal(12,2)", "12345678901"), ("decimal(12,2)", "1e2"),
    ("decimal(12,2)", ""), ("decimal(3,0)", "1.5"),
    ("boolean", "yes"), ("boolean", "2"), ("boolean", "on"),
    ("date", "2024-02-30"), ("date", "2024-01-01 10:00"), ("date", "2024-1-1"),
    ("date", "01/02/2024"), ("date", "infinity"), ("date", "epoch"), ("date", " 2024-01-01"),
    ("time", "24:00:00"), ("time", "10:00:00.1234567"), ("time", "10"),
    ("timestamp", "2024-01-01T10:00:00Z"), ("timestamp", "2024-01-01 10:00:00+02"),
    ("timestamp", "2024-01-01 24:00:00"), ("timestamp", "2024-01-01 10:00:00.1234567"),
    ("timestamp", "infinity"), ("timestamp", "20240101"),
    ("map(text, int)", '{"x": 1.5}'), ("map(text, int)", "[1]"),
    ("timestamptz", "2024-01-01T10:00:00"), ("timestamptz", "2024-01-01"),
    ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11"), ("uuid", "x"),
    ("json", "{a:1}"), ("json", "nope"),
    ("int[]", "[1.5]"), ("int[]", '["1"]'), ("int[]", "1"), ("int[]", '{"a": 1}'),
    ("struct(a int)", '{"a": 1, "b": 2}'), ("struct(a int)", '{"a": "x"}'), ("int[]", "[1, true]"),
]  # fmt: skip


@pytest.mark.parametrize(("type_text", "text"), BAD)
def test_a_text_that_would_lose_something_is_a_misfit(type_text: str, text: str) -> None:
    assert not fits(type_text, text)


@pytest.mark.parametrize(
    ("type_text", "text", "reason"),
    [
        ("int", "1.5", "c: '1.5' is not an INTEGER"),
        ("decimal(12,2)", "1.239", "c: '1.239' is not a DECIMAL(12,2)"),
        (
            "timestamp",
            "2024-01-01T10:00:00+02",
            (
                "c: '2024-01-01T10:00:00+02' is not a TIMESTAMP (it has a time zone: declare"
                " timestamptz)"
            ),
        ),
        (
            "timestamptz",
            "2024-01-01 10:00",
            "c: '2024-01-01 10:00' is not a TIMESTAMPTZ (it has no time zone: declare timestamp)",
        ),
        (
            "date",
            "2024-01-01 10:00",
            "c: '2024-01-01 10:00' is not a DATE (it has a time: declare timestamp)",
        ),
        ("int", "x" * 200, f"c: '{'x' * 100}…' is not an INTEGER"),
    ],
)
def test_the_reason_says_what_was_found_and_what_to_declare(
    tmp_path: Path, type_text: str, text: str, reason: str
) -> None:
    declared = source(contract("c", type_text), contract("d"))
    assert load(tmp_path, declared, {"a.csv": f"c,d\n{text},x\n"}).reasons == [(2, "c", reason)]


def test_bounds_and_accepted_values_are_of_the_columns_type(tmp_path: Path) -> None:
    declared = source(
        contract("d", "date", min="2024-01-10", max="2024-02-01"),
        contract("n", "decimal(5,2)", accepted=(1, 2.5)),
        contract("f", "boolean", accepted=(True,)),
    )
    text = "d,n,f\n2024-01-10,1.0,t\n2024-01-09,2.50,1\n2024-01-31,3,true\n2024-02-01,1,false\n"
    loaded = load(tmp_path, declared, {"a.csv": text})
    assert len(loaded.rows) == 1
    assert loaded.reasons == [
        (3, "d", "d: '2024-01-09' is less than 2024-01-10"),
        (4, "n", "n: '3' is none of the accepted values: 1, 2.5"),
        (5, "f", "f: 'false' is none of the accepted values: true"),
    ]


@settings(max_examples=200, deadline=None)
@given(number=st.integers(-(2**70), 2**70))
def test_an_integer_fits_exactly_if_the_type_can_hold_it(number: int) -> None:
    assert fits("bigint", str(number)) is (-(2**63) <= number < 2**63)


@settings(max_examples=200, deadline=None)
@given(number=st.decimals(-(10**12), 10**12, places=4))
def test_a_decimal_fits_exactly_if_no_digit_is_lost(number: Decimal) -> None:
    exact = number % Decimal("0.01") == 0 and abs(number) < 10**10
    assert fits("decimal(12,2)", format(number, "f")) is exact


def test_every_declarable_type_knows_a_misfit() -> None:
    for name in ("smallint", "usmallint", "uinteger", "ubigint", "tinyint", "float", "blob"):
        assert parse_type(name)
        assert not fits(name, "\\x")

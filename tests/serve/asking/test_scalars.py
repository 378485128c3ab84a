"""One spelling a value, never more than the SQL type holds, and words for what was expected."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from headrace.serve.asking.scalars import Unfit, canonical, integer_range, reader

WIDE = "1234567890123456789012345678.0123456789"
NOON = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("TINYINT", "-128", -128),
        ("INTEGER", "2147483647", 2**31 - 1),
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("UBIGINT", "18446744073709551615", 2**64 - 1),
        ("HUGEINT", str(2**127 - 1), 2**127 - 1),
        ("INTEGER", "-0", 0),
        ("DECIMAL(12,2)", "1.5", Decimal("1.50")),
        ("DECIMAL(12,2)", "-0.00", Decimal("0.00")),
        ("DECIMAL(38,10)", WIDE, Decimal(WIDE)),
        ("DOUBLE", "2e-3", 0.002),
        ("DOUBLE", "-0", 0.0),
        ("BOOLEAN", "true", True),
        ("DATE", "2024-02-29", date(2024, 2, 29)),
        ("TIME", "12:30", time(12, 30)),
        ("TIMESTAMP", "2024-03-01", datetime.fromisoformat("2024-03-01")),
        ("TIMESTAMP", "2024-03-01 12:30:00.5", datetime.fromisoformat("2024-03-01T12:30:00.500")),
        ("TIMESTAMP WITH TIME ZONE", "2024-03-01T12:30Z", NOON),
        ("UUID", "0000000A-0000-0000-0000-000000000000", UUID(int=0xA << 96)),
        ("VARCHAR", " any\x00thing ", " any\x00thing "),
        ("JSON", '{"a": [1]}', '{"a": [1]}'),
        ("BLOB", "AAE=", b"\x00\x01"),
    ],
)  # fmt: skip
def test_a_text_that_fits_is_read(type_name: str, text: str, value: object) -> None:
    read = reader(type_name)(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("type_name", "texts", "expected"),
    [
        (
            "INTEGER",
            ["", "1.0", "+1", " 1", "1 ", "0x1", "1_000", "2147483648", "9" * 5000, "١", "1e3"],
            "an integer from -2147483648 to 2147483647",
        ),
        ("UTINYINT", ["-1", "256"], "an integer from 0 to 255"),
        (
            "DECIMAL(4,1)",
            ["1000", "1.25", "1.", ".5", "1e2", "NaN", "Infinity"],
            "a number with at most 3 digits before the point and 1 after it",
        ),
        (
            "DECIMAL(3,0)",
            ["1.0", "1000"],
            "a number with at most 3 digits before the point and none after it",
        ),
        ("DOUBLE", ["nan", "inf", "1e999", "1,5", ""], "a finite number such as 1.5 or 2e-3"),
        ("FLOAT", ["1e39"], "a number from -3.403e+38 to 3.403e+38"),
        ("BOOLEAN", ["True", "1", "yes", ""], "true or false"),
        (
            "DATE",
            ["2024-02-30", "294247-01-10", "20240301", "2024-3-1", "0000-01-01", "2024-03-01T00"],
            "a date such as 2024-03-01",
        ),
        ("TIME", ["25:00", "12", "12:30Z"], "a time of day such as 12:30:00"),
        (
            "TIMESTAMP",
            ["2024-03-01T12:30:00Z", "2024-03-01T24:00", "now"],
            "a time such as 2024-03-01T12:30:00, without a zone",
        ),
        (
            "TIMESTAMP WITH TIME ZONE",
            ["2024-03-01T12:30:00", "2024-03-01T12:30:00 02:00", "2024-03-01T12:30:00+99:00"],
            "a time with its zone, such as 2024-03-01T12:30:00Z (write + as %2B)",
        ),
        (
            "UUID",
            ["123e4567e89b12d3a456426614174000", "{}", "x"],
            "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
        ),
        ("JSON", ["{", "NaN", "[" * 5000, ""], "a JSON text"),
        ("BLOB", ["a", "*"], "bytes in base64"),
    ],
)  # fmt: skip
def test_a_text_that_does_not_fit_is_refused(
    type_name: str, texts: list[str], expected: str
) -> None:
    for text in texts:
        with pytest.raises(Unfit) as caught:
            reader(type_name)(text)
        assert str(caught.value) == expected, text


def test_integer_ranges_are_those_of_the_types() -> None:
    assert integer_range("SMALLINT") == (-(2**15), 2**15 - 1)
    assert integer_range("UINTEGER") == (0, 2**32 - 1)
    assert integer_range("UHUGEINT") == (0, 2**128 - 1)


def test_equal_values_have_equal_texts() -> None:
    decimal = reader("DECIMAL(12,2)")
    assert canonical(decimal("1.5")) == canonical(decimal("001.50")) == "1.50"
    assert canonical(reader("TIMESTAMP")("2024-03-01 00:00")) == "2024-03-01T00:00:00"
    assert canonical(b"\xff") == "ff"

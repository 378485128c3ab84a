"""Rows that DuckDB writes as text: strict JSON of every type, and nothing is lost."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import struct
from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.base.tables import Column
from headrace.engines.duckdb import described, open_duckdb
from headrace.engines.json_values import JsonValues, Numbers, strict_json, text_sql
from headrace.engines.sql_types import sql_type
from headrace.engines.text_rows import (
    csv_header,
    csv_row_sql,
    fields_of,
    json_array_sql,
    json_object_sql,
    json_row_sql,
    json_value_sql,
)

VALUES = [
    ("true", "true"),
    ("1::TINYINT", "1"),
    ("255::UTINYINT", "255"),
    ("(-32768)::SMALLINT", "-32768"),
    ("65535::USMALLINT", "65535"),
    ("(-1)::INTEGER", "-1"),
    ("4294967295::UINTEGER", "4294967295"),
    ("(-9223372036854775808)::BIGINT", "-9223372036854775808"),
    ("18446744073709551615::UBIGINT", "18446744073709551615"),
    ("(-170141183460469231731687303715884105728)::HUGEINT", "-" + str(2**127)),
    ("340282366920938463463374607431768211455::UHUGEINT", str(2**128 - 1)),
    ("'123456789012345678901234567890123456789012345'::BIGNUM", "1234567890" * 4 + "12345"),
    ("0.10::DECIMAL(12,2)", "0.10"),
    ("(-0.5)::DECIMAL(4,4)", "-0.5000"),
    ("(-0.5)::DECIMAL(18,18)", "-0.500000000000000000"),
    ("0::DECIMAL(38,38)", "0." + 38 * "0"),
    (
        "-123456789012345678901234567890123456.78::DECIMAL(38,2)",
        "-" + "1234567890" * 3 + "123456.78",
    ),
    ("0.1::FLOAT", "0.1"),
    ("1e-7::FLOAT", "1e-7"),
    ("'nan'::FLOAT", '"NaN"'),
    ("0.1::DOUBLE", "0.1"),
    ("'-0'::DOUBLE", "-0.0"),
    ("5e-324::DOUBLE", "5e-324"),
    ("1.7976931348623157e308::DOUBLE", "1.7976931348623157e308"),
    ("'nan'::DOUBLE", '"NaN"'),
    ("'inf'::DOUBLE", '"Infinity"'),
    ("'-inf'::DOUBLE", '"-Infinity"'),
    ("'a\"b\\c/é' || chr(10) || chr(0) || chr(31)", r'"a\"b\\c/é\n\u0000\u001F"'),
    ("''", '""'),
    ("'a\"b'::ENUM ('a\"b')", r'"a\"b"'),
    ("uuid '123e4567-e89b-12d3-a456-426614174000'", '"123e4567-e89b-12d3-a456-426614174000"'),
    (r"'\x00\xff'::BLOB", '"AP8="'),
    ("'0101'::BIT", '"0101"'),
    ("DATE '2024-03-01'", '"2024-03-01"'),
    ("DATE 'infinity'", '"infinity"'),
    ("DATE '12345-01-01'", '"12345-01-01"'),
    ("DATE '0044-03-15 (BC)'", '"0044-03-15 (BC)"'),
    ("TIME '12:30:00'", '"12:30:00"'),
    ("TIME '24:00:00'", '"24:00:00"'),
    ("TIME_NS '12:30:00.123456789'", '"12:30:00.123456789"'),
    ("TIMETZ '12:30:00+00'", '"12:30:00Z"'),
    ("TIMETZ '12:30:00.5-02'", '"12:30:00.5-02:00"'),
    ("TIMETZ '12:30:00+05:30'", '"12:30:00+05:30"'),
    ("TIMESTAMP '2024-03-01 12:00:00'", '"2024-03-01T12:00:00"'),
    ("TIMESTAMP '2024-03-01 12:00:00.120'", '"2024-03-01T12:00:00.12"'),
    ("TIMESTAMP '-infinity'", '"-infinity"'),
    ("TIMESTAMP '9999-12-31 23:59:59.999999'", '"9999-12-31T23:59:59.999999"'),
    ("TIMESTAMP '12345-01-01 01:02:03'", '"12345-01-01T01:02:03"'),
    ("TIMESTAMP '0044-03-15 (BC) 12:00:00'", '"0044-03-15T(BC)T12:00:00"'),
    ("TIMESTAMP_S '2024-03-01 12:00:00'", '"2024-03-01T12:00:00"'),
    ("TIMESTAMP_MS '2024-03-01 12:00:00.123'", '"2024-03-01T12:00:00.123"'),
    ("TIMESTAMP_NS '2024-03-01 12:00:00.123456789'", '"2024-03-01T12:00:00.123456789"'),
    ("TIMESTAMP_NS 'infinity'", '"infinity"'),
    ("TIMESTAMPTZ '2024-03-01 12:00:00+02'", '"2024-03-01T10:00:00Z"'),
    ("TIMESTAMPTZ 'infinity'", '"infinity"'),
    ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", '"0001-01-01T00:00:00Z"'),
    ("TIMESTAMPTZ '12345-01-01 00:00:00+00'", '"12345-01-01T00:00:00Z"'),
    ("TIMESTAMPTZ_NS '2024-03-01 12:00:00.123456789+02'", '"2024-03-01T10:00:00.123456789Z"'),
    ("INTERVAL '14 months 3 days 4 hours 30.5 seconds'", '"P1Y2M3DT4H30.5S"'),
    ("INTERVAL '-14 months 3 days -90.5 seconds'", '"P-1Y-2M3DT-1M-30.5S"'),
    ("INTERVAL '100 hours 10 seconds'", '"PT100H10S"'),
    ("INTERVAL '0 days'", '"PT0S"'),
    ("[1, NULL]", "[1,null]"),
    ("[]::INTEGER[]", "[]"),
    ("[1, 2]::INTEGER[2]", "[1,2]"),
    ("['nan'::DOUBLE, 1.5]::DOUBLE[2]", '["NaN",1.5]'),
    ("[['inf'::DOUBLE], [], NULL]", '[["Infinity"],[],null]'),
    ("[0.50::DECIMAL(4,2)]", "[0.50]"),
    ("{'a': 1, 'b \"': NULL}", r'{"a":1,"b \"":null}'),
    ("{'a': {'b': ['nan'::DOUBLE]}}", '{"a":{"b":["NaN"]}}'),
    ("[{'t': TIMESTAMP '2024-03-01'}]", '[{"t":"2024-03-01T00:00:00"}]'),
    ("row(1, 'nan'::DOUBLE)", '[1,"NaN"]'),
    ("MAP {1: 1.5::DOUBLE, 2: NULL}", '{"1":1.5,"2":null}'),
    ("MAP {TIMESTAMP '2024-03-01': 'a\"'}", r'{"2024-03-01T00:00:00":"a\""}'),
    ("MAP {}::MAP(INTEGER, INTEGER)", "{}"),
    ("union_value(n := 1.5::DOUBLE)::UNION(n DOUBLE, t VARCHAR)", "1.5"),
    ("union_value(t := 'x')::UNION(n DOUBLE, t VARCHAR)", '"x"'),
    ("'{\"a\":  1.00}'::JSON", '{"a":  1.00}'),
    ("'1e999'::JSON", "1e999"),
    ("['[1.0]'::JSON]", "[[1.0]]"),
    ("{'a': 'nan'::DOUBLE}::VARIANT", '{"a":"NaN"}'),
    ("'POINT (1 2)'::GEOMETRY", '"POINT (1 2)"'),
    ("NULL", "null"),
]
NULLABLE = [
    "BOOLEAN",
    "TINYINT",
    "HUGEINT",
    "UHUGEINT",
    "BIGNUM",
    "DECIMAL(38,38)",
    "FLOAT",
    "DOUBLE",
    "VARCHAR",
    "UUID",
    "BLOB",
    "BIT",
    "DATE",
    "TIME",
    "TIME_NS",
    "TIMETZ",
    "TIMESTAMP",
    "TIMESTAMP_NS",
    "TIMESTAMPTZ",
    "TIMESTAMPTZ_NS",
    "INTERVAL",
    "INTEGER[]",
    "DOUBLE[]",
    "DOUBLE[2]",
    "STRUCT(a DOUBLE)",
    "MAP(INTEGER, DOUBLE)",
    "UNION(a DOUBLE)",
    "JSON",
    "VARIANT",
    "ENUM('a')",
    "GEOMETRY",
    "TUPLE(DOUBLE)",
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_duckdb({"threads": 1}) as opened:
        yield opened


def written(
    connection: duckdb.DuckDBPyConnection, sql: str, numbers: Numbers = "digits"
) -> list[str]:
    """The rows of a query as JSON objects: both ways to write them must agree."""
    columns = described(connection, sql)
    loose = json_object_sql(fields_of(columns), JsonValues(numbers, strict=False))
    rows = f"SELECT {json_row_sql(columns, numbers=numbers)}, encode({loose}) FROM ({sql})"
    found = connection.execute(rows).fetchall()
    assert [strict_json(row).decode() for _, row in found] == [row for row, _ in found]
    return [row for row, _ in found]


def strict(text: str) -> object:
    """What a parser reads that knows no NaN; numbers by Decimal, so that no digit is lost."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse, parse_float=Decimal)


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_every_value_has_one_json_text(
    connection: duckdb.DuckDBPyConnection, value: str, expected: str
) -> None:
    [row] = written(connection, f"SELECT {value} AS v")
    assert row == f'{{"v":{expected}}}'
    strict(row)


def test_every_type_of_the_engine_is_among_the_values(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = "SELECT " + ", ".join(f"{value} AS v{n}" for n, (value, _) in enumerate(VALUES))
    tested = " ".join(column.type for column in described(connection, sql))
    types = connection.execute("SELECT DISTINCT logical_type FROM duckdb_types()").fetchall()
    spelt = {"LIST": "[]", "ARRAY": "[2]", "TYPE": ""}  # TYPE is that of no stored value
    assert [name for (name,) in types if spelt.get(name, name) not in tested] == []


@pytest.mark.parametrize("type_name", NULLABLE)
def test_null_is_null_in_every_type(connection: duckdb.DuckDBPyConnection, type_name: str) -> None:
    sql = f"SELECT NULL::{type_name} AS v"
    assert written(connection, sql) == ['{"v":null}']
    text = text_sql("v", sql_type(described(connection, sql)[0].type))
    assert connection.execute(f"SELECT {text} FROM ({sql})").fetchall() == [(None,)]


def test_names_are_escaped_and_columns_keep_their_order(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = """SELECT 1 AS "b", 'x' AS "a ""quoted"" '\\name", 2 AS "é" """
    assert written(connection, sql) == ['{"b":1,"a \\"quoted\\" \'\\\\name":"x","é":2}']


def test_values_of_all_types_stand_in_one_row(connection: duckdb.DuckDBPyConnection) -> None:
    """Runs of columns that DuckDB writes by itself take turns with others."""
    sql = "SELECT " + ", ".join(f"{value} AS v{n}" for n, (value, _) in enumerate(VALUES))
    columns = described(connection, sql)
    [row] = written(connection, sql)
    members = [f'"v{n}":{expected}' for n, (_, expected) in enumerate(VALUES)]
    assert row == f"{{{','.join(members)}}}"
    values = JsonValues(strict=False)
    array = json_array_sql(fields_of(columns), values)
    lone = ", ".join(json_value_sql(each, values) for each in fields_of(columns))
    [[whole, *texts]] = connection.execute(f"SELECT {array}, {lone} FROM ({sql})").fetchall()
    expected = [expected for _, expected in VALUES]
    assert strict_json(whole.encode()).decode() == f"[{','.join(expected)}]"
    assert [strict_json(text.encode()).decode() for text in texts] == expected


def test_fields_may_have_one_name(connection: duckdb.DuckDBPyConnection) -> None:
    [field] = fields_of((Column("a", "INTEGER"),))
    row = json_object_sql([field, field], JsonValues())
    assert connection.execute(f"SELECT {row} FROM (SELECT 1 AS a)").fetchall() == [
        ('{"a":1,"a":1}',)
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1::BIGINT", '"1"'),
        ("1::HUGEINT", '"1"'),
        ("0.50::DECIMAL(4,2)", '"0.50"'),
        ("[1::BIGINT]", '["1"]'),
        ("{'a': 1::UBIGINT}", '{"a":"1"}'),
        ("1::INTEGER", "1"),
        ("1.5::DOUBLE", "1.5"),
    ],
)
def test_wide_numbers_can_be_texts(
    connection: duckdb.DuckDBPyConnection, value: str, expected: str
) -> None:
    assert written(connection, f"SELECT {value} AS v", "text") == [f'{{"v":{expected}}}']


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ('{"a":\n 1,\r\n "b": 2}', '{"a":  1,   "b": 2}'),
        ("[1, 2, ]", "[1, 2]"),
        ('{"a": 1 , "b": [NaN,],}', '{"a": 1 , "b": ["NaN"]}'),
        (
            '[nan, -inf, Infinity, "NaN, ]", "\\"inf"]',
            '["nan", "-inf", "Infinity", "NaN, ]", "\\"inf"]',
        ),
        ('{"nan": "inf", "": ""}', '{"nan": "inf", "": ""}'),
    ],
)
def test_what_duckdb_takes_for_json_becomes_strict_json_on_one_line(
    connection: duckdb.DuckDBPyConnection, found: str, expected: str
) -> None:
    connection.execute("CREATE OR REPLACE TEMP TABLE found AS SELECT $1::JSON AS v", [found])
    [row] = written(connection, "SELECT v FROM found")
    assert row == f'{{"v":{expected}}}'
    strict(row)


def test_doubles_come_back_to_the_last_bit(connection: duckdb.DuckDBPyConnection) -> None:
    chosen = random.Random(1)
    doubles = [struct.unpack("d", chosen.randbytes(8))[0] for _ in range(20_000)]
    finite = [each for each in doubles if math.isfinite(each)] + [1e15, 1e16, 1e17, 123456789.0]
    sql = "CREATE OR REPLACE TEMP TABLE numbers AS SELECT unnest($1)::DOUBLE AS v"
    connection.execute(sql, [finite])
    rows = written(connection, "SELECT v FROM numbers")
    assert [json.loads(row)["v"] for row in rows] == finite


def test_floats_come_back_to_the_last_bit(connection: duckdb.DuckDBPyConnection) -> None:
    chosen = random.Random(2)
    floats = [struct.unpack("f", chosen.randbytes(4))[0] for _ in range(20_000)]
    finite = [each for each in floats if math.isfinite(each)]
    sql = "CREATE OR REPLACE TEMP TABLE numbers AS SELECT unnest($1)::FLOAT AS v"
    connection.execute(sql, [finite])
    rows = written(connection, "SELECT v FROM numbers")
    assert [struct.unpack("f", struct.pack("f", json.loads(row)["v"]))[0] for row in rows] == finite


@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=20))
def test_texts_are_what_python_reads(
    connection: duckdb.DuckDBPyConnection, texts: list[str | None]
) -> None:
    sql = "CREATE OR REPLACE TEMP TABLE texts AS SELECT unnest($1::VARCHAR[]) AS v"
    connection.execute(sql, [texts])
    rows = written(connection, "SELECT v FROM texts")
    assert [json.loads(row)["v"] for row in rows] == texts
    assert not any("\n" in row for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"a":NaN,"b":[-Infinity,Infinity]}', b'{"a":"NaN","b":["-Infinity","Infinity"]}'),
        (b'{"NaN":"NaN","a":":NaN,","b":"\\":NaN"}', b'{"NaN":"NaN","a":":NaN,","b":"\\":NaN"}'),
        (b'{"a":"x\\\\","b":NaN}', b'{"a":"x\\\\","b":"NaN"}'),
    ],
)
def test_numbers_that_are_none_get_their_quotes(text: bytes, expected: bytes) -> None:
    assert strict_json(text) == expected


def csv_rows(connection: duckdb.DuckDBPyConnection, sql: str, *, guard: bool) -> list[str]:
    line = csv_row_sql(fields_of(described(connection, sql)), guard=guard)
    return [row for (row,) in connection.execute(f"SELECT {line} FROM ({sql})").fetchall()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", "1"),
        ("(-2.50)::DECIMAL(4,2)", "-2.50"),
        ("1e300::DOUBLE", "1e300"),
        ("'nan'::DOUBLE", "NaN"),
        ("'-inf'::FLOAT", "-Infinity"),
        ("0.1::FLOAT", "0.1"),
        ("true", "true"),
        ("NULL", ""),
        ("NULL::VARCHAR", ""),
        ("NULL::DOUBLE[]", ""),
        ("''", '""'),
        ("'x'", "x"),
        ("'é'", "é"),
        ("'two words'", "two words"),
        ("' x'", '" x"'),
        ("'x '", '"x "'),
        ("' '", '" "'),
        ("'a,b'", '"a,b"'),
        ("'a\"b'", '"a""b"'),
        ("'a' || chr(10) || 'b'", '"a\nb"'),
        ("'a' || chr(13)", '"a\r"'),
        ("'=1+1'", '"\'=1+1"'),
        ("'+1'", '"\'+1"'),
        ("'-1'", '"\'-1"'),
        ("'@x'", '"\'@x"'),
        ("'=\"x\"'", '"\'=""x"""'),
        ("chr(9) || 'x'", '"\'\tx"'),
        ("chr(13) || 'x'", '"\'\rx"'),
        ("chr(0) || 'x'", '"\'\0x"'),
        ("'a=b'", "a=b"),
        ("'=x'::ENUM ('=x')", '"\'=x"'),
        ("DATE '2024-03-01'", "2024-03-01"),
        ("TIMESTAMPTZ '2024-03-01 12:00:00+00'", "2024-03-01T12:00:00Z"),
        (r"'\x00\xff'::BLOB", "AP8="),
        ("INTERVAL '-1 day'", "P-1D"),
        ("[1, NULL]", '"[1,null]"'),
        ("[]::INTEGER[]", "[]"),
        ("{'k': 1.50::DECIMAL(4,2)}", '"{""k"":1.50}"'),
        ("'-1'::JSON", "-1"),
        ("'{\"k\": 1}'::JSON", '"{""k"": 1}"'),
    ],
)
def test_every_value_has_one_csv_text(
    connection: duckdb.DuckDBPyConnection, value: str, expected: str
) -> None:
    assert csv_rows(connection, f"SELECT 7 AS n, {value} AS v", guard=True) == [f"7,{expected}"]


def test_csv_texts_are_exact_without_the_guard(connection: duckdb.DuckDBPyConnection) -> None:
    assert csv_rows(connection, "SELECT '=1+1' AS a, '-1' AS b", guard=False) == ["=1+1,-1"]


def test_a_lone_null_is_a_row_in_csv(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT unnest([NULL, '', 'x']) AS v"
    assert csv_rows(connection, sql, guard=True) == ['""', '""', "x"]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text()), min_size=1, max_size=20), st.booleans())
def test_csv_gives_every_text_back(
    connection: duckdb.DuckDBPyConnection, texts: list[str | None], guard: bool
) -> None:
    sql = "CREATE OR REPLACE TEMP TABLE texts AS SELECT unnest($1::VARCHAR[]) AS v"
    connection.execute(sql, [texts])
    lines = csv_rows(connection, "SELECT 1 AS n, v FROM texts", guard=guard)
    rows = list(csv.reader(io.StringIO("\r\n".join(lines), newline="")))
    guarded = ("=", "+", "-", "@", "\t", "\r", "\0")
    expected = [
        "'" + text if guard and text.startswith(guarded) else text
        for text in (text or "" for text in texts)
    ]
    assert [text for _, text in rows] == expected


def test_a_csv_header_has_the_names() -> None:
    assert csv_header(["a", "b c", 'd"', "=e"], guard=True) == 'a,b c,"d""",\'=e'
    assert csv_header(["=e"], guard=False) == "=e"

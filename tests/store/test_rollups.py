"""rollups.py: partial results are merged exactly, and finished as DuckDB writes them."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal

import pytest

from headrace.engines.duckdb import open_duckdb
from headrace.engines.text_rows import json_sql
from headrace.store.rollups import (
    Merger,
    block_part,
    double_text,
    pack,
    unpack,
)
from headrace.store.snapshots import KeyPart, Rollup, RollupField
from tests.keyed import columns

FIELDS = (
    RollupField("group", 0, "VARCHAR"),
    RollupField("sum", 0, "DECIMAL(38,2)"),
    RollupField("sum", 1, "HUGEINT"),
    RollupField("count", 2, "BIGINT"),
    RollupField("min", 3, "DATE"),
    RollupField("max", 4, "DATE"),
    RollupField("avg", 5, "DOUBLE"),
)
ROLLUP = Rollup((KeyPart("VARCHAR"),), FIELDS, monotone=False)
COLUMNS = columns(a="VARCHAR", b="DECIMAL(38,2)", c="HUGEINT", d="BIGINT") + columns(
    e="DATE", f="DATE", **{'g"': "DOUBLE"}
)
EMPTY = ['"x"', None, None, 0, None, "null", None, "null", None, 0]
FULL = ['"x"', -5, 2**80, 3, b"1", '"2024"', b"2", '"2025"', 7, 2]
MORE = ['"x"', 105, -1, 1, b"0", '"1999"', b"3", '"2030"', 3, 1]


@pytest.mark.parametrize(
    ("one", "other", "row"),
    [
        (
            EMPTY,
            EMPTY,
            rb'{"a":"x","b":null,"c":null,"d":0,"e":null,"f":null,"g\"":null}',
        ),
        (
            EMPTY,
            FULL,
            (
                rb'{"a":"x","b":-0.05,"c":1208925819614629174706176,"d":3,"e":"2024","f":"2025",'
                rb'"g\"":3.5}'
            ),
        ),
        (
            FULL,
            MORE,
            (
                rb'{"a":"x","b":1.00,"c":1208925819614629174706175,"d":4,"e":"1999","f":"2030",'
                rb'"g\"":3.3333333333333335}'
            ),
        ),
    ],
)
def test_merged_states_give_the_row(one: list[object], other: list[object], row: bytes) -> None:
    merger = Merger.of(ROLLUP, COLUMNS)
    assert merger.row([one, other]) == row
    assert merger.row([merger.merged([other, EMPTY]), merger.merged([one])]) == row


def test_states_are_read_as_they_were_written() -> None:
    for states in (EMPTY, FULL, [-(2**63), 2**64 - 1, 2**64, -(2**63) - 1, b"", "x", None]):
        assert unpack(pack(7, states)) == (7, states)
        assert unpack(pack(0, states)) == (0, states)


def test_blocks_are_found_in_the_order_of_the_first_group() -> None:
    descending = Rollup((KeyPart("VARCHAR", descending=True),), (), monotone=True)
    assert block_part(descending, KeyPart("DATE")) == KeyPart("DATE", descending=True)
    assert block_part(Rollup((), (), monotone=True), KeyPart("DATE")) == KeyPart("DATE")


def test_doubles_are_written_as_duckdb_writes_them() -> None:
    chance = random.Random(1)
    values = [struct.unpack("d", chance.randbytes(8))[0] for _ in range(2000)]
    values += [chance.random() * 10.0 ** chance.randint(-12, 25) for _ in range(2000)]
    values += [0.0, -0.0, 1.0, 1e21, 1e22, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308]
    values = [value for value in [*values, 123456789012345680000.0] if math.isfinite(value)]
    with open_duckdb({}) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT unnest($1::DOUBLE[]) AS x", [values])
        found = connection.execute(f"SELECT {json_sql('x', 'DOUBLE')} FROM numbers").fetchall()
    assert [text for (text,) in found] == [double_text(value) for value in values]


@pytest.mark.parametrize("scale", [0, 1, 2, 10])
def test_decimals_are_written_with_every_digit(scale: int) -> None:
    field = RollupField("sum", 0, f"DECIMAL(38,{scale})")
    merger = Merger.of(Rollup((), (field,), monotone=False), columns(a=field.type))
    for number in (0, 1, -1, 10, -12345678901234567890):
        expected = format(Decimal(number).scaleb(-scale), "f")
        assert merger.row([[number]]) == f'{{"a":{expected}}}'.encode()


def test_averages_of_integers_are_duckdbs() -> None:
    with open_duckdb({}) as connection:
        found = connection.execute(
            "SELECT avg(x), sum(x)::BIGINT, count(x) FROM (SELECT hash(i) % 9000 AS g,"
            " CAST(hash(i, 1) % 4294967296 AS BIGINT) - 2147483648 AS x FROM range(60000) AS t(i))"
            " GROUP BY g"
        ).fetchall()
    assert len(found) > 8000
    assert [average for average, _, _ in found] == [total / count for _, total, count in found]

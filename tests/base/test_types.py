"""A type that a user may write is one that DuckDB knows; anything else is refused with a hint."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.names import quote
from headrace.base.types import SCALAR_TYPES, is_numeric, is_single, literal, parse_type, spelt

KNOWN = (
    "known types: bigint, blob, bool, boolean, date, datetime, decimal, double, double precision,"
    " float, int, integer, json, map, numeric, real, smallint, string, struct, text, time,"
    " timestamp, timestamp with time zone, timestamptz, tinyint, ubigint, uinteger, usmallint,"
    " utinyint, uuid, varchar"
)
NO_LENGTH = (
    "'varchar(' is not a type; write `varchar`; where its length matters, add a rule such as"
    " `pattern: '.{0,10}'`"
)

field_names = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]) | st.just(" "),
    min_size=1,
    max_size=5,
)
decimals = st.integers(1, 38).flatmap(
    lambda width: st.integers(0, width).map(lambda scale: f"decimal({width}, {scale})")
)


def structs(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.lists(field_names, min_size=1, max_size=3, unique_by=str.casefold)
    return names.flatmap(
        lambda chosen: st.tuples(*[inner] * len(chosen)).map(
            lambda types: (
                "struct("
                + ", ".join(
                    f"{quote(name)} {text}" for name, text in zip(chosen, types, strict=True)
                )
                + ")"
            )
        )
    )


user_types = st.recursive(
    st.sampled_from(sorted(SCALAR_TYPES)) | decimals,
    lambda inner: (
        inner.map(lambda text: f"{text}[]")
        | structs(inner)
        | st.tuples(inner, inner).map(lambda both: f"Map ({both[0]},{both[1]})")
    ),
    max_leaves=4,
)
almost_types = st.lists(
    st.sampled_from([*SCALAR_TYPES, *"()[],\"' \n", "struct", "map", "decimal", "a", "12", "é"]),
    max_size=12,
).map("".join)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int", "INTEGER"),
        ("  BigInt ", "BIGINT"),
        ("Timestamp  With\nTime Zone", "TIMESTAMP WITH TIME ZONE"),
        ("double precision", "DOUBLE"),
        ("datetime", "TIMESTAMP"),
        ("decimal", "DECIMAL(18,3)"),
        ("numeric(5)", "DECIMAL(5,0)"),
        ("decimal ( 12 , 2 )", "DECIMAL(12,2)"),
        ("decimal(38,38)", "DECIMAL(38,38)"),
        ("int[]", "INTEGER[]"),
        ("decimal(4,1) [ ] []", "DECIMAL(4,1)[][]"),
        ("struct(a int)", 'STRUCT("a" INTEGER)'),
        ("struct(select int, B text[])[]", 'STRUCT("select" INTEGER, "B" VARCHAR[])[]'),
        ('struct("a, (b)" int, "x""y" json)', 'STRUCT("a, (b)" INTEGER, "x""y" JSON)'),
        ("struct(a struct(b decimal(5,2)))", 'STRUCT("a" STRUCT("b" DECIMAL(5,2)))'),
        ("struct(at timestamp with time zone)", 'STRUCT("at" TIMESTAMP WITH TIME ZONE)'),
        ("map(varchar, int[])[]", "MAP(VARCHAR, INTEGER[])[]"),
        ("int" + "[]" * 20, "INTEGER" + "[]" * 20),
    ],
)
def test_a_type_is_read_whatever_its_case_and_spaces(text: str, expected: str) -> None:
    assert parse_type(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' is not a type; {KNOWN}"),
        ("foo", f"'foo' is not a type; {KNOWN}"),
        ("foo(3)", f"'foo' is not a type; {KNOWN}"),
        ("[]", f"'[' is not a type; {KNOWN}"),
        ("intteger", "'intteger' is not a type; did you mean `integer`?"),
        ("char", "'char' is not a type; did you mean `varchar`?"),
        ("structure(a int)", "'structure' is not a type; did you mean `struct`?"),
        ("struct", "'struct' is not a type; write `struct(name type, …)`"),
        ("map", "'map' is not a type; write `map(key type, value type)`"),
        ("map(int)", "'map(integer)' is not a map; expected `map(key type, value type)`"),
        ("int)", "'int)' is not a type; expected a `)` for each `(`"),
        ("struct(a int", "'struct(a int' is not a type; expected a `)` for each `(`"),
        ("int, text", "'int, text' is not a type; expected nothing after `integer`"),
        ("int[3]", "'3' is not part of a type here; expected `]`"),
        ("int[", "'the end' is not part of a type here; expected `]`"),
        ("struct()", "')' is not a struct field; expected `name type`"),
        ("struct(a)", "'a' is not a struct field; expected `name type`"),
        ("struct(a, b int)", "'a' is not a struct field; expected `name type`"),
        ('struct("" int)', "'' is not a struct field; expected `name type`"),
        ('struct("a\x00" int)', r"'a\x00' is not a struct field; expected `name type`"),
        ("struct(1a int)", "'1a' is not a struct field; expected `name type`"),
        ("struct(a int, A text)", "'A' is not a struct field; expected each name once"),
        ('struct(a"b int)', f"'\"' is not a type; {KNOWN}"),
        ("varchar(10)", NO_LENGTH),
        ("time(3)", "'time(' is not a type; write `time`"),
        ("hugeint", "'hugeint' is not a type; use `bigint`, or `decimal(38,0)`"),
        ("interval", "'interval' is not a type; use a number of seconds: `double`, or `bigint`"),
        ("map(int, timetz)", "'timetz' is not a type; use `time`, or `timestamptz`"),
        ("timestamp_ns[]",
         "'timestamp_ns' is not a type; use `timestamp`, which holds microseconds"),
        ("int" + "[]" * 21, f"{'int' + '[]' * 21!r} is not a type; expected at most 20 levels"),
    ],
)  # fmt: skip
def test_what_is_no_type_is_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- the whole text is compared below
        parse_type(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "inside", ["39,2", "5,6", "0", "", "1,2,3", "-1", "5,", "x", "٣", "9" * 5000]
)
def test_a_decimal_that_duckdb_would_refuse_is_refused(inside: str) -> None:
    with pytest.raises(ValueError, match=r"expected (1 <= width <= 38 and scale <= width|`\)`)$"):
        parse_type(f"decimal({inside})")


@pytest.mark.parametrize(
    "text",
    [
        "int" + "[]" * 5000,
        "struct(a " * 5000 + "int" + ")" * 5000,
        "struct(a " * 5000,
        ")" * 5000 + "struct(a " * 5000,
        "map(int, " * 15 + "int" + "[]" * 6 + ")" * 15,
    ],
)
def test_a_type_nested_without_end_is_refused_and_not_a_crash(text: str) -> None:
    with pytest.raises(ValueError, match="is not a type; expected "):
        parse_type(text)


def test_levels_are_counted_in_depth_and_not_in_breadth() -> None:
    wide = ", ".join(f"c{number} decimal(4,1)[]" for number in range(50))
    assert parse_type(f"struct({wide})").count("DECIMAL") == 50


@given(st.text() | almost_types)
def test_any_other_text_is_refused_with_a_value_error_and_nothing_else(text: str) -> None:
    try:
        parsed = parse_type(text)
    except ValueError:
        return
    assert parse_type(parsed) == parsed


@given(user_types)
def test_what_a_type_is_read_as_reads_as_itself(text: str) -> None:
    parsed = parse_type(text)
    assert parse_type(parsed) == parsed


@given(user_types | almost_types)
def test_whatever_is_accepted_duckdb_knows_by_that_name(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    try:
        parsed = parse_type(text)
    except ValueError:
        return
    rows = connection.execute(f"DESCRIBE SELECT CAST(NULL AS {parsed}) AS value").fetchall()
    assert parse_type(rows[0][1]) == parsed


@pytest.mark.parametrize("text", [*SCALAR_TYPES, "decimal(12,2)"])
def test_scalars_are_spelt_exactly_as_duckdb_spells_them(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    rows = connection.execute(f"DESCRIBE SELECT CAST(NULL AS {parse_type(text)})").fetchall()
    assert rows[0][1] == parse_type(text)


@pytest.mark.parametrize(
    ("type_name", "numeric"),
    [
        ("BIGINT", True),
        ("UTINYINT", True),
        ("HUGEINT", True),
        ("DOUBLE", True),
        ("DECIMAL(12,2)", True),
        ("DECIMAL(12,2)[]", False),
        ("VARCHAR", False),
        ("BOOLEAN", False),
        ("INTEGER[]", False),
        ("INTERVAL", False),
    ],
)
def test_numbers_are_told_from_lists_of_numbers(type_name: str, numeric: bool) -> None:
    assert is_numeric(type_name) is numeric


def test_a_value_is_spelt_as_in_its_file_and_quoted_for_sql() -> None:
    assert [spelt(value) for value in (True, 1, 0.5, "it's")] == ["true", "1", "0.5", "it's"]
    assert literal("it's", "VARCHAR") == "CAST('it''s' AS VARCHAR)"
    assert literal(True, "BOOLEAN") == "CAST('true' AS BOOLEAN)"
    assert literal(None, "DATE") == "NULL"


@pytest.mark.parametrize(
    ("type_name", "single"),
    [
        ("INTEGER", True),
        ("DECIMAL(12,2)", True),
        ("VARCHAR", True),
        ("BOOLEAN", True),
        ("DATE", True),
        ("TIMESTAMP WITH TIME ZONE", True),
        ("TIMESTAMP_NS", True),
        ("UUID", True),
        ("BLOB", True),
        ("INTEGER[]", False),
        ("DECIMAL(12,2)[]", False),
        ("STRUCT(a INTEGER)", False),
        ("MAP(VARCHAR, INTEGER)", False),
        ("JSON", False),
        ("INTERVAL", False),
        ("ENUM('a', 'b')", False),
    ],
)
def test_what_is_one_value_is_told_from_what_holds_many(type_name: str, single: bool) -> None:
    assert is_single(type_name) is single

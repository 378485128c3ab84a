"""Typed parameters: everything that is wrong at once, in words that say what to send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.tables import Column
from headrace.serve.answering.problems import Refused
from headrace.serve.asking.parameters import ParameterReader, Values, parse_query
from headrace.store.snapshots import Parameter
from tests.serve.shop import BY_STORE, endpoint


def reader_of(*parameters: Parameter, max_limit: int = 100) -> ParameterReader:
    return ParameterReader.of(
        endpoint("SELECT 1", (Column("x", "INTEGER"),), *parameters, max_limit=max_limit)
    )


def query(name: str, type_name: str, **rules: Any) -> Parameter:
    return Parameter(name, "query", type_name, required=False, **rules)


def read(reader: ParameterReader, text: str = "", **path: str) -> Values:
    return reader.read(path, parse_query(text.encode()))


def errors(reader: ParameterReader, text: str = "", **path: str) -> list[tuple[str, str, str]]:
    with pytest.raises(Refused) as caught:
        read(reader, text, **path)
    answer = caught.value.answer
    assert answer.status == 422
    body = json.loads(answer.body)
    assert body["type"] == "urn:headrace:problem:parameters"
    return [(each["parameter"], each["found"], each["expected"]) for each in body["errors"]]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    reader = ParameterReader.of(BY_STORE)
    assert errors(reader, "sinse=2024-01-01&limit=0&since=soon", store_id="-1") == [
        ("sinse", "there is no such parameter here", "did you mean `since`?"),
        ("store_id", "'-1'", "0 or more"),
        ("since", "'soon'", "a date such as 2024-03-01"),
        ("limit", "'0'", "1 or more"),
    ]


def test_values_are_typed_and_defaults_filled_in() -> None:
    values = read(ParameterReader.of(BY_STORE), "limit=7&offset=3", store_id="12")
    assert (values.limit, values.offset) == (7, 3)
    assert values.bound["store_id"] == 12
    assert values.key == "2:1210:2024-01-011:71:3"


def test_a_default_and_the_same_value_given_are_one() -> None:
    reader = ParameterReader.of(BY_STORE)
    given = read(reader, "since=2024-01-01&offset=0", store_id="1")
    assert given.key == read(reader, store_id="1").key


def test_other_values_give_another_key_however_they_are_cut() -> None:
    reader = reader_of(
        Parameter("a", "query", "VARCHAR[]", required=False),
        Parameter("b", "query", "VARCHAR", required=False),
    )
    queries = ["", "a=", "a=x&a=y", "a=xy", "a=x&b=y", "b=xy", "b=x1:y", "a=x1:y", "b=-", "a=-"]
    keys = [read(reader, query).key for query in queries]
    assert len(set(keys)) == len(queries)


def test_a_missing_parameter_says_what_it_must_be() -> None:
    reader = reader_of(Parameter("day", "query", "DATE", required=True))
    assert errors(reader) == [("day", "it is missing", "a date such as 2024-03-01")]


def test_a_parameter_is_given_once() -> None:
    assert errors(reader_of(query("x", "INTEGER")), "x=1&x=2") == [
        ("x", "it is given 2 times", "it once")
    ]


def test_a_list_is_given_by_repeating_it() -> None:
    reader = reader_of(query("ids", "INTEGER[]", max=9))
    assert read(reader, "ids=3&ids=1").bound == {"ids": [3, 1]}
    assert read(reader).bound == {"ids": None}
    assert errors(reader, "ids=3&ids=x&ids=10") == [
        ("ids", "'x'", "an integer from -2147483648 to 2147483647"),
        ("ids", "'10'", "9 or less"),
    ]


def test_rules_of_the_contract_hold() -> None:
    reader = reader_of(
        query("status", "VARCHAR", enum=("open", "done")),
        query("code", "VARCHAR", pattern="[A-Z]{3}"),
        query("day", "DATE", min="2024-01-01", max="2024-12-31"),
        query("level", "INTEGER", enum=(1, 2)),
    )
    assert errors(reader, "status=new&code=ABCD&day=2025-01-01&level=3") == [
        ("status", "'new'", "one of open, done"),
        ("code", "'ABCD'", "a text that matches [A-Z]{3}"),
        ("day", "'2025-01-01'", "2024-12-31 or less"),
        ("level", "'3'", "one of 1, 2"),
    ]
    bound = read(reader, "status=done&code=ABC&day=2024-12-31&level=2").bound
    assert [str(value) for value in bound.values()] == ["done", "ABC", "2024-12-31", "2"]


@pytest.mark.parametrize("text", ["limit=101", "limit=-1", "limit=9223372036854775808", "limit="])
def test_a_limit_has_its_cap(text: str) -> None:
    [(parameter, _, _)] = errors(reader_of(), text)
    assert parameter == "limit"


def test_offsets_beyond_what_sql_holds_are_refused() -> None:
    assert errors(reader_of(), f"offset={2**63}") == [
        ("offset", f"'{2**63}'", f"an integer from {-(2**63)} to {2**63 - 1}")
    ]


def test_a_query_with_its_own_limit_has_no_other() -> None:
    reader = reader_of(query("limit", "INTEGER", default=5), max_limit=0)
    assert read(reader, "limit=9").bound == {"limit": 9}
    assert errors(reader, "offset=1") == [
        ("offset", "there is no such parameter here", "one of `limit`, `fields`")
    ]


def test_a_long_text_is_cut_short_in_the_answer() -> None:
    [(_, found, _)] = errors(reader_of(query("x", "INTEGER")), "x=" + "9" * 5000)
    assert found == f"'{'9' * 80}'… (5000 characters)"


def test_a_query_string_is_decoded_strictly() -> None:
    assert parse_query(b"a=1+2&b=%2B&c&&d=%C3%A9=") == [
        ("a", "1 2"),
        ("b", "+"),
        ("c", ""),
        ("d", "é="),
    ]
    for text in (b"a=%ff", b"%ff=1", b"a=\xff", b"a=%ed%a0%80"):
        with pytest.raises(Refused) as caught:
            parse_query(text)
        assert caught.value.answer.status == 400


def test_a_million_parameters_are_refused_before_they_are_read() -> None:
    with pytest.raises(Refused) as caught:
        parse_query(b"&" * 1_000_000)
    assert json.loads(caught.value.answer.body)["detail"] == (
        "The URL has more than 200 query parameters."
    )


def test_a_default_that_is_no_value_of_its_type_is_not_served() -> None:
    with pytest.raises(ValueError, match="a date such as 2024-03-01"):
        reader_of(query("day", "DATE", default="today"))


EVERY_TYPE = [
    "BOOLEAN", "TINYINT", "UBIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL(38,10)", "VARCHAR",
    "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID", "JSON", "BLOB", "INTEGER[]",
]  # fmt: skip


@given(st.sampled_from(EVERY_TYPE), st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(type_name: str, raw: bytes) -> None:
    reader = reader_of(query("x", type_name, pattern="[^q]*"))
    try:
        values = reader.read({}, parse_query(b"x=" + raw))
        status = 200 if set(values.bound) == {"x"} else 500
    except Refused as refused:
        status = refused.answer.status
    assert status in (200, 400, 422)

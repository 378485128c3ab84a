"""Rows as JSON, NDJSON and CSV: every digit, every NULL, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.formats import Csv, Json, MediaRanges, Ndjson, formats

FORMATS = formats(csv_formula_guard=True)
NAMES = ["a", "b"]


def text_of(form: Json | Ndjson | Csv, *rows: tuple[object, ...]) -> str:
    pieces = [form.start(NAMES), form.rows(NAMES, rows, first=True), form.end()]
    return b"".join(pieces).decode()


def test_json_is_an_array_of_objects() -> None:
    assert text_of(Json(), (1, "x"), (None, True)) == '[{"a":1,"b":"x"},{"a":null,"b":true}]\n'
    assert text_of(Json()) == "[]\n"


def test_json_in_pieces_is_one_array() -> None:
    form = Json()
    pieces = [
        form.start(NAMES),
        form.rows(NAMES, [(1, 2)], first=True),
        form.rows(NAMES, [(3, 4)], first=False),
        form.rows(NAMES, [], first=False),
        form.end(),
    ]
    assert json.loads(b"".join(pieces)) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_ndjson_is_an_object_a_line() -> None:
    assert text_of(Ndjson(), (1, "x\ny"), (2, None)) == ('{"a":1,"b":"x\\ny"}\n{"a":2,"b":null}\n')
    assert text_of(Ndjson()) == ""


@pytest.mark.parametrize(
    ("value", "as_json", "as_csv"),
    [
        (Decimal("0.10"), "0.10", "0.10"),
        (Decimal("0E-10"), "0E-10", "0.0000000000"),
        (2**63, "9223372036854775808", "9223372036854775808"),
        (2**127, str(2**127), str(2**127)),
        (float("nan"), "null", ""),
        (float("inf"), "null", ""),
        (1e300, "1e300", "1e+300"),
        (False, "false", "false"),
        (date(2024, 3, 1), '"2024-03-01"', "2024-03-01"),
        (
            datetime.fromisoformat("2024-03-01T12:00"),
            '"2024-03-01T12:00:00"',
            "2024-03-01T12:00:00",
        ),
        (datetime(2024, 3, 1, 12, tzinfo=UTC), '"2024-03-01T12:00:00Z"', "2024-03-01T12:00:00Z"),
        (b"\x00\xff", '"AP8="', "AP8="),
        (UUID(int=1), f'"{UUID(int=1)}"', str(UUID(int=1))),
        ([1, None], "[1,null]", '"[1,null]"'),
        ({"k": Decimal("1.50")}, '{"k":1.50}', '"{""k"":1.50}"'),
        (None, "null", ""),
        ("", '""', '""'),
    ],
)
def test_every_value_has_one_encoding(value: object, as_json: str, as_csv: str) -> None:
    assert text_of(Json(), (1, value)) == f'[{{"a":1,"b":{as_json}}}]\n'
    assert text_of(Csv(), (1, value)) == f"a,b\r\n1,{as_csv}\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\0x"])
def test_csv_keeps_formulas_from_spreadsheets(text: str) -> None:
    [_, [_, guarded]] = csv.reader(io.StringIO(text_of(Csv(), (1, text)), newline=""))
    assert guarded == "'" + text
    [_, [_, exact]] = csv.reader(io.StringIO(text_of(Csv(guard=False), (1, text)), newline=""))
    assert exact == text


def test_csv_leaves_negative_numbers_alone() -> None:
    assert text_of(Csv(), (-1, Decimal("-2.5"))) == "a,b\r\n-1,-2.5\r\n"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_csv_and_ndjson_give_every_text_back(rows: list[tuple[str, str]]) -> None:
    written = text_of(Csv(guard=False), *rows)
    assert [tuple(row) for row in csv.reader(io.StringIO(written, newline=""))][1:] == rows
    lines = text_of(Ndjson(), *rows).split("\n")[:-1]
    assert [tuple(json.loads(line).values()) for line in lines] == rows


def test_a_lone_null_is_a_row_in_csv() -> None:
    assert Csv().rows(["a"], [(None,), (1,)], first=True) == b'""\r\n1\r\n'


@pytest.mark.parametrize(
    ("accept", "ending"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("application/json;q=0.5, text/csv", "csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("text/*", "csv"),
        ("*/*;q=0.1, application/json;q=0", "ndjson"),
        ("application/ndjson", "ndjson"),
        ("TEXT/CSV ; Q=1", "csv"),
        ("text/html", None),
        ("*/*;q=NaN", None),
        ("application/json;q=2", None),
        (",;,;q=,", None),
    ],
)
def test_accept_is_weighed(accept: str, ending: str | None) -> None:
    chosen = FORMATS.by_accept(accept)
    assert (chosen.ending if chosen else None) == ending


@given(st.text())
def test_no_accept_header_breaks_anything(accept: str) -> None:
    assert 0 <= MediaRanges.parse(accept).quality("application/json") <= 1


@pytest.mark.parametrize(
    ("segment", "stem", "ending"),
    [
        ("daily.csv", "daily", "csv"),
        ("a.b.json", "a.b", "json"),
        ("daily", "daily", None),
        ("daily.xml", "daily.xml", None),
        (".csv", ".csv", None),
    ],
)
def test_an_ending_asks_for_a_format(segment: str, stem: str, ending: str | None) -> None:
    found, form = FORMATS.by_ending(segment)
    assert (found, form.ending if form else None) == (stem, ending)

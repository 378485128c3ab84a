"""Formats of an answer: how one is chosen, and that each gives every row, whole and exact."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zipfile import ZipFile

import duckdb
import msgspec
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines.duckdb import described, open_duckdb
from headrace.serve.answering.problems import Refused
from headrace.serve.formats import workbooks
from headrace.serve.formats.forms import Ending, Form, MediaRanges, chosen_form, formats, pieces

FORMATS = formats(csv_formula_guard=True)
ROWS = "SELECT range AS a, 'x' || range AS b FROM range(2)"
NONE = "SELECT 1 AS a, 'x' AS b WHERE false"
# One column of each kind that the formats write in different ways.
MIXED = """
    SELECT
        range AS id, 'n' || range AS name, (range * 0.25)::DECIMAL(12,2) AS amount,
        range / 7::DOUBLE AS ratio, DATE '2024-01-01' + range::INTEGER AS day,
        TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(range) AS at,
        range % 2 = 0 AS even, nullif(range % 3, 0) AS gap, [range, NULL] AS list
    FROM range({rows})
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_duckdb({"threads": 1}) as opened:
        yield opened


def given_pieces(
    connection: duckdb.DuckDBPyConnection, sql: str, form: Form, **parameters: object
) -> Iterator[bytes]:
    values = {name: f"${name}" for name in parameters}
    plain = sql
    for name, marker in values.items():
        plain = plain.replace(marker, repr(parameters[name]))
    return pieces(connection, sql, parameters, described(connection, plain), form)


def whole(connection: duckdb.DuckDBPyConnection, sql: str, form: Form) -> bytes:
    return b"".join(given_pieces(connection, sql, form))


def every_form() -> list[Form]:
    return list(FORMATS.forms)


@pytest.mark.parametrize(
    ("form", "rows", "none"),
    [
        (Form("json"), '[{"a":0,"b":"x0"},{"a":1,"b":"x1"}]\n', "[]\n"),
        (Form("json", numbers="text"), '[{"a":"0","b":"x0"},{"a":"1","b":"x1"}]\n', "[]\n"),
        (Form("json", "columns"), '{"a":[0,1],"b":["x0","x1"]}\n', '{"a":[],"b":[]}\n'),
        (
            Form("json", "arrays"),
            '{"columns":["a","b"],"rows":[[0,"x0"],[1,"x1"]]}\n',
            '{"columns":["a","b"],"rows":[]}\n',
        ),
        (Form("ndjson"), '{"a":0,"b":"x0"}\n{"a":1,"b":"x1"}\n', ""),
        (Form("csv"), "a,b\r\n0,x0\r\n1,x1\r\n", "a,b\r\n"),
    ],
)
def test_texts_are_as_documented(
    connection: duckdb.DuckDBPyConnection, form: Form, rows: str, none: str
) -> None:
    assert whole(connection, ROWS, form).decode() == rows
    assert whole(connection, NONE, form).decode() == none


@pytest.mark.parametrize("rows", [0, 1, 2047, 2048, 2049, 30_000])
def test_every_format_has_every_row(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Of answers that end within a batch of DuckDB's, at its end, and after several."""
    sql = MIXED.format(rows=rows)
    ids = list(range(rows))
    by_row = json.loads(whole(connection, sql, Form("json")))
    assert [row["id"] for row in by_row] == ids
    arrays = json.loads(whole(connection, sql, Form("json", "arrays")))
    assert [dict(zip(arrays["columns"], row, strict=True)) for row in arrays["rows"]] == by_row
    columns = json.loads(whole(connection, sql, Form("json", "columns")))
    names = list(columns)
    assert [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)] == (
        by_row
    )
    lines = whole(connection, sql, Form("ndjson")).decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == by_row
    text = whole(connection, sql, Form("csv")).decode()
    assert [int(row["id"]) for row in csv.DictReader(io.StringIO(text, newline=""))] == ids


@pytest.mark.parametrize("rows", [0, 1, 2049, 30_000])
def test_arrow_and_parquet_keep_types_and_values(
    connection: duckdb.DuckDBPyConnection, rows: int
) -> None:
    sql = MIXED.format(rows=rows)
    stream = pa.ipc.open_stream(whole(connection, sql, Form("arrow"))).read_all()
    file = pq.read_table(io.BytesIO(whole(connection, sql, Form("parquet"))))
    expected = connection.sql(sql).to_arrow_table()
    assert stream.equals(expected)
    assert file.to_pylist() == expected.to_pylist()
    assert [(field.name, str(field.type)) for field in stream.schema][:7] == [
        ("id", "int64"),
        ("name", "string"),
        ("amount", "decimal128(12, 2)"),
        ("ratio", "double"),
        ("day", "date32[day]"),
        ("at", "timestamp[us, tz=UTC]"),
        ("even", "bool"),
    ]


def test_an_arrow_stream_has_nothing_where_a_null_is(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """DuckDB leaves there what was in memory before: parts of other answers."""
    sql = "SELECT CASE WHEN range % 2 = 0 THEN range + 1000 END AS n FROM range(4000)"
    batch = pa.ipc.open_stream(whole(connection, sql, Form("arrow"))).read_next_batch()
    values = batch.column(0).buffers()[1].to_pybytes()
    assert {values[8 * row : 8 * row + 8] for row in range(1, 4000, 2)} == {bytes(8)}


def test_what_arrow_and_parquet_have_no_type_for_is_text(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = """
        SELECT 'a'::ENUM ('a') AS choice, '101'::BIT AS bits, TIMETZ '12:00:00+02' AS zoned,
            uuid '123e4567-e89b-12d3-a456-426614174000' AS id, '{"k": 1}'::JSON AS json,
            union_value(n := 1) AS either, 170141183460469231731687303715884105::HUGEINT AS huge,
            INTERVAL '1 month' AS span
    """
    [stream] = pa.ipc.open_stream(whole(connection, sql, Form("arrow"))).read_all().to_pylist()
    [file] = pq.read_table(io.BytesIO(whole(connection, sql, Form("parquet")))).to_pylist()
    assert file == {
        "choice": "a",
        "bits": "101",
        "zoned": "12:00:00+02:00",
        "id": "123e4567-e89b-12d3-a456-426614174000",
        "json": '{"k": 1}',
        "either": "1",
        "huge": Decimal(170141183460469231731687303715884105),
        "span": "P1M",
    }
    assert {**stream, "span": "P1M"} == file
    assert tuple(stream["span"]) == (1, 0, 0)


def test_a_number_that_arrow_cannot_hold_is_refused(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """DuckDB would give Arrow a number of 39 digits in a type of 38."""
    with pytest.raises(duckdb.ConversionException):
        whole(connection, f"SELECT {2**127 - 1}::HUGEINT AS n", Form("arrow"))


def test_two_columns_may_have_one_name(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT 1 AS a, 2 AS a"
    assert whole(connection, sql, Form("json")) == b'[{"a":1,"a":2}]\n'
    assert whole(connection, sql, Form("csv")) == b"a,a\r\n1,2\r\n"
    assert pa.ipc.open_stream(whole(connection, sql, Form("arrow"))).schema.names == ["a", "a"]


def sheets_of(book: bytes) -> dict[str, list[tuple[object, ...]]]:
    read = openpyxl.load_workbook(io.BytesIO(book))
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in read}


def test_a_workbook_has_numbers_dates_and_texts(connection: duckdb.DuckDBPyConnection) -> None:
    sql = """
        SELECT 1 AS a, -0.50::DECIMAL(4,2) AS b, 1.5::DOUBLE AS c, 'nan'::DOUBLE AS d, true AS e,
            DATE '2024-03-01' AS f, TIMESTAMPTZ '2024-03-01 12:30:00+00' AS g,
            '<a> & "b"' AS h, NULL AS i, [1, NULL] AS j, TIME '12:30:00' AS k
    """
    header, row = sheets_of(whole(connection, sql, Form("xlsx")))["rows"]
    assert header == tuple("abcdefghijk")
    assert row[:6] == (1, -0.5, 1.5, "NaN", True, datetime(2024, 3, 1))
    assert row[6:] == (
        datetime(2024, 3, 1, 12, 30),
        '<a> & "b"',
        None,
        "[1,null]",
        "12:30:00",
    )


def test_a_workbook_has_as_text_what_a_spreadsheet_would_change(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = """
        SELECT 999999999999999 AS a, 1000000000000000 AS b, -1000000000000000::HUGEINT AS c,
            1234567890123.45::DECIMAL(20,2) AS d, 12345678901234.56::DECIMAL(20,2) AS e,
            DATE '1900-02-28' AS f, DATE 'infinity' AS g, '=1+1' AS h
    """
    _, row = sheets_of(whole(connection, sql, Form("xlsx")))["rows"]
    assert row == (
        999999999999999,
        "1000000000000000",
        "-1000000000000000",
        1234567890123.45,
        "12345678901234.56",
        "1900-02-28",
        "infinity",
        "=1+1",
    )


def test_a_text_in_a_workbook_is_no_formula(connection: duckdb.DuckDBPyConnection) -> None:
    book = openpyxl.load_workbook(io.BytesIO(whole(connection, "SELECT '=1+1' AS a", Form("xlsx"))))
    assert book["rows"]["A2"].data_type == "s"


def test_characters_that_xml_has_not_are_spelt(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT 'a' || chr(0) || chr(13) || chr(10) || '_x0041_' AS a, '_x' AS b"
    with ZipFile(io.BytesIO(whole(connection, sql, Form("xlsx")))) as file:
        sheet = file.read("xl/worksheets/sheet1.xml").decode()
    assert "a_x0000__x000D_\n_x005F_x0041_<" in sheet
    assert ">_x<" in sheet


def test_rows_that_no_sheet_holds_go_to_the_next(
    connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "_SHEET_ROWS", 2049)
    sql = "SELECT range AS n FROM range({})"
    full = sheets_of(whole(connection, sql.format(2048), Form("xlsx")))
    assert {name: len(rows) for name, rows in full.items()} == {"rows": 2049}
    more = sheets_of(whole(connection, sql.format(5000), Form("xlsx")))
    assert [rows[0] for rows in more.values()] == [("n",)] * 3
    assert [n for rows in more.values() for (n,) in rows[1:]] == list(range(5000))


def test_no_rows_are_a_header_in_a_workbook(connection: duckdb.DuckDBPyConnection) -> None:
    assert sheets_of(whole(connection, NONE, Form("xlsx"))) == {"rows": [("a", "b")]}


@pytest.mark.parametrize("form", every_form(), ids=repr)
def test_the_same_rows_have_the_same_bytes(
    connection: duckdb.DuckDBPyConnection, form: Form
) -> None:
    sql = MIXED.format(rows=3000)
    assert whole(connection, sql, form) == whole(connection, sql, form)


@pytest.mark.parametrize("form", every_form(), ids=repr)
def test_nothing_runs_before_the_first_piece(
    connection: duckdb.DuckDBPyConnection, form: Form
) -> None:
    sql = "SELECT error('it ran')::VARCHAR AS a"
    made = pieces(connection, sql, {}, described(connection, "SELECT 'x' AS a"), form)
    with pytest.raises(duckdb.Error, match="it ran"):
        b"".join(made)


@pytest.mark.parametrize("form", every_form(), ids=repr)
def test_an_error_on_the_way_is_one_of_duckdb(
    connection: duckdb.DuckDBPyConnection, form: Form
) -> None:
    sql = "SELECT (CASE WHEN range = 99999 THEN 'x' ELSE '1' END)::INTEGER AS a FROM range(100000)"
    with connection.cursor() as cursor, pytest.raises(duckdb.ConversionException):
        b"".join(given_pieces(cursor, sql, form))


@pytest.mark.parametrize("form", every_form(), ids=repr)
def test_parameters_are_bound(connection: duckdb.DuckDBPyConnection, form: Form) -> None:
    sql = "SELECT range AS a FROM range(5000) WHERE range < $below"
    bound = b"".join(given_pieces(connection, sql, form, below=7))
    assert bound == whole(connection, sql.replace("$below", "7"), form)


@pytest.mark.parametrize("ending", ["json", "ndjson", "csv", "arrow", "parquet", "xlsx"])
def test_memory_does_not_grow_with_the_answer(
    connection: duckdb.DuckDBPyConnection, ending: Ending
) -> None:
    made = given_pieces(connection, MIXED.format(rows=200_000), Form(ending))
    sizes = [len(next(made))]
    tracemalloc.start()
    try:
        sizes += [len(piece) for piece in made]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8_000_000
    assert sum(sizes) > 1_000_000
    assert max(sizes) <= 1024 * 1024 * 2
    assert min(sizes[1:-1], default=65536) >= 65536


def test_wide_rows_come_in_pieces_of_bounded_size(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT repeat('x', 100000) AS a FROM range(3000)"
    sizes = [len(piece) for piece in given_pieces(connection, sql, Form("ndjson"))]
    assert sum(sizes) == 3000 * (100000 + len('{"a":""}\n'))
    assert max(sizes) <= 1024 * 1024


def test_a_form_is_told_in_plain_data() -> None:
    """A query process of its own is told the form of its answer."""
    form = Form("json", "arrays", numbers="text")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(form), type=Form) == form


@pytest.mark.parametrize(
    ("form", "query", "chosen", "rest"),
    [
        (Form("json"), [], Form("json"), []),
        (Form("json"), [("a", "1")], Form("json"), [("a", "1")]),
        (Form("json"), [("shape", "arrays")], Form("json", "arrays"), []),
        (
            Form("json"),
            [("numbers", "text"), ("a", "1"), ("shape", "columns")],
            Form("json", "columns", numbers="text"),
            [("a", "1")],
        ),
        (Form("ndjson"), [("numbers", "text")], Form("ndjson", numbers="text"), []),
        # What the endpoint calls so itself is the endpoint's.
        (Form("json"), [("shape", "arrays")], Form("json"), [("shape", "arrays")]),
    ],
)
def test_a_query_string_chooses_the_form(
    form: Form, query: list[tuple[str, str]], chosen: Form, rest: list[tuple[str, str]]
) -> None:
    own = {name for name, _ in rest}
    assert chosen_form(form, query, own) == (chosen, rest)
    # What was chosen stays chosen when the rest is asked again.
    assert chosen_form(chosen, rest, own) == (chosen, rest)


@pytest.mark.parametrize(
    ("form", "query", "errors"),
    [
        (
            Form("json"),
            [("shape", "cubes"), ("numbers", "")],
            [
                ("shape", "'cubes'", "one of rows, columns, arrays"),
                ("numbers", "''", "one of digits, text"),
            ],
        ),
        (
            Form("csv"),
            [("shape", "rows")],
            [("shape", "there is no such parameter for .csv", "it for .json")],
        ),
        (
            Form("parquet"),
            [("numbers", "text")],
            [("numbers", "there is no such parameter for .parquet", "it for .json and .ndjson")],
        ),
        (
            Form("json"),
            [("shape", "rows"), ("shape", "rows")],
            [("shape", "it is given twice", "it once")],
        ),
    ],
)
def test_a_form_that_there_is_not_is_refused(
    form: Form, query: list[tuple[str, str]], errors: list[tuple[str, str, str]]
) -> None:
    with pytest.raises(Refused) as refused:
        chosen_form(form, query, ())
    assert refused.value.answer.status == 422
    found = json.loads(refused.value.answer.body)["errors"]
    assert [(each["parameter"], each["found"], each["expected"]) for each in found] == errors


def test_forms_have_their_names() -> None:
    assert {form.ending: form.content_type for form in FORMATS.offered} == {
        "json": "application/json",
        "ndjson": "application/x-ndjson",
        "csv": "text/csv; charset=utf-8; header=present",
        "arrow": "application/vnd.apache.arrow.stream",
        "parquet": "application/vnd.apache.parquet",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
    assert [form.ending for form in FORMATS.offered if form.is_file] == [
        "csv",
        "arrow",
        "parquet",
        "xlsx",
    ]
    assert [form for form in FORMATS.forms if form.is_plain] == [Form("json")]


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
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("application/x-parquet", "parquet"),
        ("application/json;q=0.5, application/vnd.apache.parquet", "parquet"),
        ("application/*;q=0.5, application/vnd.apache.arrow.stream", "arrow"),
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
        ("daily.arrow", "daily", "arrow"),
        ("daily.parquet", "daily", "parquet"),
        ("daily.xlsx", "daily", "xlsx"),
        ("a.b.json", "a.b", "json"),
        ("daily", "daily", None),
        ("daily.xml", "daily.xml", None),
        (".csv", ".csv", None),
    ],
)
def test_an_ending_asks_for_a_format(segment: str, stem: str, ending: str | None) -> None:
    found, form = FORMATS.by_ending(segment)
    assert (found, form.ending if form else None) == (stem, ending)

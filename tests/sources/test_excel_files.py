"""Promises of Excel: a cell becomes the text of its type, and rows keep the sheet's numbers."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path

import pytest

from headrace.base.declarations import ColumnContract
from headrace.base.errors import SourceError
from headrace.sources.excel_files import cell_text
from tests.sources.reading_files import Loaded, contract, load, source

openpyxl = pytest.importorskip("openpyxl")

COLUMNS = (contract("a", "int"), contract("b"), contract("c", "date"))


def workbook(rows: Sequence[Sequence[object]], sheet: str = "Data") -> bytes:
    """A workbook with one sheet."""
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def loaded(root: Path, data: bytes, *columns: ColumnContract, **options: object) -> Loaded:
    """One workbook, read by a contract."""
    declared = source(*columns, files="a.xlsx", kind="excel", **options)
    return load(root, declared, {"a.xlsx": data})


def test_rows_are_read_by_the_names_of_the_header_and_empty_ones_are_none(tmp_path: Path) -> None:
    data = workbook(
        [
            ["c", "b", "a"],
            [datetime.fromisoformat("2024-01-01"), "x", 1],
            [],
            [date(2024, 1, 2), True, 1.5],
            [None, None, "q"],
            [None, None, 1, 4],
        ]
    )
    found = loaded(tmp_path, data, *COLUMNS)
    assert found.rows == [(1, "x", date(2024, 1, 1))]
    assert found.quarantine == [
        ("a.xlsx", 4, "2024-01-02\ttrue\t1.5\t", "a", "a: '1.5' is not an INTEGER"),
        ("a.xlsx", 5, "\t\tq\t", "a", "a: 'q' is not an INTEGER"),
        ("a.xlsx", 6, "\t\t1\t4", None, "4 cells, expected 3"),
    ]


def test_skip_and_no_header_take_columns_by_order(tmp_path: Path) -> None:
    data = workbook([["Report"], [1, "x"], [2, "y"]])
    found = loaded(tmp_path, data, *COLUMNS, header=False, skip=1)
    assert found.rows == [(1, "x", None), (2, "y", None)]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, None),
        ("", None),
        (True, "true"),
        (3, "3"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (datetime.fromisoformat("2024-01-01 10:00:00.5"), "2024-01-01 10:00:00.500000"),
        (datetime.fromisoformat("2024-01-01"), "2024-01-01"),
        (time(10), "10:00:00"),
        ("#N/A", "#N/A"),
    ],
)
def test_a_cell_becomes_the_text_of_its_type(cell: object, text: str | None) -> None:
    assert cell_text(cell) == text


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, workbook([["a"]], "Sales"), *COLUMNS, sheet="Sale")
    assert str(caught.value) == (
        "a.xlsx: it has no sheet 'Sale'; expected one of `Sales`; did you mean `Sales`?"
    )


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, workbook([]), *COLUMNS)
    assert str(caught.value) == (
        "a.xlsx: the sheet is empty; expected a header with the columns `a`, `b`, `c`;"
        " write the header"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"\xd0\xcf\x11\xe0" + bytes(600),
            (
                "a.xlsx: it is not an Excel workbook (an old Excel workbook (.xls)); expected"
                " .xlsx; save it as .xlsx or .csv"
            ),
        ),
        (
            b"a,b\n",
            (
                "a.xlsx: it is not an Excel workbook (File is not a zip file); expected .xlsx;"
                " say the right `format:`"
            ),
        ),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, data, *COLUMNS)
    assert str(caught.value) == message


def test_without_openpyxl_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, b"", *COLUMNS)
    assert str(caught.value) == (
        "a.xlsx: openpyxl is not installed; expected it, to read Excel workbooks;"
        " pip install 'headrace[excel]'"
    )

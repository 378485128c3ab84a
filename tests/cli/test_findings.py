"""What a check found is one line and a few of its rows."""

from __future__ import annotations

import click
import pytest

from headrace.cli.findings import check_line, indented, sample_table


@pytest.mark.parametrize(
    ("severity", "failing", "message", "line"),
    [
        ("error", 1, "", "✗ orders: key id: 1 row wrong"),
        ("error", 1200, "", "✗ orders: key id: 1,200 rows wrong"),
        ("warn", 2, "", "! orders: key id: 2 rows wrong (a warning)"),
        ("error", -1, "", "✗ orders: key id: could not be made"),
        ("error", -1, "no such column", "✗ orders: key id: no such column"),
    ],
)
def test_a_line_says_what_is_wrong(severity: str, failing: int, message: str, line: str) -> None:
    assert click.unstyle(check_line("orders: key id", severity, failing, message)) == line


def test_rows_are_cut_and_the_rest_is_counted() -> None:
    rows = [{"id": str(number), "note": None} for number in range(20)]
    assert click.unstyle(sample_table(rows, 1200, indent=" ")).splitlines() == [
        " id  note",
        *[f" {number}   NULL" for number in range(5)],
        " and 1,195 more rows",
    ]


def test_without_rows_there_is_nothing() -> None:
    assert sample_table((), 3, indent="") == ""


def test_a_message_of_several_lines_stays_under_its_line() -> None:
    assert indented("no column `x`\nLINE 1: x\n        ^") == (
        "no column `x`\n    LINE 1: x\n            ^"
    )

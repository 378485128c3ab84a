"""What differs is laid out so that one sees it, and cut where there is too much of it."""

from __future__ import annotations

import click
import pytest

from headrace.base.errors import Place
from headrace.cli.outcomes import failure_text, junit_xml
from headrace.testing.comparing import Found, Pair, TableDifference
from headrace.testing.declarations import UnitTest
from headrace.testing.running import Outcome

TEST = UnitTest("a name", Place("tests/t.yaml", 3, 3))


def row(*texts: str | None) -> Found:
    return Found(texts, texts)


def text(*pairs: Pair, columns: tuple[str, ...] = ("a", "b"), ordered: bool = False) -> str:
    difference = TableDifference("t", columns, pairs, 2, ordered=ordered)
    return click.unstyle(failure_text(Outcome(TEST, 0.1, (difference,), empty=("x", "y"))))


def test_what_differs_is_marked() -> None:
    pairs = (
        Pair(row("wide 宽", "1"), row("x", "1"), (0,)),
        Pair(row(None, ""), row("NULL", " "), (0, 1)),
        Pair(None, row("long " * 30, "2")),
    )
    assert text(*pairs) == (
        "✗ tests/t.yaml:3: a name\n"
        "  t: 2 rows differ, 1 row is too many, 2 rows are as expected\n"
        "              a                                                             b\n"
        "    expected  wide 宽                                                       1\n"
        "    found     x                                                             1\n"
        "              ^^^^^^^\n"
        "    expected  NULL                                                          ''\n"
        "    found     'NULL'                                                        ' '\n"
        "              ^^^^^^                                                        ^^^\n"
        "    too many  'long long long long long long long long long long long lon…  2\n"
        "  not given, so empty: x, y"
    )


def test_where_the_order_counts_rows_have_numbers() -> None:
    pairs = (
        Pair(row("1", "x"), row("2", "x"), (0,), 1),
        Pair(row("5", "x"), None, (), 4),
    )
    assert text(*pairs, ordered=True).splitlines()[2:6] == [
        "              row  a  b",
        "    expected  1    1  x",
        "    found     1    2  x",
        "                   ^",
    ]


def test_of_many_rows_some_are_shown() -> None:
    pairs = [Pair(None, row(str(number))) for number in range(25)]
    lines = text(*pairs, columns=("a",)).splitlines()
    assert len(lines) == 25
    assert lines[-2] == "    and 5 more rows"


def test_rows_without_columns_are_counted() -> None:
    assert text(Pair(None, Found((), ())), columns=()).splitlines()[1:] == [
        "  t: 1 row is too many, 2 rows are as expected",
        "  not given, so empty: x, y",
    ]


def test_colours_tell_the_sides_apart() -> None:
    pair = Pair(row("1", "x"), row("2", "x"), (0,))
    lines = failure_text(Outcome(TEST, 0.1, (TableDifference("t", ("a", "b"), (pair,), 0),)))
    assert click.style("    expected  1  x", fg="green") in lines
    assert click.style("    found     2  x", fg="red") in lines


@pytest.mark.parametrize("error", ["first\nsecond", "a \x00 b"])
def test_an_error_is_shown_as_it_is_and_xml_can_hold_it(error: str) -> None:
    outcome = Outcome(TEST, 0.1, error=error)
    shown = "\n".join(f"  {line}" for line in error.splitlines())
    assert click.unstyle(failure_text(outcome)) == f"✗ tests/t.yaml:3: a name\n{shown}"
    document = junit_xml([outcome], 0.2).decode()
    assert document.count("<failure ") == 1
    assert "\x00" not in document

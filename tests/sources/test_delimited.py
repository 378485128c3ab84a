"""Promises of the tokenizer: physical lines, raw text, and quotes taken as they stand."""

from __future__ import annotations

import io

import pytest

from headrace.base.errors import SourceError
from headrace.sources import delimited
from headrace.sources.delimited import Record, Tokenizer


def records(text: str, delimiter: str = ",", quote: str = '"') -> list[Record]:
    """The records of a text."""
    return list(Tokenizer(delimiter, quote, "a.csv").records(io.StringIO(text, newline="")))


def fields(text: str, delimiter: str = ",", quote: str = '"') -> list[list[str | None]]:
    """The fields of each record."""
    return [record.fields for record in records(text, delimiter, quote)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n", [["a", "b"]]),
        ("a,,\n", [["a", None, None]]),
        ('"",""\n', [["", ""]]),
        ('"a,b","c\nd"\n', [["a,b", "c\nd"]]),
        ('"say ""hi""",x', [['say "hi"', "x"]]),
        ('"""",""""""', [['"', '""']]),
        ('5" pipe,a"b"c\n', [['5" pipe', 'a"b"c']]),
        (' "a",b\n', [[' "a"', "b"]]),
        ('a,"b",\n', [["a", "b", None]]),
        ("a\u2028b\x0cc,d\n", [["a\u2028b\x0cc", "d"]]),
    ],
)
def test_fields_are_taken_as_they_stand(text: str, expected: list[list[str | None]]) -> None:
    assert fields(text) == expected


def test_any_character_may_delimit_and_quote() -> None:
    assert fields("'a;''b''';c^\n", ";", "'") == [["a;'b'", "c^"]]
    assert fields("^a|b^|.*\n", "|", "^") == [["a|b", ".*"]]


def test_a_record_knows_its_first_line_and_its_text() -> None:
    found = records('a\r\n\r\n"b\rc\r\nd",e\r\nf\rg\n')
    assert [(each.line, each.raw) for each in found] == [
        (1, "a"),
        (3, '"b\rc\r\nd",e'),
        (6, "f"),
        (7, "g"),
    ]


def test_every_line_of_a_malformed_record_is_told_apart() -> None:
    assert records('x\n"a\nb"c,"d\ny\n') == [
        Record(1, "x", ["x"]),
        Record(2, '"a', [], "'c,\"d' follows the closing quote of a field"),
        Record(3, 'b"c,"d', [], "'c,\"d' follows the closing quote of a field"),
        Record(4, "y", ["y"]),
    ]


def test_a_quote_that_takes_in_too_much_stops_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_RECORD_CHARACTERS", 1 << 20)
    text = 'a\n"open\n' + "x\n" * (1 << 20)
    with pytest.raises(SourceError) as caught:
        records(text)
    assert str(caught.value) == (
        "a.csv:2: the quote that opens on this line is not closed within 1 MiB; expected it to be"
        " closed; correct the file, or say which character is the `quote:`"
    )

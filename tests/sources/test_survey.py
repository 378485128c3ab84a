"""Promises of the survey: it counts rows without splitting them, in pieces of any size."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sources.survey import Survey


def surveyed(*chunks: bytes) -> Survey:
    """The survey of the bytes of one file."""
    survey = Survey(b'"', b",")
    for chunk in chunks:
        survey.feed(chunk)
    survey.finish()
    return survey


@pytest.mark.parametrize(
    ("data", "lines", "empty_lines", "delimiters"),
    [
        (b"", 0, 0, 0),
        (b"a,b\n1,2", 2, 0, 2),
        (b"a,b\r\n\r\n1,2\r\n", 2, 1, 2),
        (b'a,b\n"1,\n\n2",""\n', 2, 0, 2),
        (b'""\n\n""""\n', 2, 1, 0),
    ],
)
def test_lines_and_delimiters_inside_quotes_do_not_count(
    data: bytes, lines: int, empty_lines: int, delimiters: int
) -> None:
    found = surveyed(data)
    assert (found.lines, found.empty_lines, found.delimiters) == (lines, empty_lines, delimiters)
    assert found.plain


@pytest.mark.parametrize(
    "data",
    [
        b"a\rb\n", b"a\r", b"a\nb\r\n", b"a\0b\n", b"a\x1a", b"caf\xe9\n", b'"open\n',
        b'a"b"\n', b'"a"b\n', b'"a" ,b\n', b' "a",b\n', b'a "b" c\n', b"\xc3",
    ],
)  # fmt: skip
def test_what_readers_differ_about_is_not_plain(data: bytes) -> None:
    assert not surveyed(data).plain


def test_line_ends_inside_quotes_are_told() -> None:
    assert surveyed(b'"a\nb"\n').multiline
    assert not surveyed(b'"a"\n"b"\n').multiline


@given(
    data=st.text(alphabet='a",\n\r é\0', max_size=30).map(str.encode),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
def test_how_the_bytes_are_cut_does_not_matter(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    whole, cut = surveyed(data), surveyed(*pieces)
    assert cut.plain == whole.plain
    if whole.plain:
        assert (cut.lines, cut.empty_lines, cut.delimiters, cut.multiline) == (
            whole.lines,
            whole.empty_lines,
            whole.delimiters,
            whole.multiline,
        )

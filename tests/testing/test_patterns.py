"""Texts are found for the patterns that contracts have."""

from __future__ import annotations

import re
from itertools import islice

import duckdb
import pytest

from headrace.testing.patterns import matching


@pytest.mark.parametrize(
    "pattern",
    [
        r"97[89]\d{10}",
        r"[^@\s]+@[^@\s]+\.[a-z]+",
        r"(?:FR|DE)-[A-Z]{2}\d+",
        r"(a|b)+x?",
        r"^[0-9a-f]{8}$",
        r".{2,10}",
        r"\S+ \S+",
        r"(?i)abc+",
        r"[^a-z]*[!?]",
        r"\D\W?",
    ],
)
def test_what_is_found_matches_here_and_in_the_engine(pattern: str) -> None:
    found = list(islice(matching(pattern), 20))
    assert found
    assert len(set(found)) == len(found)
    for each in found:
        assert re.fullmatch(pattern, each)
        [matches] = duckdb.execute(
            "SELECT regexp_full_match($text, $pattern)", {"text": each, "pattern": pattern}
        ).fetchall()
        assert matches == (True,), each


def test_the_last_part_varies_first() -> None:
    assert list(islice(matching(r"[A-Z]{2}-\d+"), 3)) == ["AA-0", "AA-1", "AA-2"]


def test_few_matches_are_all_found_and_none_is_none() -> None:
    assert list(matching("a|b?")) == ["a", "", "b"]
    assert list(matching(r"a\b.c")) == []

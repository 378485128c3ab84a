"""docs/security/asvs.csv answers every requirement of OWASP ASVS 5.0, levels 1 and 2, truthfully.

A requirement that applies names a test that there is, or a page of the documentation and the
heading where it is written; one that does not says why.
"""

from __future__ import annotations

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "security" / "asvs.csv"
COLUMNS = ["id", "level", "topic", "applies", "evidence", "note"]


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(each.name for each in tree.body if isinstance(each, found))


@cache
def headings_in(page: str) -> frozenset[str]:
    """The anchors of a page's headings."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    titles = (line.lstrip("# ") for line in lines if line.startswith("#"))
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


def test_every_requirement_of_both_levels_is_answered_once() -> None:
    with TABLE.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == COLUMNS
    levels = [row["level"] for row in rows()]
    assert (levels.count("1"), levels.count("2"), len(levels)) == (70, 183, 253)
    ids = [tuple(map(int, row["id"].removeprefix("V").split("."))) for row in rows()]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_an_answer_can_be_looked_up(row: dict[str, str]) -> None:
    assert row["applies"] in ("yes", "partly", "operator", "no")
    assert row["topic"]
    evidence = row["evidence"]
    if evidence.startswith("tests/"):
        path, _, name = evidence.partition("::")
        assert name in names_in(path)
    elif evidence.startswith("doc: "):
        page, _, heading = evidence.removeprefix("doc: ").partition("#")
        assert not heading or heading in headings_in(page)
        assert (ROOT / "docs" / page).is_file()
    else:
        assert evidence.startswith("reason: ")


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["id"])
def test_what_is_not_done_is_said(row: dict[str, str]) -> None:
    if row["applies"] == "partly":
        assert row["note"] or row["evidence"].startswith("reason: ")

"""docs/security/asvs.csv answers every requirement of ASVS 5.0, levels 1 and 2, with real tests."""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "security" / "asvs.csv"

# The levels of the requirements of each section, in their order: V1.5.2 is of level 2.
LEVELS = {
    "V1": ["22", "1111122223", "112222222223", "222", "123"],
    "V2": ["122", "112", "12223", "23"],
    "V3": ["3", "113", "12223", "11222233", "11122333", "3", "22333"],
    "V4": ["12233", "23333", "22", "1222"],
    "V5": ["2", "112333", "113", "222"],
    "V6": ["122", "111111112222", "11223333", "112233", "22222333", "2223", "33", "2222"],
    "V7": ["222", "1111", "22", "11222", "223", "22"],
    "V8": ["1233", "1123", "133", "23"],
    "V9": ["111", "1222"],
    "V10": ["22", "223", "22223", "1111122222233333", "22222", "22", "222"],
    "V11": ["2233", "22233", "11233", "1222", "23", "23", "33"],
    "V12": ["12233", "11", "22223"],
    "V13": ["2333", "222223", "2233", "1222233"],
    "V14": ["22", "12223333", "122"],
    "V15": ["12233", "12233", "1222222", "3333"],
    "V16": ["2", "22222", "2222", "222", "2223"],
    "V17": ["23", "22223333", "22"],
}
REASONS = ("Not here: ", "The operator's: ", "Not done: ")


class Row(NamedTuple):
    """One line of the table."""

    id: str
    level: str
    topic: str
    applies: str
    evidence: str
    note: str

    @property
    def tests(self) -> list[str]:
        """The tests that it names: "tests/docs/test_asvs.py::test_it"."""
        return [each for each in self._named if "::" in each]

    @property
    def pages(self) -> list[str]:
        """The headings of pages that it names: "docs/access.md#limits"."""
        return [each for each in self._named if "::" not in each]

    @property
    def _named(self) -> list[str]:
        return self.evidence.split(";") if self.evidence else []


@cache
def rows() -> list[Row]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == Row._fields
    return [Row(*line) for line in lines]


def requirements() -> Iterator[tuple[str, str]]:
    """Every requirement of the standard with its level, in order."""
    for chapter, sections in LEVELS.items():
        for section, levels in enumerate(sections, 1):
            for number, level in enumerate(levels, 1):
                yield f"{chapter}.{section}.{number}", level


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file: "test_it", "TestThis::test_it"; none of a file that is not there."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(_tests(ast.parse(file.read_text(encoding="utf-8")), ""))


def _tests(inside: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for node in inside.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(node.name):
            yield prefix + node.name


def _is_test(name: str) -> bool:
    return name.startswith("test_")


@cache
def headings_in(page: str) -> frozenset[str]:
    """The headings of a page as addresses within it; none of a page that is not there."""
    file = ROOT / page
    if not file.is_file():
        return frozenset()
    titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles)


def test_the_list_is_that_of_the_standard() -> None:
    assert Counter(level for _, level in requirements()) == {"1": 70, "2": 183, "3": 92}


def test_each_requirement_of_levels_1_and_2_is_answered_once_in_order() -> None:
    expected = [(name, level) for name, level in requirements() if level != "3"]
    assert [(row.id, row.level) for row in rows()] == expected


def test_every_answer_is_complete() -> None:
    for row in rows():
        assert row.topic, row.id
        assert row.topic == row.topic.strip(), row.id
        assert row.note in ("", row.note.strip()), row.id
        assert row.applies in ("yes", "no", "partly"), row.id


def test_what_holds_has_a_test() -> None:
    assert [row.id for row in rows() if row.applies == "yes" and not row.tests] == []


def test_what_holds_in_part_has_a_test_and_says_what_is_missing() -> None:
    unsaid = [row.id for row in rows() if row.applies == "partly" and not (row.tests and row.note)]
    assert unsaid == []


def test_what_does_not_hold_has_a_reason_and_no_test() -> None:
    for row in rows():
        if row.applies == "no":
            assert row.note.startswith(REASONS), row.id
            assert row.note.endswith((".", ").")), row.id
            assert row.evidence == "", row.id


def test_every_test_that_is_named_is_there() -> None:
    named = [(row.id, test) for row in rows() for test in row.tests]
    missing = []
    for name, test in named:
        path, _, function = test.partition("::")
        if function not in names_in(path):
            missing.append((name, test))
    assert missing == []


def test_every_page_that_is_named_has_the_heading() -> None:
    missing = []
    for row in rows():
        for named in row.pages:
            page, _, heading = named.partition("#")
            if heading not in headings_in(page):
                missing.append((row.id, named))
    assert missing == []


def test_nothing_is_named_twice_for_one_requirement() -> None:
    for row in rows():
        named = [*row.tests, *row.pages]
        assert len(set(named)) == len(named), row.id


def test_the_page_counts_what_the_table_has() -> None:
    page = (TABLE.parent / "README.md").read_text(encoding="utf-8")
    for level in ("1", "2"):
        found = Counter(row.applies for row in rows() if row.level == level)
        undone = sum(row.note.startswith("Not done: ") for row in rows() if row.level == level)
        counts = (found["yes"], found["partly"], undone, found["no"] - undone)
        assert f"| {level} | {' | '.join(map(str, counts))} |" in page

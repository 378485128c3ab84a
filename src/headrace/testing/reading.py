"""Reads tests/: takes a project's folder, gives its unit tests, and every mistake in the files."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from headrace.base.access import ANONYMOUS
from headrace.base.errors import Place, Problem
from headrace.pipeline.project.documents import (
    Entries,
    Items,
    Misread,
    Node,
    Scalar,
    describe,
    parse_yaml,
)
from headrace.pipeline.project.files import read_text
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    flag,
    nested,
    read_fields,
    report,
    text,
    unique_entries,
    whole_number,
)
from headrace.testing.declarations import Request, Row, Rows, UnitTest
from headrace.testing.principals import principal

FOLDER = "tests"
_ENDING = ".yaml"


def instant(node: Node, problems: Problems) -> datetime | None:
    """A time with its zone, as one in UTC."""
    try:
        at = datetime.fromisoformat(node.text if isinstance(node, Scalar) else "")
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    report(problems, node, "a time with its zone, such as `2024-03-01T00:00:00Z`")
    return None


TEST = Key("test", text)
GIVEN: Key[Node] = Key("given", nested)
GET = Key("get", text)
AS = Key("as", principal)
EXPECT: Key[Node] = Key("expect", nested)
ORDERED = Key("ordered", flag)
AT = Key("at", instant)
TEST_KEYS = (TEST, GIVEN, GET, AS, EXPECT, ORDERED, AT)

STATUS = Key("status", whole_number(100, 599))
BODY: Key[Node] = Key("body", nested)
ANSWER_KEYS = (STATUS, BODY)


def read_tests(root: Path, problems: Problems) -> list[UnitTest]:
    """Every unit test below `tests/`, in the order of files and of their entries.

    Files that do not end in `.yaml` are the user's own, and so are files and folders whose names
    begin with `_` or `.`.
    """
    return [test for path in sorted(_files(root)) for test in _read_file(root, path, problems)]


def _files(root: Path) -> Iterator[str]:
    for base, folders, names in os.walk(root / FOLDER):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        relative = Path(base).relative_to(root).as_posix()
        for name in names:
            if name.endswith(_ENDING) and not name.startswith(("_", ".")):
                yield f"{relative}/{name}"


def _read_file(root: Path, path: str, problems: Problems) -> list[UnitTest]:
    content = read_text(root, path, problems)
    if content is None:
        return []
    try:
        node = parse_yaml(content, path)
    except Misread as exc:
        problems.append(exc.problem)
        return []
    if not isinstance(node, Items):
        found = "is empty" if node is None else f"is {describe(node)}"
        expected = "a list of tests: `- test: NAME`"
        problems.append(Problem(Place(path), f"the file {found}", expected))
        return []
    tests = [_Reading(root, problems).test(item) for item in node.items]
    _refuse_same_names([test for test in tests if test], problems)
    return [test for test in tests if test]


def _refuse_same_names(tests: list[UnitTest], problems: Problems) -> None:
    first: dict[str, Place] = {}
    for test in tests:
        before = first.setdefault(test.name, test.place)
        if before != test.place:
            found = f"the test {test.name!r} is already in line {before.line}"
            problems.append(Problem(test.place, found, "a name of its own for each test of a file"))


class _Reading:
    """Reads one test; `problems` grow."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root = root
        self._problems = problems

    def test(self, node: Node) -> UnitTest | None:
        """The test of one entry; None when nothing can be said of it."""
        if not isinstance(node, Entries):
            report(self._problems, node, "a test: a mapping with `test`, `given` and `expect`")
            return None
        before = len(self._problems)
        fields = read_fields(node, TEST_KEYS, node.place, self._problems)
        for key in (TEST, EXPECT):
            if key not in fields:
                found = f"the test has no `{key.name}`"
                self._problems.append(Problem(node.place, found, f"`{key.name}: …`"))
        given = self._tables(fields, GIVEN)
        request = self._request(fields) if GET in fields else None
        if AS in fields and GET not in fields:
            found = "`as` says who asks, and nothing is asked"
            place = fields.place_of(AS)
            self._problems.append(Problem(place, found, "`get: …`, a request to an endpoint"))
        expected = () if GET in fields else self._tables(fields, EXPECT)
        if EXPECT in fields and GET not in fields and not expected and self._is_sound(before):
            report(self._problems, fields.node(EXPECT), "the rows of one model, or of several")
        name = fields.get(TEST, "")
        ordered = fields.get(ORDERED, False)
        at = fields.optional(AT)
        test = UnitTest(name, node.place, given, expected, ordered, request, at)
        return test if self._is_sound(before) else None

    def _is_sound(self, before: int) -> bool:
        return len(self._problems) == before

    def _request(self, fields: Fields) -> Request:
        node = fields.node(GET)
        target = fields.get(GET, "/")
        if not target.startswith("/"):
            report(self._problems, node, "a path such as `/stores/7/revenue?since=2024-01-01`")
        place, expect = fields.place_of(EXPECT), fields.optional(EXPECT)
        answer = read_fields(expect, ANSWER_KEYS, place, self._problems)
        if EXPECT in fields and not answer.nodes:
            found = "the test of an endpoint expects nothing"
            self._problems.append(Problem(place, found, "`status`, `body`, or both"))
        status, who = answer.get(STATUS, 200), fields.get(AS, ANONYMOUS)
        return Request(target, place, status, answer.optional(BODY), who)

    def _tables(self, fields: Fields, key: Key[Node]) -> tuple[Rows, ...]:
        if key not in fields:
            return ()
        node = fields.node(key)
        if isinstance(node, Scalar) and node.value is None:
            return ()
        entries = unique_entries(node, self._problems)
        return tuple(self._rows(name, rows) for name, rows in entries)

    def _rows(self, name: Scalar, node: Node) -> Rows:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return Rows(name.text, name.place, tuple(self._file_rows(node)))
        if not isinstance(node, Items):
            expected = "a list of rows, `[]` for none, or the path of a CSV file"
            report(self._problems, node, expected)
            return Rows(name.text, name.place, ())
        rows = [self._row(item) for item in node.items]
        return Rows(name.text, name.place, tuple(row for row in rows if row))

    def _row(self, node: Node) -> Row | None:
        if not isinstance(node, Entries):
            report(self._problems, node, "a row: `{column: value}`")
            return None
        return Row(node.place, tuple(unique_entries(node, self._problems)))

    def _file_rows(self, node: Scalar) -> Iterator[Row]:
        """The rows of a CSV file, whose path is relative to the project; an empty field is NULL."""
        path = PurePosixPath(node.text)
        if path.suffix != ".csv" or path.is_absolute() or ".." in path.parts:
            report(self._problems, node, "a list of rows, or the path of a CSV file of the project")
            return
        content = read_text(self._root, node.text, self._problems)
        if content is None:
            return
        lines = csv.reader(content.splitlines(keepends=True), strict=True)
        try:
            names = next(lines, [])
            for fields in lines:
                yield self._file_row(node.text, lines.line_num, names, fields)
        except csv.Error as exc:
            place = Place(node.text, lines.line_num)
            self._problems.append(Problem(place, f"this is not CSV: {exc}"))

    def _file_row(self, file: str, line: int, names: list[str], fields: list[str]) -> Row:
        place = Place(file, line)
        if len(fields) != len(names):
            found = f"this row has {len(fields)} of {len(names)} fields"
            self._problems.append(Problem(place, found, "as many as the header"))
        return Row(
            place,
            tuple(
                (Scalar("this column", place, name, name), _field(place, name, field))
                for name, field in zip(names, fields, strict=False)
            ),
        )


def _field(place: Place, name: str, field: str) -> Scalar:
    """A field as a value: a text, which the column's type makes of it what it is."""
    return Scalar(f"`{name}`", place, field or None, field)

"""The files of tests/ are read with the place of every mistake; other files are the user's."""

from __future__ import annotations

from pathlib import Path

from headrace.base.errors import Problem
from headrace.testing.declarations import UnitTest
from headrace.testing.reading import read_tests
from tests.projects import write_files


def read(root: Path, files: dict[str, str]) -> tuple[list[UnitTest], list[str]]:
    problems: list[Problem] = []
    found = read_tests(write_files(root, files), problems)
    return found, [str(problem) for problem in problems]


def mistakes(root: Path, text: str) -> list[str]:
    found = read(root, {"tests/t.yaml": text})[1]
    return [each.replace("tests/t.yaml", "t") for each in found]


ONE = "- {test: one, expect: {m: []}}\n"


def test_files_are_read_at_any_depth_and_in_order(tmp_path: Path) -> None:
    files = {
        "tests/b.yaml": ONE,
        "tests/a/z.yaml": ONE,
        "tests/_shared.yaml": "7",
        "tests/_old/x.yaml": "7",
        "tests/.hidden.yaml": "7",
        "tests/test_mine.py": "assert True",
        "tests/mine.yml": "7",
    }
    found, problems = read(tmp_path, files)
    assert [test.label for test in found] == ["tests/a/z.yaml: one", "tests/b.yaml: one"]
    assert problems == []


def test_without_the_folder_there_are_no_tests(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == ([], [])


def test_a_test_as_it_is_written(tmp_path: Path) -> None:
    text = """\
        - test: rows
          given:
            orders: &two
            - {a: 1}
            - {a: ~}
            stores: []
          ordered: true
          expect: {m: *two}
        - test: answer
          get: /x?y=1
          expect: {status: 404, body: {title: Not Found}}
        """
    [rows, answer], problems = read(tmp_path, {"tests/t.yaml": text})
    assert problems == []
    assert [(each.table, len(each.rows)) for each in rows.given] == [("orders", 2), ("stores", 0)]
    assert [(each.table, len(each.rows)) for each in rows.expected] == [("m", 2)]
    assert (rows.ordered, str(rows.place), rows.request) == (True, "tests/t.yaml:1:3", None)
    assert answer.request is not None
    assert (answer.request.target, answer.request.status) == ("/x?y=1", 404)
    assert answer.request.body is not None


def test_a_file_must_be_a_list_of_tests(tmp_path: Path) -> None:
    expected = "expected a list of tests: `- test: NAME`"
    assert mistakes(tmp_path, "") == [f"t: the file is empty; {expected}"]
    assert mistakes(tmp_path, "a: 1\n") == [f"t: the file is a mapping; {expected}"]
    assert mistakes(tmp_path, "- [\n") == [
        "t:2:1: this is not YAML: did not find expected node content"
    ]


def test_every_mistake_is_said(tmp_path: Path) -> None:
    text = """\
        - 7
        - {tset: a, expect: {m: []}}
        - {test: b}
        - {test: c, expect: {}}
        - {test: d, expect: {m: 5}, given: {t: [7], u: rows.txt, v: no.csv}}
        - {test: e, get: x, expect: {}}
        - {test: f, get: /x, expect: {status: 99, bdy: 1}}
        - {test: g, expect: {m: [{a: 1, a: 2}]}, ordered: 1}
        """
    assert mistakes(tmp_path, text) == [
        (
            "t:1:3: an entry of the file is 7; expected a test: a mapping with `test`,"
            " `given` and `expect`"
        ),
        (
            "t:2:4: `tset` is not a key here; expected one of `test`, `given`, `get`,"
            " `as`, `expect`, `ordered`, `at`; did you mean `test`?"
        ),
        "t:2:3: the test has no `test`; expected `test: …`",
        "t:3:3: the test has no `expect`; expected `expect: …`",
        "t:4:21: `expect` is a mapping; expected the rows of one model, or of several",
        "t:5:41: an entry of `t` is 7; expected a row: `{column: value}`",
        (
            "t:5:48: `u` is 'rows.txt'; expected a list of rows, or the path of a CSV"
            " file of the project"
        ),
        "no.csv: this file cannot be read: No such file or directory",
        ("t:5:25: `m` is 5; expected a list of rows, `[]` for none, or the path of a CSV file"),
        ("t:6:18: `get` is 'x'; expected a path such as `/stores/7/revenue?since=2024-01-01`"),
        ("t:6:29: the test of an endpoint expects nothing; expected `status`, `body`, or both"),
        "t:7:39: `status` is 99; expected a whole number of at least 100 and at most 599",
        ("t:7:43: `bdy` is not a key here; expected one of `status`, `body`; did you mean `body`?"),
        "t:8:51: `ordered` is 1; expected `true` or `false`",
        "t:8:33: `a` is given twice; expected each key once; it is first given in line 8",
    ]


def test_a_csv_file_has_a_header_and_whole_rows(tmp_path: Path) -> None:
    files = {
        "tests/t.yaml": "- {test: a, given: {t: tests/t.csv}, expect: {m: []}}\n",
        "tests/t.csv": 'a,b\n1,"x, y"\n2\n,3\n',
    }
    assert read(tmp_path, files)[1] == [
        "tests/t.csv:3: this row has 1 of 2 fields; expected as many as the header"
    ]
    files["tests/t.csv"] = 'a,b\n1,"x, y"\n,007\n'
    [test], problems = read(tmp_path, files)
    assert problems == []
    [rows] = test.given
    assert [[getattr(node, "value", "") for _, node in row.cells] for row in rows.rows] == [
        ["1", "x, y"],
        [None, "007"],
    ]
    files["tests/t.csv"] = 'a,b\n1,"x\n'
    assert read(tmp_path, files)[1] == ["tests/t.csv:2: this is not CSV: unexpected end of data"]

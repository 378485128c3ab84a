"""`headrace test` runs the unit tests of a project, and says what is not as expected."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result

from headrace.cli.demo import writing
from headrace.cli.new import write_skeleton
from tests.cli.shops import call
from tests.projects import SHOP, write_files

LIBRARY = Path(__file__).parents[2] / "examples" / "library"
TESTS = {
    "tests/api.yaml": """\
        - test: a day
          given: {daily_revenue: [{store_id: 10, day: 2024-03-01, revenue: 2}]}
          get: /stores/10/revenue
          expect: {body: [{day: 2024-03-02, revenue: 2.0}]}
        """,
    "tests/models.yaml": """\
        - test: cities
          given: {stores: [{city: Lyon}, {city: Lyon}]}
          expect: {cities: [{city: Lyon}]}
        - test: revenue
          given:
            orders:
            - {store_id: 7, ordered_at: 2024-03-01 10:00, amount: 2.40}
            - {store_id: 8, ordered_at: 2024-03-01 10:00, amount: 1}
            - {store_id: 9, ordered_at: 2024-03-01 10:00, amount: 3}
          expect:
            daily_revenue:
            - {store_id: 7, day: 2024-03-01, revenue: 12.4, orders: 1}
            - {store_id: 8, day: 2024-03-01, revenue: 1, orders: 1}
            - {store_id: 10, day: 2024-03-01, revenue: 3, orders: ~}
            store_revenue:
            - {city: Lyon}
        """,
}
FAILURES = """\
✗ tests/api.yaml:1: a day
  GET /stores/10/revenue
    body[0].day: expected "2024-03-02", found "2024-03-01"

✗ tests/models.yaml:4: revenue
  daily_revenue: 1 row differs, 1 row is missing, 1 row is too many, 1 row is as expected
              store_id  day         revenue  orders
    expected  7         2024-03-01  12.40    1
    found     7         2024-03-01  2.40     1
                                    ^^^^^
    missing   10        2024-03-01  3.00     NULL
    too many  9         2024-03-01  3.00     1
  store_revenue: 1 row is missing
             city
    missing  Lyon
  not given, so empty: stores
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_files(tmp_path / "shop", SHOP | TESTS)


def run(root: Path, *arguments: str) -> Result:
    return call("test", "-C", str(root), *arguments)


def timeless(text: str) -> str:
    """A text with every duration as TIME."""
    return re.sub(r"[\d.]+ m?s\b", "TIME", text)


def test_failures_are_shown_after_a_line_for_each_file(project: Path) -> None:
    result = run(project)
    assert result.exit_code == 1
    assert timeless(result.stdout) == (
        "✗ tests/api.yaml     1 of 1 test failed  TIME\n"
        "✗ tests/models.yaml  1 of 2 tests failed  TIME\n"
        f"\n{FAILURES}\n"
        "1 test passed, 2 tests failed in TIME\n"
    )


def test_when_all_pass_there_is_little_to_read(project: Path) -> None:
    result = run(project, "CITIES")
    assert (result.exit_code, timeless(result.stdout)) == (
        0,
        "✓ tests/models.yaml  1 test  TIME\n1 test passed in TIME\n",
    )


def test_patterns_choose_by_file_and_name(project: Path) -> None:
    assert json.loads(run(project, "api.yaml", "cities", "--json").stdout)["passed"] == 1
    result = run(project, "citys")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: 'citys' is in the file or name of no test; did you mean `cities`?\n",
    )


def test_fail_fast_stops_at_the_first(project: Path) -> None:
    result = run(project, "-x")
    assert "tests/models.yaml" not in result.stdout
    assert timeless(result.stdout).endswith("\n1 test failed in TIME\n")


def test_json_has_every_test(project: Path) -> None:
    result = run(project, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["passed"], found["failed"]) == (1, 2)
    assert [
        (each["file"], each["line"], each["test"], each["passed"]) for each in found["tests"]
    ] == [
        ("tests/api.yaml", 1, "a day", False),
        ("tests/models.yaml", 1, "cities", True),
        ("tests/models.yaml", 4, "revenue", False),
    ]
    messages = [each["message"] for each in found["tests"] if not each["passed"]]
    assert "\n\n".join(messages) + "\n" == FAILURES
    assert found["tests"][1]["message"] == ""


def test_junit_is_what_ci_reads(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    run(project, "--junit", str(file))
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert (root.attrib["tests"], root.attrib["failures"]) == ("3", "2")
    assert [(suite.attrib["name"], len(suite)) for suite in root] == [
        ("tests/api.yaml", 1),
        ("tests/models.yaml", 2),
    ]
    failures = list(root.iter("failure"))
    assert failures[1].attrib["message"].startswith("daily_revenue: 1 row differs, ")
    assert "\n\n".join(each.text or "" for each in failures) + "\n" == FAILURES


def test_mistakes_are_said_and_nothing_runs(project: Path) -> None:
    write_files(project, {"tests/wrong.yaml": "- {test: a, expect: {citys: []}}\n"})
    result = run(project)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: tests/wrong.yaml:1:22: `citys` is not a table of this project;"
        " did you mean `cities`?\n"
        "1 problem in the project's files; nothing ran\n"
    )


def test_without_tests_it_says_how_to_write_one(tmp_path: Path) -> None:
    result = run(write_files(tmp_path, SHOP))
    assert result.exit_code == 0
    assert result.stdout.startswith("There are no tests yet. Write one into tests/NAME.yaml:\n\n")
    found = json.loads(run(tmp_path, "--json").stdout)
    assert (found["passed"], found["failed"], found["tests"]) == (0, 0, [])


def test_the_projects_that_come_with_it_pass(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "new")
    demo = Path(writing.__file__).parent / "project"
    for name, folder in {"library": LIBRARY, "demo": demo}.items():
        shutil.copytree(folder, tmp_path / name, ignore=shutil.ignore_patterns(".headrace", "data"))
    for name, tests in {"new": 3, "library": 5, "demo": 16}.items():
        result = run(tmp_path / name)
        assert timeless(result.stdout).endswith(f"\n{tests} tests passed in TIME\n"), result.output


def test_tests_of_models_do_not_import_the_server(project: Path) -> None:
    code = (
        "import sys; from headrace.cli.main import cli\n"
        "try: cli(['test', '-C', sys.argv[1], 'cities'])\n"
        "except SystemExit: print({'fastapi', 'pyarrow', 'uvicorn'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()", done.stdout

"""Files: which are read, which are left out, and which should not be there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Load, ProblemsOf

NAME = "expected letters, digits and underscores, at most 100, and no digit first"


def test_underscores_hidden_files_and_other_folders_are_left_out(load: Load) -> None:
    project = load(
        {
            "models/_draft.sql": "(",
            "models/__init__.py": "(",
            "models/__pycache__/a.pyc": "(",
            "models/_lib/a.txt": "(",
            "models/.a.sql.swp": "(",
            "endpoints/__init__.py": "(",
            "notes/a.txt": "(",
            "README.md": "(",
            "models/shelf/deep/a.sql": "SELECT 1",
        }
    )
    assert [model.place.file for model in project.models] == ["models/shelf/deep/a.sql"]


UNEXPECTED = [
    (
        "sources/a.yml",
        "`sources/` does not hold such files; expected `.yaml`; rename it to `a.yaml`",
    ),
    (
        "models/a.SQL",
        "`models/` does not hold such files; expected `.sql`, `.py`; rename it to `a.sql`",
    ),
    (
        "checks/a.py",
        (
            "`checks/` does not hold such files; expected `.sql`; move it elsewhere, or begin its "
            "name "
            "with `_`"
        ),
    ),
    (
        "endpoints/notes",
        (
            "`endpoints/` does not hold such files; expected `.sql`, `.py`; move it elsewhere, or "
            "begin its name with `_`"
        ),
    ),
    ("models/9a.sql", f"'9a' cannot be a name; {NAME}"),
    ("models/a-b.sql", f"'a-b' cannot be a name; {NAME}"),
    (
        "models/a__Quarantine.sql",
        (
            "names that end in `__quarantine`, `__landed`, `__history` are taken; expected another "
            "name; such tables come with a source; rename the file"
        ),
    ),
]


@pytest.mark.parametrize(("path", "problem"), UNEXPECTED)
def test_a_file_that_should_not_be_there_is_a_problem(
    problems_of: ProblemsOf, path: str, problem: str
) -> None:
    assert problems_of({path: "SELECT 1"}) == f"{path}: {problem}"


def test_a_file_in_place_of_a_folder_is_a_problem(problems_of: ProblemsOf) -> None:
    assert problems_of({"models": "SELECT 1"}) == (
        "models: this is a file; expected a folder of that name"
    )


def test_a_file_that_is_not_utf8_is_a_problem(problems_of: ProblemsOf) -> None:
    assert problems_of({"models/a.sql": "SELECT 1\nAS caf\udce9"}) == (
        "models/a.sql:2: the byte 0xe9 is not UTF-8; expected UTF-8; save the file as UTF-8"
    )


def test_a_pipe_is_never_opened(problems_of: ProblemsOf, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    os.mkfifo(tmp_path / "checks" / "a.sql")
    assert problems_of({}) == "checks/a.sql: this is not a file; expected a file with text"


def test_a_dead_link_is_a_problem(problems_of: ProblemsOf, tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "a.sql").symlink_to("nowhere")
    assert problems_of({}) == "checks/a.sql: this file cannot be read: No such file or directory"


def test_a_link_to_a_folder_is_a_problem(problems_of: ProblemsOf, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "more").symlink_to(tmp_path)
    assert problems_of({}) == "models/more: this is a link to a folder; expected a folder"

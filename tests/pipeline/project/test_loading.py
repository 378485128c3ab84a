"""Loading: all mistakes at once, nothing but a ProjectError, and nothing heavy imported."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.declarations import Project
from headrace.base.errors import ProjectError
from headrace.pipeline.project.loading import find_root, load_project

from .conftest import Load, ProblemsOf, write_files

FILES = (
    "headrace.toml",
    "sources/a.yaml",
    "models/a.sql",
    "models/b.py",
    "endpoints/a.sql",
    "endpoints/b.py",
    "checks/a.sql",
)
PIECES = st.sampled_from(
    [
        *("files: a.csv\n", "columns: ", "{a: int}\n", "key: ", "checks:\n- ", "defaults: "),
        *("params: ", "{a: {type: int, min: ", "path: /", "}", "{", "[", "]", "&a ", "*a ", "/*"),
        *("*/", "--", ";", "'", '"', "$$", "\n", "\t", "  ", "0", "1e999", ".nan", "~", "!x "),
        *("@model(", ")\ndef b(a: ", "from headrace import model\n", "= ", "\\", "\0", "\x85"),
        *("SELECT 1", "\ud800", "\udcff", "é", "٣"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


@given(path=st.sampled_from(FILES), text=TEXTS)
def test_no_text_in_any_file_raises_anything_but_a_project_error(path: str, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    with tempfile.TemporaryDirectory() as folder, suppress(ProjectError):
        load_project(write_files(Path(folder), {path: text}))


def test_every_mistake_of_every_file_is_told_at_once(problems_of: ProblemsOf) -> None:
    files = {
        "sources/orders.yaml": "files: a.csv\ncolumns: {id: int}\nkee: id\n",
        "models/orders_by_day.sql": "/*\npartitions: day\n*/ SELECT 1",
        "endpoints/orders.sql": "/* limt: 5 */ SELECT 1",
        "checks/none.sql": "",
    }
    found = problems_of(files).splitlines()
    assert [line.split(": ")[0] for line in found] == [
        "checks/none.sql:1",
        "endpoints/orders.sql:1:4",
        "models/orders_by_day.sql:2:1",
        "sources/orders.yaml:3:1",
    ]


def test_sources_and_models_share_one_list_of_names(problems_of: ProblemsOf) -> None:
    files = {
        "sources/orders.yaml": "files: a.csv\ncolumns: {id: int}\n",
        "models/Orders.sql": "SELECT 1",
        "checks/orders.sql": "SELECT 1",
        "endpoints/orders.sql": "SELECT 1",
    }
    assert problems_of(files) == (
        "models/Orders.sql: the name `Orders` is already taken by sources/orders.yaml; expected "
        "another name; rename one of them"
    )


def test_a_name_counts_once_in_all_folders_of_a_kind(problems_of: ProblemsOf) -> None:
    files = {"models/a/x.sql": "SELECT 1", "models/b/x.sql": "SELECT 1"}
    assert problems_of(files) == (
        "models/b/x.sql: the name `x` is already taken by models/a/x.sql; expected another name; "
        "rename one of them"
    )


def test_an_empty_project_is_a_project(load: Load, tmp_path: Path) -> None:
    project = load({})
    assert project == Project(tmp_path, project.settings)


def test_declarations_are_sorted_by_name(load: Load) -> None:
    project = load({f"models/{name}.sql": "SELECT 1" for name in ("b", "deep/a", "c")})
    assert [model.name for model in project.models] == ["a", "b", "c"]


def test_the_root_is_the_nearest_folder_with_settings(tmp_path: Path) -> None:
    root = write_files(tmp_path / "shop", {"models/deep/a.sql": "SELECT 1"})
    assert find_root(root / "models" / "deep") == root
    assert find_root(root) == root


@pytest.mark.parametrize("find", [find_root, load_project])
def test_a_folder_without_settings_says_how_to_start(
    tmp_path: Path, find: Callable[[Path], object]
) -> None:
    with pytest.raises(ProjectError) as caught:
        find(tmp_path)
    where = f"in {str(tmp_path)!r}" + (" or in a folder above it" if find is find_root else "")
    assert str(caught.value) == (
        f"headrace.toml: there is no such file {where}; run `headrace new NAME` to start a project"
    )


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; import headrace.pipeline.project.loading; "
        "print({'duckdb', 'sqlglot', 'pyarrow', 'sqlalchemy', 'fastapi'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"

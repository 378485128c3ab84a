"""`headrace new` writes a project that works, and never over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.pipeline.project.loading import load_project
from tests.cli.shops import call


def test_the_new_project_loads(tmp_path: Path) -> None:
    result = call("new", str(tmp_path / "my-shop"))
    assert result.exit_code == 0
    project = load_project(tmp_path / "my-shop")
    assert project.settings.name == "my_shop"
    assert [source.name for source in project.sources] == ["orders"]
    assert [model.name for model in project.models] == ["daily_revenue"]
    assert [check.name for check in project.checks] == ["no_order_in_the_future"]
    assert [endpoint.path for endpoint in project.endpoints] == ["/stores/{store_id}/revenue"]


def test_it_says_what_to_do_next(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    assert call("new", str(folder)).stdout == (
        f"Created {folder}.\n\n  cd {folder}\n  headrace dev\n\n"
        "builds it, serves it on http://127.0.0.1:8000 and builds again whatever you change.\n"
    )


def test_git_ignores_what_can_be_built_again(tmp_path: Path) -> None:
    call("new", str(tmp_path / "shop"))
    assert "/.headrace/" in (tmp_path / "shop" / ".gitignore").read_text().splitlines()
    assert not (tmp_path / "shop" / "gitignore").exists()


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = call("new", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {tmp_path} is not empty; expected a new or empty folder; choose another name\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("mine")
    result = call("new", str(tmp_path / "shop"))
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {tmp_path / 'shop'} is a file; expected a new or empty folder;"
        " choose another name\n"
    )


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert call("new", str(tmp_path)).exit_code == 0


def test_the_demo_is_written_into_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr("headrace.cli.demo.writing.write_demo", written.append)
    result = call("new", str(tmp_path / "demo"), "--demo")
    assert result.exit_code == 0
    assert written == [tmp_path / "demo"]
    assert "\n  sh accounts.sh        adds an account for each role, and" in result.stdout

"""`write_demo` leaves a whole project in a folder."""

from pathlib import Path

import pytest

from headrace.cli.demo import writing
from headrace.cli.demo.writing import write_demo


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [("data/stores.csv", b"store_id\n"), ("data/orders/2024-01-01.csv", b"order_id\n")]
    monkeypatch.setattr(writing, "raw_files", lambda: iter(files))


def test_project_and_raw_data_are_written(tmp_path: Path, few_files: None) -> None:
    write_demo(tmp_path / "coffee")
    written = {str(path.relative_to(tmp_path / "coffee")) for path in (tmp_path).rglob("*.*")}
    assert {"headrace.toml", "README.md", ".gitignore", "models/sales.sql"} <= written
    assert (tmp_path / "coffee/data/orders/2024-01-01.csv").read_bytes() == b"order_id\n"


def test_no_bytecode_is_copied(tmp_path: Path, few_files: None) -> None:
    write_demo(tmp_path)
    assert not list(tmp_path.rglob("__pycache__"))


def test_writing_twice_is_writing_once(tmp_path: Path, few_files: None) -> None:
    write_demo(tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_demo(tmp_path)
    assert first == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_every_file_of_the_project_ends_with_a_newline() -> None:
    project = Path(writing.__file__).parent / "project"
    for path in project.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert path.read_bytes().endswith(b"\n"), path

"""Projects written from a mapping of paths to texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from headrace.base.declarations import Project
from headrace.base.errors import ProjectError
from headrace.pipeline.project.loading import load_project

Files: TypeAlias = Mapping[str, str]
Load: TypeAlias = Callable[[Files], Project]
ProblemsOf: TypeAlias = Callable[[Files], str]


def write_files(root: Path, files: Files) -> Path:
    for name, text in {"headrace.toml": 'name = "shop"\n', **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return root


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A function that writes a project and loads it."""
    return lambda files: load_project(write_files(tmp_path, files))


@pytest.fixture
def problems_of(tmp_path: Path) -> ProblemsOf:
    """A function that writes a project and gives the text of the error that loading it raises."""

    def problems(files: Files) -> str:
        with pytest.raises(ProjectError) as caught:
            load_project(write_files(tmp_path, files))
        return str(caught.value)

    return problems

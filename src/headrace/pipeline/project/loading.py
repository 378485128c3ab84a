"""Loading: takes a project's folder, gives the Project, or every mistake of every file at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

from headrace.base.declarations import Endpoint, Model, Project, Router, Source, SqlCheck
from headrace.base.errors import Place, Problem, ProjectError
from headrace.pipeline.project.checks import read_check
from headrace.pipeline.project.endpoints import read_endpoint
from headrace.pipeline.project.files import DeclaredFile, find_declared, read_text
from headrace.pipeline.project.keys import Problems
from headrace.pipeline.project.models import read_model
from headrace.pipeline.project.python_models import read_python_model
from headrace.pipeline.project.routers import read_router
from headrace.pipeline.project.settings import SETTINGS_FILE, read_settings
from headrace.pipeline.project.sources import read_source

_Declaration: TypeAlias = Source | Model | SqlCheck | Endpoint | Router
_Read: TypeAlias = Callable[[str, str, str, Problems], "_Declaration | None"]

_READERS: Mapping[tuple[str, str], _Read] = {
    ("sources", ".yaml"): read_source,
    ("models", ".sql"): read_model,
    ("models", ".py"): read_python_model,
    ("endpoints", ".sql"): read_endpoint,
    ("endpoints", ".py"): read_router,
    ("checks", ".sql"): read_check,
}


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds a headrace.toml, absolute.

    Raises:
        ProjectError: there is none.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / SETTINGS_FILE).is_file():
            return folder
    raise ProjectError([_no_settings(f"in {str(start)!r} or in a folder above it")])


def _no_settings(where: str) -> Problem:
    fix = "run `headrace new NAME` to start a project"
    return Problem(Place(SETTINGS_FILE), f"there is no such file {where}", fix=fix)


def load_project(root: Path) -> Project:
    """Read and validate every file of the project in `root`.

    Raises:
        ProjectError: with every mistake of every file.
    """
    root = root.absolute()
    if not (root / SETTINGS_FILE).exists():
        raise ProjectError([_no_settings(f"in {str(root)!r}")])
    problems: Problems = []
    settings = read_settings(root, read_text(root, SETTINGS_FILE, problems) or "", problems)
    files = find_declared(root, problems)
    _refuse_same_names(files, problems)
    found = [_read(file, problems) for file in files]
    endpoints = _only(Endpoint, found)
    _refuse_same_paths(endpoints, problems)
    if problems:
        raise ProjectError(problems)
    return Project(
        root=root,
        settings=settings,
        sources=_only(Source, found),
        models=_only(Model, found),
        checks=_only(SqlCheck, found),
        endpoints=endpoints,
        routers=_only(Router, found),
    )


def _read(file: DeclaredFile, problems: Problems) -> _Declaration | None:
    return _READERS[file.folder, file.ending](file.name, file.path, file.text, problems)


_T = TypeVar("_T", Source, Model, SqlCheck, Endpoint, Router)


def _only(kind: type[_T], found: Iterable[_Declaration | None]) -> tuple[_T, ...]:
    chosen = [item for item in found if isinstance(item, kind)]
    return tuple(sorted(chosen, key=lambda item: item.name))


def _refuse_same_names(files: Iterable[DeclaredFile], problems: Problems) -> None:
    """Tables share one list of names, sources and models alike; letter case does not tell."""
    first: dict[tuple[str, str], str] = {}
    for file in files:
        list_of_names = "tables" if file.folder in {"sources", "models"} else file.folder
        before = first.setdefault((list_of_names, file.name.lower()), file.path)
        if before != file.path:
            found = f"the name `{file.name}` is already taken by {before}"
            problems.append(Problem(Place(file.path), found, "another name", "rename one of them"))


def _refuse_same_paths(endpoints: Iterable[Endpoint], problems: Problems) -> None:
    first: dict[str, Endpoint] = {}
    for endpoint in sorted(endpoints, key=lambda endpoint: endpoint.place):
        shape = re.sub(r"\{[^{}]*\}", "{}", endpoint.path)
        before = first.setdefault(shape, endpoint)
        if before is not endpoint:
            found = f"the path `{endpoint.path}` cannot be told from `{before.path}`"
            fix = f"change this one or the one of {before.place.file}"
            problems.append(Problem(endpoint.place, found, "a path of its own", fix))

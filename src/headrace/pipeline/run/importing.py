"""Imports a project's own Python files as they are now: takes a folder, gives functions."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    SOURCE_SUFFIXES,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import NoReturn, cast

# The project's folder as a package, so that its files may import each other relatively, and so
# that a folder `models` is never mistaken for an installed package of that name.
_PACKAGE = "_headrace_project"
_NEVER_FORGOTTEN = ("__main__", "headrace")
_INSTALLED = {"site-packages", "dist-packages"}


@contextmanager
def project_modules(root: Path) -> Iterator[None]:
    """Let the Python files below `root` be imported, by `load_function` and by each other.

    Each is read again, however short ago it was edited. Afterwards the import path, and the
    modules of the project that are loaded, are as they were.
    """
    path, finders, loaded = list(sys.path), list(sys.meta_path), _loaded(root)
    _forget(loaded)
    importlib.invalidate_caches()
    sys.path.insert(0, str(root))
    place = finders.index(PathFinder) if PathFinder in finders else len(finders)
    sys.meta_path.insert(place, _ProjectFinder(root))
    sys.modules[_PACKAGE] = _package(root)
    try:
        yield
    finally:
        _forget(_loaded(root))
        sys.path[:], sys.meta_path[:] = path, finders
        sys.modules.update(loaded)


def load_function(file: str, name: str) -> Callable[..., object]:
    """The function `name` of a Python file, whose path is relative to the project.

    Raises:
        BaseException: whatever importing the file raises.
    """
    dotted = ".".join([_PACKAGE, *PurePosixPath(file).with_suffix("").parts])
    return cast("Callable[..., object]", getattr(importlib.import_module(dotted), name))


class _FreshLoader(SourceFileLoader):
    """Compiles a file each time, and neither reads nor writes `__pycache__`.

    Python takes a cached file for current when size and second of the last edit are the same: it
    would run the code of before, and the rows would be stored as those of the code of now.
    """

    def path_stats(self, path: str) -> NoReturn:
        """Say that nothing is known of the file, so that no cache is trusted."""
        raise OSError(f"{path}: always read")


class _ProjectFinder(MetaPathFinder):
    """Finds the modules below a folder, and gives them a loader that reads them again."""

    def __init__(self, root: Path) -> None:
        """Look below `root` only."""
        self._root = root

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 -- the protocol's
    ) -> ModuleSpec | None:
        """The module's file; None where there is none, and for a folder without `__init__.py`."""
        for folder in [str(self._root)] if path is None else path:
            if _is_below(self._root, folder):
                finder = FileFinder(folder, (_FreshLoader, SOURCE_SUFFIXES))
                found = finder.find_spec(fullname)
                if found is not None and found.loader is not None:
                    return found
        return None


def _package(root: Path) -> ModuleType:
    spec = ModuleSpec(_PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(root)]
    return importlib.util.module_from_spec(spec)


def _loaded(root: Path) -> dict[str, ModuleType]:
    """The modules that are loaded from below `root`, by name."""
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] not in _NEVER_FORGOTTEN and _is_below(root, _place(module))
    }


def _forget(modules: dict[str, ModuleType]) -> None:
    for name in modules:
        sys.modules.pop(name, None)


def _place(module: ModuleType) -> str:
    """The file of a module; the folder of one without a file; "" for one that has neither."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")


def _is_below(root: Path, place: str) -> bool:
    """Whether `place` is the project's own, and not a package installed somewhere below it."""
    if not place or not Path(place).is_relative_to(root):
        return False
    return _INSTALLED.isdisjoint(Path(place).relative_to(root).parts)

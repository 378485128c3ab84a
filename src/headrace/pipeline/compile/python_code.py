"""The code behind a Python model: takes its file, gives an address that follows what runs.

Comments, layout, docstrings and the `@model(…)` line do not count. Of the file and of the modules
of the project that it imports, the definitions that the model's function reaches count, and what
importing them runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from headrace.base.errors import Place, Problem
from headrace.base.hashing import Part, address, hash_bytes
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.python_facts import read_module
from headrace.pipeline.compile.queries import Definition, Imported, ModuleFacts


def code_address(root: Path, file: str, cache: CompileCache) -> str:
    """The address of the code that the model in `file` (relative to `root`) reaches below `root`.

    Raises:
        SyntaxError: one of the files is not Python.
    """
    reach = _Reach(root, cache)
    reach.module(file)
    reach.name(file, PurePosixPath(file).stem)
    return address("code", reach.codes())


def broken_code(root: Path, user: str, exc: SyntaxError) -> Problem:
    """What is wrong with a file that `user`, a model or a router, runs or imports."""
    file = Path(exc.filename or user)
    file = file.relative_to(root) if file.is_relative_to(root) else file
    place = Place(file.as_posix(), exc.lineno or 0, exc.offset or 0)
    return Problem(place, exc.msg, fix=f"`{user}` needs this file to run")


def code_files(root: Path, file: str, cache: CompileCache) -> dict[str, str]:
    """`file` and the files below `root` that running it imports, each with its code's address."""
    return {path: facts.code for path, facts in _loaded(root, file, cache).items()}


def _facts(path: Path, cache: CompileCache) -> ModuleFacts:
    data = path.read_bytes()
    key = hash_bytes(data)
    return cache.module(key) or cache.keep_module(key, read_module(data, str(path)))


def _imported(root: Path, importer: str, facts: ModuleFacts) -> Iterator[str]:
    """The files below `root` that a file's imports run, relative to `root`."""
    for dots, module in facts.imports:
        yield from _module_files(root, _folder(importer, dots), module)


def _folder(importer: str, dots: int) -> PurePosixPath:
    """The folder that the name after so many dots is looked for in, relative to the project."""
    if not dots:
        return PurePosixPath()
    above = PurePosixPath(importer).parents
    return above[min(dots, len(above)) - 1]


def _module_files(root: Path, folder: PurePosixPath, module: str) -> Iterator[str]:
    """The files that importing `module` from `folder` runs: of its packages and its own."""
    path = folder
    for part in [each for each in module.split(".") if each]:
        path /= part
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if (root / candidate).is_file():
                yield candidate


@dataclass(slots=True)
class _Reach:
    """The definitions that are reached so far; what is in doubt is taken as reached."""

    root: Path
    cache: CompileCache
    files: dict[str, ModuleFacts] = field(default_factory=dict)
    names: dict[tuple[str, str], Part] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    seen: set[tuple[str, ...]] = field(default_factory=set)

    def codes(self) -> Part:
        """File -> the code of it that counts."""
        found: dict[str, Part] = {}
        for file, facts in self.files.items():
            own = {name: code for (of, name), code in self.names.items() if of == file}
            found[file] = facts.code if file in self.whole else {"": facts.always.code, **own}
        return found

    def module(self, file: str) -> None:
        """Take in what importing a file runs, in it and in those that it imports."""
        self.files = _loaded(self.root, file, self.cache)
        for path, facts in self.files.items():
            if facts.whole:
                self.everything(path)
            self._follow(path, facts.always)

    def everything(self, file: str) -> None:
        """Take in the whole of a file, and all that any part of it reaches."""
        if file in self.whole or file not in self.files:
            return
        self.whole.add(file)
        facts = self.files[file]
        for name in (*facts.definitions, *facts.imported):
            self.name(file, name)

    def name(self, file: str, name: str, attributes: Sequence[str] = ()) -> None:
        """Take in what a name of a file, or an attribute of it, stands for."""
        if file not in self.files or (file, name, *attributes) in self.seen:
            return
        self.seen.add((file, name, *attributes))
        facts = self.files[file]
        definitions = facts.definitions.get(name, ())
        imported = facts.imported.get(name, ())
        self.names[file, name] = [
            [each.code for each in definitions],
            [[each.dots, each.module, each.name] for each in imported],
        ]
        if not definitions and not imported:
            self.everything(file)
        for definition in definitions:
            self._follow(file, definition)
        for each in imported:
            self._import(file, each, attributes)

    def _follow(self, file: str, definition: Definition) -> None:
        facts = self.files[file]
        for use in definition.uses:
            first, *attributes = use.split(".")
            if first in facts.definitions or first in facts.imported:
                self.name(file, first, attributes)

    def _import(self, importer: str, imported: Imported, attributes: Sequence[str]) -> None:
        """Take in what an imported name, or an attribute of it, stands for."""
        path = _folder(importer, imported.dots).joinpath(*imported.module.split("."))
        rest = [*([imported.name] if imported.name else []), *attributes]
        while rest and self._is_module(path / rest[0]):
            file = _file(self.root, path)
            facts = self.files.get(file or "", ModuleFacts(""))
            if file and (rest[0] in facts.definitions or rest[0] in facts.imported):
                self.name(file, rest[0], rest[1:])  # its `__init__.py` may call anything so
            path /= rest.pop(0)
        file = _file(self.root, path)
        if rest and rest[0] != "*":
            self.name(file or "", rest[0], rest[1:])
            return
        # The module itself is handed on: nobody can tell what will be taken from it.
        for each in self.files:
            if each == file or PurePosixPath(each).is_relative_to(path):
                self.everything(each)

    def _is_module(self, path: PurePosixPath) -> bool:
        return _file(self.root, path) is not None or (self.root / path).is_dir()


def _loaded(root: Path, file: str, cache: CompileCache) -> dict[str, ModuleFacts]:
    """`file` and the files below `root` that it imports, and that they import."""
    files: dict[str, ModuleFacts] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files[path] = _facts(root / path, cache)
            waiting.extend(_imported(root, path, files[path]))
    return files


def _file(root: Path, path: PurePosixPath) -> str | None:
    """The file of a module, relative to `root`."""
    for candidate in (f"{path}.py", f"{path}/__init__.py"):
        if (root / candidate).is_file():
            return candidate
    return None

"""The code behind a Python model: takes its file, gives an address that follows what runs.

Comments, layout, docstrings and the `@model(…)` line do not count; the modules of the project
that the file imports do, and those that they import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from headrace.base.errors import Place, Problem
from headrace.base.hashing import address, hash_bytes
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.queries import ModuleFacts

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_address(root: Path, file: str, cache: CompileCache) -> str:
    """The address of the code of `file` (relative to `root`) and of what it imports below `root`.

    Raises:
        SyntaxError: one of the files is not Python.
    """
    return address("code", code_files(root, file, cache))


def broken_code(root: Path, user: str, exc: SyntaxError) -> Problem:
    """What is wrong with a file that `user`, a model or a router, runs or imports."""
    file = Path(exc.filename or user)
    file = file.relative_to(root) if file.is_relative_to(root) else file
    place = Place(file.as_posix(), exc.lineno or 0, exc.offset or 0)
    return Problem(place, exc.msg, fix=f"`{user}` needs this file to run")


def code_files(root: Path, file: str, cache: CompileCache) -> dict[str, str]:
    """`file` and the files below `root` that running it imports, each with its code's address."""
    codes: dict[str, str] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in codes:
            continue
        facts = _facts(root / path, cache)
        codes[path] = facts.code
        waiting.extend(_imported(root, path, facts))
    return codes


def _facts(path: Path, cache: CompileCache) -> ModuleFacts:
    data = path.read_bytes()
    key = hash_bytes(data)
    return cache.module(key) or cache.keep_module(key, read_module(data, str(path)))


def read_module(data: bytes, name: str = "<module>") -> ModuleFacts:
    """What the text of a Python file says."""
    tree = ast.parse(data, filename=name)
    imports = tuple(dict.fromkeys(_imports(tree)))
    _strip(tree)
    return ModuleFacts(address("module", ast.dump(tree)), imports)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            # `from package import name`: the name may be a module of the package.
            yield from ((node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)


def _strip(tree: ast.Module) -> None:
    """Take docstrings and `@model(…)` out of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [each for each in node.decorator_list if not _is_model(each)]


def _is_model(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return bool(name == "model")


def _imported(root: Path, importer: str, facts: ModuleFacts) -> Iterator[str]:
    """The files below `root` that a file's imports run, relative to `root`."""
    for dots, module in facts.imports:
        folder = PurePosixPath()
        if dots:
            folder = PurePosixPath(importer).parent
            for _ in range(dots - 1):
                folder = folder.parent
        yield from _module_files(root, folder, module)


def _module_files(root: Path, folder: PurePosixPath, module: str) -> Iterator[str]:
    """The files that importing `module` from `folder` runs: of its packages and its own."""
    path = folder
    for part in [each for each in module.split(".") if each]:
        path /= part
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if (root / candidate).is_file():
                yield candidate

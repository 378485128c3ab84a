"""Nothing in our code turns data into code: no pickle, no eval, no shell, no YAML of objects."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace

SOURCE = Path(headrace.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
CALLS = {
    "eval",
    "exec",
    "__import__",
    "execfile",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "yaml.unsafe_load_all",
    "yaml.full_load_all",
    "tempfile.mktemp",
    "ssl._create_unverified_context",
}


def found(text: str) -> Iterator[tuple[int, str]]:
    """What is unsafe in a module, with its line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names if _is_unsafe(name.name))
        elif isinstance(node, ast.ImportFrom) and _is_unsafe(node.module or ""):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call):
            yield from _in_call(node)


def _is_unsafe(module: str) -> bool:
    return module.partition(".")[0] in MODULES


def _in_call(node: ast.Call) -> Iterator[tuple[int, str]]:
    name = ast.unparse(node.func)
    if name in CALLS:
        yield node.lineno, name
    for keyword in node.keywords:
        value = keyword.value
        is_true = not (isinstance(value, ast.Constant) and value.value is False)
        if keyword.arg == "shell" and is_true:
            yield node.lineno, "shell=True"
        if keyword.arg == "verify" and isinstance(value, ast.Constant) and not value.value:
            yield node.lineno, "verify=False"
        if keyword.arg == "allow_pickle" and is_true:
            yield node.lineno, "allow_pickle=True"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_no_module_does_it(path: Path) -> None:
    assert list(found(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import pickle", "pickle"),
        ("from marshal import loads", "marshal"),
        ("import dill.detect", "dill"),
        ("eval('1')", "eval"),
        ("subprocess.run('x', shell=True)", "shell=True"),
        ("subprocess.run('x', shell=wanted)", "shell=True"),
        ("yaml.load(text, Loader=yaml.Loader)", "yaml.load"),
        ("os.system('x')", "os.system"),
        ("httpx.get(url, verify=False)", "verify=False"),
    ],
)
def test_it_would_be_found(text: str, expected: str) -> None:
    [(_, what)] = found(text)
    assert what.startswith(expected)

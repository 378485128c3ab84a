"""Python models: takes a file of models/ that ends in .py, gives what it declares, unimported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TypeAlias

from headrace.base.declarations import ColumnOrigins, Frame, Model, PythonFunction
from headrace.base.errors import Place, Problem
from headrace.base.names import listed, near_miss
from headrace.pipeline.project.documents import (
    Entries,
    Items,
    Misread,
    Node,
    Scalar,
)
from headrace.pipeline.project.keys import Key, Problems, read_fields, report, unique_entries
from headrace.pipeline.project.literals import Literals, parse_python, place_of
from headrace.pipeline.project.models import MODEL_KEYS, declared_model

FRAMES: dict[str, Frame] = {
    "duckdb.DuckDBPyRelation": "relation",
    "pyarrow.Table": "arrow",
    "pyarrow.RecordBatchReader": "arrow_stream",
    "polars.DataFrame": "polars",
    "polars.LazyFrame": "polars_lazy",
    "pandas.DataFrame": "pandas",
}
_DECORATOR = "headrace.model"
_ORIGIN = re.compile(r"[^.]+\..+")
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def declared_lineage(node: Node, problems: Problems) -> tuple[ColumnOrigins, ...]:
    """A mapping of columns to the "table.column" names that each is made of."""
    return tuple(
        ColumnOrigins(key.text, key.place, tuple(_origins(value, problems)))
        for key, value in unique_entries(node, problems)
    )


def _origins(node: Node, problems: Problems) -> Iterator[tuple[str, Place]]:
    for item in node.items if isinstance(node, Items) else (node,):
        if isinstance(item, Scalar) and _ORIGIN.fullmatch(item.text):
            yield item.text, item.place
        else:
            report(problems, item, "a column of an input, as in `orders.amount`")


LINEAGE = Key("lineage", declared_lineage)
PYTHON_MODEL_KEYS = (*MODEL_KEYS, LINEAGE)


def read_python_model(name: str, file: str, text: str, problems: Problems) -> Model | None:
    """A Python file of models/ as a declaration; None when its function cannot be told."""
    try:
        tree = parse_python(text, file)
        imports = imported_names(tree)
        function, decorator = _model_function(name, file, tree, imports)
        fields = read_fields(
            _arguments(decorator, file, problems),
            PYTHON_MODEL_KEYS,
            place_of(function, file),
            problems,
        )
    except Misread as exc:
        problems.append(exc.problem)
        return None
    inputs = tuple(_inputs(function, file, imports, problems))
    made_by = PythonFunction(function.name, inputs, fields.get(LINEAGE, ()))
    return declared_model(name, place_of(function, file), fields, made_by, problems)


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: {"pl": "polars", "Table": "pyarrow.Table"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _model_function(
    name: str, file: str, tree: ast.Module, imports: dict[str, str]
) -> tuple[ast.FunctionDef, ast.expr]:
    found = list(_decorated(tree, imports))
    if len(found) != 1:
        names = listed(function.name for function, _ in found)
        what = f"the functions {names} are models" if found else "no function here is a model"
        place = place_of(found[1][0], file) if found else Place(file)
        fix = (
            "" if found else f"write `from headrace import model`, and `@model` above `def {name}`"
        )
        raise Misread(Problem(place, what, "exactly one function with `@model`", fix))
    function, decorator = found[0]
    if isinstance(function, ast.AsyncFunctionDef):
        what = f"`{function.name}` is an async function"
        raise Misread(Problem(place_of(function, file), what, "a plain `def`"))
    if function.name != name:
        what = f"the model's function is called `{function.name}`"
        expected = f"`{name}`, the name of the file"
        raise Misread(Problem(place_of(function, file), what, expected, "rename one of them"))
    return function, decorator


def _decorated(tree: ast.Module, imports: dict[str, str]) -> Iterator[tuple[_Function, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if _dotted(called, imports) == _DECORATOR:
                    yield node, decorator
                    break


def _dotted(node: ast.expr, imports: dict[str, str]) -> str:
    """The full name of an expression such as `pl.LazyFrame`; "" for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([imports.get(node.id, node.id), *reversed(parts)])


def _inputs(
    function: ast.FunctionDef, file: str, imports: dict[str, str], problems: Problems
) -> Iterator[tuple[str, Frame]]:
    arguments = function.args
    for stars, star in (("*", arguments.vararg), ("**", arguments.kwarg)):
        if star is not None:
            what = f"the parameter `{stars}{star.arg}` names no table"
            problems.append(Problem(place_of(star, file), what, "one parameter for each table"))
    for default in (*arguments.defaults, *arguments.kw_defaults):
        if default is not None:
            what = "a parameter has a default"
            problems.append(
                Problem(place_of(default, file), what, "parameters that are tables only")
            )
    for only in arguments.posonlyargs:
        what = f"the parameter `{only.arg}` cannot be given by name"
        problems.append(Problem(place_of(only, file), what, "parameters without a `/` after them"))
    for argument in (*arguments.args, *arguments.kwonlyargs):
        frame = _frame(argument, file, imports, problems)
        if frame is not None:
            yield argument.arg, frame


def _frame(
    argument: ast.arg, file: str, imports: dict[str, str], problems: Problems
) -> Frame | None:
    annotation = argument.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = _unquoted(annotation.value)
    name = _dotted(annotation, imports) if annotation is not None else ""
    if name in FRAMES:
        return FRAMES[name]
    written = (
        f"is annotated with `{ast.unparse(argument.annotation)}`"
        if argument.annotation
        else "has no annotation"
    )
    what = f"the parameter `{argument.arg}` {written}"
    hint = near_miss(name, FRAMES)
    problems.append(Problem(place_of(argument, file), what, f"one of {listed(FRAMES)}", hint))
    return None


def _unquoted(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _arguments(decorator: ast.expr, file: str, problems: Problems) -> Entries | None:
    """The decorator's arguments as a mapping, as if they stood in a header."""
    if not isinstance(decorator, ast.Call):
        return None
    for argument in decorator.args:
        what = "an argument of `@model` has no name"
        problems.append(Problem(place_of(argument, file), what, "`name=value`"))
    literals = Literals(file)
    entries: list[tuple[Scalar, Node]] = []
    for keyword in decorator.keywords:
        place = place_of(keyword, file)
        if keyword.arg is None:
            problems.append(Problem(place, "`@model` is given `**`", "literal arguments"))
            continue
        key = Scalar("this key", place, keyword.arg, keyword.arg)
        try:
            entries.append((key, literals.read(keyword.value, f"`{keyword.arg}`")))
        except Misread as exc:
            problems.append(exc.problem)
    return Entries("`@model`", place_of(decorator, file), tuple(entries))

"""Routers: takes a file of endpoints/ that ends in .py, gives what it declares, unimported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from headrace.base.access import Access
from headrace.base.declarations import Router
from headrace.base.errors import Place, Problem
from headrace.pipeline.project.access_keys import access
from headrace.pipeline.project.documents import Misread
from headrace.pipeline.project.keys import Problems
from headrace.pipeline.project.literals import Literals, parse_python, place_of

_OWN_SCOPE = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def read_router(name: str, file: str, text: str, problems: Problems) -> Router | None:
    """A Python file of endpoints/ as a declaration."""
    try:
        tree = parse_python(text, file)
    except Misread as exc:
        problems.append(exc.problem)
        return None
    if "router" not in set(_defined_names(tree)):
        fix = "write `router = APIRouter()`"
        problems.append(
            Problem(Place(file), "this file defines no `router`", "a FastAPI `router`", fix)
        )
        return None
    return Router(name, Place(file, 1), _declared_access(tree, file, problems))


def _defined_names(tree: ast.Module) -> Iterator[str]:
    """Names that the top level of a module assigns or imports."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _declared_access(tree: ast.Module, file: str, problems: Problems) -> Access | None:
    """What the module says as `access = [...]`; None where it says nothing.

    Whoever sets the name in another way means to say something that cannot be read here: to take
    the settings' default then could let in more than was meant.
    """
    values = [value for node in tree.body if (value := _assigned(node)) is not None]
    bound = [place_of(node, file) for node in _bindings(tree)]
    if not bound:
        return None
    if len(values) != 1 or len(bound) != 1:
        place = bound[1] if len(bound) > 1 else bound[0]
        found = "`access` is set twice" if len(bound) > 1 else "`access` is set by code"
        problems.append(Problem(place, found, 'one literal, as in `access = ["analyst"]`'))
        return None
    try:
        return access(Literals(file).read(values[0], "`access`"), problems)
    except Misread as exc:
        problems.append(exc.problem)
        return None


def _assigned(node: ast.stmt) -> ast.expr | None:
    """The value of `access = ...`."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        return node.value if _is_access(node.targets[0]) else None
    return node.value if isinstance(node, ast.AnnAssign) and _is_access(node.target) else None


def _is_access(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "access"


def _bindings(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Wherever a module sets the name `access`, outside of its functions and classes."""
    if isinstance(node, ast.Name) and _is_access(node) and not isinstance(node.ctx, ast.Load):
        yield node
    elif isinstance(node, ast.ImportFrom | ast.Import):
        names = [alias.asname or alias.name for alias in node.names]
        yield from [node] if "access" in names else []
    elif not isinstance(node, _OWN_SCOPE):
        for child in ast.iter_child_nodes(node):
            yield from _bindings(child)

"""What one Python file says: takes its text, gives its definitions, and the names that each uses.

A definition is what can be left out when nothing reaches it: a plain `def`, `class` or assignment
that runs no code of its own when the file is imported. Everything else counts always.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from headrace.base.hashing import address
from headrace.pipeline.compile.queries import Definition, Imported, ModuleFacts

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# What they reach cannot be told from the text.
_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "eval", "__import__", "importlib"})
_METHODS = frozenset({"property", "staticmethod", "classmethod"})
# One name or an annotation, as "rate" or "dict[str, Rate] | None"; no text for people.
_LIKE_NAMES = re.compile(r"[\w.]+(?:\s*[\[\]|,]\s*[\w.]*)*")
_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
# Expressions that may run code of any kind.
_RUNS = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)


def read_module(data: bytes, name: str = "<module>") -> ModuleFacts:
    """What the text of a Python file says.

    Raises:
        SyntaxError: the text is not Python.
    """
    tree = ast.parse(data, filename=name)
    imports = tuple(dict.fromkeys(_imports(tree)))
    _strip(tree)
    definitions: dict[str, list[Definition]] = {}
    always: list[ast.stmt] = []
    for statement in tree.body:
        names = list(_defined(statement))
        if not names and not _says_nothing(statement):
            always.append(statement)
        for each in names:
            definitions.setdefault(each, []).append(_definition([statement]))
    nodes = list(ast.walk(tree))
    return ModuleFacts(
        code=address("module", ast.dump(tree)),
        imports=imports,
        always=_definition(always),
        definitions={each: tuple(found) for each, found in definitions.items()},
        imported=_imported(nodes),
        whole=any(_is_dynamic(node) for node in nodes),
    )


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            # `from package import name`: the name may be a module of the package.
            yield from ((node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)


def _imported(nodes: Iterable[ast.AST]) -> dict[str, tuple[Imported, ...]]:
    """Name -> what it is imported as, anywhere in the file."""
    found: dict[str, list[Imported]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found.setdefault(alias.asname or whole, []).append(Imported(0, whole))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                one = Imported(node.level, node.module or "", alias.name)
                found.setdefault(alias.asname or alias.name, []).append(one)
    return {name: tuple(each) for name, each in found.items()}


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


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether a statement has no effect but through the names that it imports."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass)


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a plain definition binds; nothing for any other statement."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        if not statement.decorator_list and not _runs(_evaluated(statement)):
            yield statement.name
    elif isinstance(statement, ast.ClassDef):
        if _is_plain_class(statement):
            yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign) and not _runs([statement]):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        nodes = [node for target in targets for node in ast.walk(target)]
        if all(isinstance(node, _PLAIN_TARGETS) for node in nodes):
            yield from (node.id for node in nodes if isinstance(node, ast.Name))


_PLAIN_TARGETS = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)


def _evaluated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What of a function is evaluated where it is defined: defaults and annotations."""
    yield function.args
    if function.returns is not None:
        yield function.returns


def _runs(parts: Iterable[ast.AST]) -> bool:
    return any(isinstance(node, _RUNS) for part in parts for node in ast.walk(part))


def _is_plain_class(node: ast.ClassDef) -> bool:
    """Whether defining a class runs nothing: a base may have an `__init_subclass__`."""
    if node.bases or node.keywords or node.decorator_list:
        return False
    return all(_is_plain_member(each) for each in node.body)


def _is_plain_member(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        named = all(getattr(each, "id", "") in _METHODS for each in node.decorator_list)
        return named and not _runs(_evaluated(node))
    return isinstance(node, ast.Pass) or next(_defined(node), None) is not None


def _definition(statements: list[ast.stmt]) -> Definition:
    uses = {use for each in statements for use in _uses(each)}
    code = address("code", [ast.dump(each) for each in statements]) if statements else ""
    return Definition(code, tuple(sorted(uses)))


def _uses(node: ast.AST) -> Iterator[str]:
    """The names in a piece of code, with the attributes that are taken of them: "rates.RATE".

    Texts that look like names are among them: annotations in quotes, arguments of `getattr`.
    """
    chain = _chain(node)
    if chain:
        yield chain
        return
    if isinstance(node, ast.Constant) and _LIKE_NAMES.fullmatch(str(node.value)):
        yield from _NAME.findall(str(node.value))
    if isinstance(node, ast.Global):
        yield from node.names
    for child in ast.iter_child_nodes(node):
        yield from _uses(child)


def _chain(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_dynamic(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _DYNAMIC
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" for alias in node.names) or node.module == "importlib"
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"

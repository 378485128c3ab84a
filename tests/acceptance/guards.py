"""The guards of the code: takes its modules, gives every place that keeps somebody out, and the
module without it.

What a guard is follows from its form, so a new one is found by itself:

- a call for its refusal alone: `require(…)`, `self._questions.admit(…)`, `_check_times(…)`;
- one that gives back what it was given: `receive = await require_unforged(scope, receive, …)`;
- an `if` that ends in a refusal: `raise BadToken(…)`, and `return None`, `return False` or
  `return ANONYMOUS` where a function says who somebody is, or what they may;
- an `if` of several conditions that ends in saying who somebody is;
- a condition of an answer: `….allows(…)`, `….isdisjoint(…)`, `compare_digest(…)`.

Of a condition with `or`, each part is a guard of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import headrace

ROOT = Path(headrace.__file__).parent
FOLDERS = ("auth", "serve", "console")
MODULES = ("base/access.py",)

_CALLS = ("require", "admit", "check", "verify")
_REFUSALS = frozenset({"refusal", "unauthenticated", "BadCredential", "BadToken"})
_STATUSES = frozenset({401, 403, 404, 410})
_ANSWERS = frozenset({"allows", "compare_digest"})
_WHO = ("Principal", "KeyParts", "KeyEntry", "Access", "Account", "Session", "VerificationKey")


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: `module` is dotted, `number` counts those of the module; `text` is for people."""

    module: str
    number: int
    line: int
    where: str
    text: str

    @property
    def name(self) -> str:
        """What a literal list calls it: it stays the same when lines move."""
        return f"{self.module}:{self.where}: {self.text}"


def guards() -> list[Guard]:
    """All of them, in the order of the code."""
    paths = [ROOT / each for each in MODULES]
    for folder in FOLDERS:
        paths += sorted((ROOT / folder).rglob("*.py"))
    return [guard for path in paths for guard in _guards_of(path)]


def without(guard: Guard) -> ast.Module:
    """The module of a guard without it, to be compiled."""
    tree = ast.parse(path_of(guard.module).read_text())
    for number, (_, _, remove) in enumerate(_found(tree)):
        if number == guard.number:
            remove()
            return ast.fix_missing_locations(tree)
    raise LookupError(guard)


def path_of(module: str) -> Path:
    """The file of a module."""
    return ROOT.parent / (module.replace(".", "/") + ".py")


def _guards_of(path: Path) -> Iterator[Guard]:
    module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for number, (where, node, _) in enumerate(_found(ast.parse(path.read_text()))):
        yield Guard(module, number, node.lineno, where, ast.unparse(node))


_Remove = Callable[[], None]
_Place = tuple[str, "ast.expr | ast.stmt", _Remove]


def _found(tree: ast.Module) -> Iterator[_Place]:
    """Where, what, and what takes it out of the tree."""
    for where, function in _functions(tree, ""):
        for statements in _blocks(function):
            for at, statement in enumerate(statements):
                yield from _of_statement(where, function, statements, at, statement)
        for parent in _own_nodes(function):
            for node, replace in _expressions(parent):
                if isinstance(node, ast.Call) and _called(node) in _ANSWERS:
                    yield where, node, lambda replace=replace: replace(ast.Constant(True))  # type: ignore[misc]  # of this turn


def _of_statement(
    where: str,
    function: ast.FunctionDef | ast.AsyncFunctionDef,
    statements: list[ast.stmt],
    at: int,
    statement: ast.stmt,
) -> Iterator[_Place]:
    if isinstance(statement, ast.Expr):
        call = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
        if isinstance(call, ast.Call) and _called(call).lstrip("_").startswith(_CALLS):
            yield where, statement, lambda: statements.__setitem__(at, ast.Pass())
    elif isinstance(statement, ast.Assign) and (unchanged := _unchanged(statement)) is not None:
        yield where, statement, lambda: setattr(statement, "value", unchanged)
    elif isinstance(statement, ast.If) and _refuses(statement.body[-1], function):
        yield from _parts(where, statement)
    elif isinstance(statement, ast.If) and _says_who(function):
        yield from _lets_in(where, statement)
    elif isinstance(statement, ast.Return) and _says_who(function):
        value = statement.value
        if isinstance(value, ast.IfExp) and _is_none(value.orelse):
            yield where, value, lambda: setattr(statement, "value", value.body)
        elif isinstance(value, ast.IfExp) and _is_none(value.body):
            yield from _parts(where, value)
        elif isinstance(value, ast.BoolOp) and isinstance(value.op, ast.And):
            yield from _operands(where, value, True)


def _parts(where: str, statement: ast.If | ast.IfExp) -> Iterator[_Place]:
    """The parts of a condition that refuses; without a part, it refuses for the others."""
    test = statement.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        yield from _operands(where, test, False)
    else:
        yield where, test, lambda: setattr(statement, "test", ast.Constant(False))


def _operands(where: str, test: ast.BoolOp, neutral: bool) -> Iterator[_Place]:
    for at, part in enumerate(test.values):
        yield where, part, lambda at=at: test.values.__setitem__(at, ast.Constant(neutral))  # type: ignore[misc]  # of this turn


def _refuses(last: ast.stmt, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if isinstance(last, ast.Raise) and isinstance(last.exc, ast.Call):
        raised = last.exc
        return _called(raised) in _REFUSALS or bool(_STATUSES & _numbers(raised))
    if not isinstance(last, ast.Return) or not _says_who(function):
        return False
    value = last.value
    return value is None or _is_none(value) or ast.unparse(value) in ("False", "ANONYMOUS")


def _unchanged(statement: ast.Assign) -> ast.expr | None:
    """What `receive = await require_unforged(scope, receive, …)` is without the call."""
    call = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
    if not isinstance(call, ast.Call) or not _called(call).lstrip("_").startswith(_CALLS):
        return None
    name = ast.unparse(statement.targets[0])
    return next((it for it in call.args if ast.unparse(it).rpartition(".")[2] == name), None)


def _lets_in(where: str, statement: ast.If) -> Iterator[_Place]:
    """The conditions under which somebody is who they say; without one, under the others."""
    test = statement.test
    is_answer = isinstance(statement.body[-1], ast.Return)
    if is_answer and isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        yield from _operands(where, test, True)


def _numbers(call: ast.Call) -> set[object]:
    """The numbers in a raised `Refused(problem(403, …))`."""
    return {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)}


def _says_who(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function says who somebody is, or whether they may."""
    said = ast.unparse(function.returns) if function.returns else ""
    return any(word in said for word in _WHO) or function.name in ("allows", "_holds")


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _functions(
    tree: ast.AST, prefix: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
            yield from _functions(node, f"{name}.")
        elif not isinstance(node, ast.expr):
            yield from _functions(node, prefix)


def _own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """A function's nodes, without those of functions inside it."""
    yield function
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _own_nodes(node)


def _blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in _own_nodes(function):
        for _, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield value


def _expressions(parent: ast.AST) -> Iterator[tuple[ast.expr, Callable[[ast.expr], None]]]:
    """The expressions right beneath a node, each with what replaces it."""
    for name, value in ast.iter_fields(parent):
        if isinstance(value, ast.expr):
            yield value, lambda new, name=name: setattr(parent, name, new)  # type: ignore[misc]  # of this turn
        elif isinstance(value, list):
            for at, each in enumerate(value):
                if isinstance(each, ast.expr):
                    yield each, lambda new, value=value, at=at: value.__setitem__(at, new)  # type: ignore[misc]  # of this turn

"""Python files: takes a text, gives its syntax tree, and its literals as the nodes of a header."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from types import EllipsisType

from headrace.base.declarations import Value
from headrace.base.errors import Place, Problem
from headrace.pipeline.project.documents import Entries, Items, Misread, Node, Scalar, item_label


def parse_python(text: str, file: str) -> ast.Module:
    """The syntax tree of a Python file.

    Raises:
        Misread: not Python.
    """
    if "\0" in text:
        place = Place(file, text.count("\n", 0, text.index("\0")) + 1)
        raise Misread(Problem(place, "this is not Python: it holds a null byte"))
    try:
        # A doubtful escape in the user's text is not ours to warn about.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as exc:
        place = Place(file, exc.lineno or 0, max(exc.offset or 0, 0))
        raise Misread(Problem(place, f"this is not Python: {exc.msg}")) from exc
    except ValueError as exc:
        raise Misread(Problem(Place(file), f"this is not Python: {exc}")) from exc
    except (RecursionError, MemoryError) as exc:
        raise Misread(Problem(Place(file), "this is nested too deeply")) from exc


def place_of(node: ast.stmt | ast.expr | ast.arg | ast.keyword, file: str) -> Place:
    """Where a piece of code begins."""
    return Place(file, node.lineno, node.col_offset + 1)


@dataclass(frozen=True, slots=True)
class Literals:
    """Turns literal expressions into the nodes that YAML gives."""

    file: str

    def read(self, node: ast.expr, label: str) -> Node:
        """The node of a literal, which messages call `label`.

        Raises:
            Misread: it is known only when the code runs.
        """
        place = place_of(node, self.file)
        if isinstance(node, ast.List | ast.Tuple):
            inner = item_label(label)
            return Items(label, place, tuple(self.read(item, inner) for item in node.elts))
        if isinstance(node, ast.Dict):
            return Entries(label, place, tuple(self._entries(node)))
        return self._scalar(node, label)

    def _entries(self, node: ast.Dict) -> Iterable[tuple[Scalar, Node]]:
        for key_node, value_node in zip(node.keys, node.values, strict=True):
            if key_node is None:
                what = "a mapping is given `**`"
                raise Misread(Problem(place_of(value_node, self.file), what, "literal entries"))
            key = self._scalar(key_node, "this key")
            yield key, self.read(value_node, f"`{key.text}`")

    def _scalar(self, node: ast.expr, label: str) -> Scalar:
        place = place_of(node, self.file)
        value = _literal_value(node)
        if isinstance(value, EllipsisType):
            raise Misread(self._not_literal(node, label))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return Scalar(label, place, value, "" if value is None else text)

    def _not_literal(self, node: ast.expr, label: str) -> Problem:
        what = f"{label} is `{ast.unparse(node)}`, which is known only when the code runs"
        expected = "a literal: a text, a number, a list or a dict of them"
        return Problem(place_of(node, self.file), what, expected)


def _literal_value(node: ast.expr) -> Value | EllipsisType:
    """The value of a literal, with its sign; `...` for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _literal_value(node.operand)
        return -number if isinstance(number, int | float) and not isinstance(number, bool) else ...
    value = node.value if isinstance(node, ast.Constant) else ...
    return value if value is None or isinstance(value, str | int | float) else ...

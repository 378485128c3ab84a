"""What no order of rows answers, whatever its key: takes a query's tree, raises for that."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headrace.engines.trees import Node, is_query, parameters, parents, walk
from headrace.pipeline.compile.access_clauses import NotKeyed
from headrace.pipeline.compile.local_expressions import nodes_of

_OWN_NAME = re.compile(r"[kgm]\d+", re.ASCII | re.IGNORECASE)
_MODEL = "make it a model, and select from that"
_CLAUSES = {
    "select_list": "makes a field depend on a parameter",
    "group_expressions": "makes groups depend on a parameter",
    "having": "chooses among groups by a parameter",
    "qualify": "chooses among rows by a parameter",
    "modifiers": "makes the order depend on a parameter",
}
_ELSEWHERE = "asks for something before the rows are put together"


def refuse_query(tree: Node) -> None:
    """Raise NotKeyed for a query that is more than one SELECT of rows or groups."""
    if tree["type"] != "SELECT_NODE":
        fix = "make it a model, or put it into FROM without its parameters: FROM (…) WHERE …"
        raise NotKeyed(None, f"is a {_kind(tree)}", fix)
    if tree["sample"] is not None:
        raise NotKeyed(None, "takes a sample of the rows (USING SAMPLE)", _MODEL)
    if tree["qualify"]:
        raise NotKeyed(tree["qualify"], "chooses among rows by others", _MODEL, before="QUALIFY ")
    for node in nodes_of([tree["select_list"], tree["modifiers"]]):
        if node.get("class") == "WINDOW":
            raise NotKeyed(node, "looks at other rows of the answer (OVER)", _MODEL)
    for modifier in tree["modifiers"]:
        if modifier.get("distinct_on_targets"):
            raise NotKeyed(None, "keeps one row of several (DISTINCT ON)", _MODEL)
    _refuse_words(tree)


def _refuse_words(tree: Node) -> None:
    for node in walk(tree):
        if node.get("class") == "COLLATE":
            fix = "make a column of lower(…) in a model, and use that"
            raise NotKeyed(node, "compares texts by rules of its own (COLLATE)", fix)
        for name in _names(node):
            if _OWN_NAME.fullmatch(name):
                says = f"uses the name `{name}`, which the columns of keyed copies have"
                raise NotKeyed(None, says, "call it something else")


def _kind(tree: Node) -> str:
    return str(tree.get("setop_type") or tree["type"].removesuffix("_NODE")).replace("_", " ")


def _names(node: Node) -> list[str]:
    return [*node.get("column_names", ()), str(node.get("alias") or "")]


def refuse_parameters(tree: Node, seen: frozenset[int]) -> None:
    """Raise NotKeyed for the first parameter that is none of those `seen`, by the ids of nodes."""
    above = parents(tree)
    for parameter in parameters(tree):
        if id(parameter) not in seen:
            says = _CLAUSES.get(_clause(parameter, tree), _ELSEWHERE)
            fix = "compare a column of the answer with the parameter, in the last WHERE"
            raise NotKeyed(_whole(parameter, above), says, fix)


def _whole(node: Node, above: Mapping[int, Node]) -> Node:
    """The largest expression that a node is of."""
    found = climbing = node
    while (parent := above.get(id(climbing))) is not None and not is_query(parent):
        climbing = parent
        if "class" in parent:
            found = parent
    return found


def _clause(node: Node, tree: Node) -> str:
    """The key of the query under which a node stands."""
    return next(key for key, value in tree.items() if any(each is node for each in walk(value)))

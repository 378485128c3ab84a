"""What the locality proof knows of an expression: takes its tree and a scope, gives its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from headrace.base.partitions import Grain
from headrace.engines.trees import Node, children
from headrace.pipeline.compile.local_scopes import Scope
from headrace.pipeline.compile.local_values import (
    UNKNOWN,
    Value,
    cast,
    coalesced,
    comparable,
    truncated,
)

# Of values that all tell the same, these give one that tells it, or NULL when all are NULL.
_PICKS = frozenset({"min", "max", "any_value", "first", "last", "arbitrary"})
_EQUAL = frozenset({"COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM"})


def value_of(node: Node, scope: Scope, by: Grain) -> Value:
    """What is known of an expression."""
    if node.get("class") == "COLUMN_REF":
        return scope.resolve(node["column_names"])
    read = _READERS.get(str(node.get("type")))
    return UNKNOWN if read is None else read(node, scope, by)


def _cast(node: Node, scope: Scope, by: Grain) -> Value:
    kind = node["type_expr"]
    if node["try_cast"] or kind.get("class") != "TYPE" or kind.get("children"):
        return UNKNOWN
    return cast(value_of(node["child"], scope, by), kind["type_name"], by)


def _function(node: Node, scope: Scope, by: Grain) -> Value:
    name = str(node["function_name"]).lower()
    arguments = [each["expression"] for each in node["arguments"]]
    if name in {"date_trunc", "datetrunc"} and len(arguments) == 2:
        part = text_of(arguments[0])
        return truncated(value_of(arguments[1], scope, by), part, by)
    if name in _PICKS and scope.has_groups and len(arguments) == 1 and not node["filter"]:
        value = value_of(arguments[0], scope, by)
        return replace(value, facts=value.whole())
    return UNKNOWN


def _coalesce(node: Node, scope: Scope, by: Grain) -> Value:
    return coalesced([value_of(each, scope, by) for each in node["children"]], by)


_READERS: dict[str, Callable[[Node, Scope, Grain], Value]] = {
    "OPERATOR_CAST": _cast,
    "FUNCTION": _function,
    "OPERATOR_COALESCE": _coalesce,
}


def text_of(node: Node) -> str:
    """The text of a constant; "" for anything else."""
    if node.get("class") != "CONSTANT" or node["literal"]["kind"] != "STRING":
        return ""
    return str(node["literal"]["text"])


def position_of(node: Node) -> int | None:
    """The number that a constant is, for `GROUP BY 1`; None for anything else."""
    if node.get("class") != "CONSTANT" or node["literal"]["kind"] != "INTEGER":
        return None
    return int(node["literal"]["text"])


def conjuncts(condition: Node | None) -> Iterator[Node]:
    """The conditions that all hold where a condition does."""
    if condition is None:
        return
    if condition.get("type") == "CONJUNCTION_AND":
        for each in condition["children"]:
            yield from conjuncts(each)
    else:
        yield condition


def learned(condition: Node | None, scope: Scope, by: Grain) -> Scope:
    """A scope of the rows for which a condition is true: what is equal tells the same."""
    equal = [each for each in conjuncts(condition) if each.get("type") in _EQUAL]
    while True:
        before = scope
        for each in equal:
            scope = _learned(each["left"], each["right"], scope, by)
        if scope == before:
            return scope


def _learned(left: Node, right: Node, scope: Scope, by: Grain) -> Scope:
    values = value_of(left, scope, by), value_of(right, scope, by)
    if not comparable(*values, by):
        return scope
    facts = values[0].whole(), values[1].whole()
    side = replace(scope.side, glue=scope.side.glue.with_equal(*facts))
    for node, told in ((left, facts[1]), (right, facts[0])):
        if node.get("class") == "COLUMN_REF" and told and scope.owns(node["column_names"]):
            side = side.taught([name.lower() for name in node["column_names"]], told)
    return replace(scope, side=side)


def nodes_of(node: object) -> Iterator[Node]:
    """Every node of an expression, without those of the subqueries in it."""
    if isinstance(node, list):
        for each in node:
            yield from nodes_of(each)
    elif isinstance(node, dict):
        yield node
        if node.get("class") != "SUBQUERY":
            for child in children(node):
                yield from nodes_of(child)
        elif node["child"]:
            yield from nodes_of(node["child"])

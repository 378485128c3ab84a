"""Types the parameters of an endpoint from their use: takes a parse tree, gives types.

A parameter takes the type of what it is compared with or computed with. Types of those
expressions come from the engine, through a function that the caller passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from headrace.base.types import SIGNED_TYPES
from headrace.engines.trees import Node
from headrace.pipeline.compile.stored_types import stored_type

TypeOf: TypeAlias = Callable[[Node], str]
"""The type of an expression of the tree; "" when it cannot be known."""


@dataclass(frozen=True, slots=True)
class Use:
    """One occurrence of a parameter and the type that it asks for; "" when it asks for none."""

    name: str
    node: Node
    type: str


_TEXT_FUNCTIONS = frozenset(
    {"~~", "!~~", "~~*", "!~~*", "||", "lower", "upper", "trim", "ltrim", "rtrim", "contains"}
    | {"starts_with", "ends_with", "prefix", "suffix", "regexp_matches", "regexp_full_match"}
    | {
        "like_escape",
        "ilike_escape",
        "not_like_escape",
        "not_ilike_escape",
        "concat",
        "strip_accents",
    }
    | {"replace", "split_part", "instr", "strpos", "levenshtein", "jaro_winkler_similarity"}
)
_SAME_TYPE_FUNCTIONS = frozenset(
    {"+", "-", "*", "/", "//", "%", "greatest", "least", "ifnull", "nullif"}
)
_PART_FUNCTIONS = frozenset({"date_trunc", "date_part", "datetrunc", "datepart"})
_CALENDAR = ("DATE", "TIME")


def uses(
    found: Iterable[Node], above: Mapping[int, Node], type_near: Callable[[Node, Node], str]
) -> list[Use]:
    """Occurrences of parameters, with the types that their places ask for.

    Args:
        found: the PARAMETER nodes to look at.
        above: id of a node of their tree -> the node above it.
        type_near: the type of an expression (second) that stands where a node (first) does.
    """
    return [
        Use(node["identifier"], node, _asked(node, above, partial(type_near, node)))
        for node in found
    ]


def merged(types: Iterable[str]) -> tuple[str, ...]:
    """The types that a parameter may have: one when its uses agree, () when none says.

    Integers of several widths agree on the widest.
    """
    known = {type_name for type_name in types if type_name}
    if len(known) > 1 and known <= set(SIGNED_TYPES):
        return (max(known, key=SIGNED_TYPES.index),)
    return tuple(sorted(known))


def _asked(node: Node, above: Mapping[int, Node], type_of: TypeOf) -> str:
    parent = above[id(node)]
    if "expression" in parent and "class" not in parent:
        # A function's arguments are wrapped in {name, expression}.
        parent = above[id(parent)]
    rule = _RULES.get(str(parent.get("class") or parent.get("type")))
    found = rule(node, parent, above, type_of) if rule is not None else ""
    return found or _by_clause(node, parent, above)


def _by_clause(node: Node, parent: Node, above: Mapping[int, Node]) -> str:
    if any(parent.get(key) is node for key in ("where_clause", "having", "qualify", "when_expr")):
        return "BOOLEAN"
    climbing: Node | None = parent
    while climbing is not None and climbing.get("type") != "LIMIT_MODIFIER":
        climbing = None if "cte_map" in climbing else above.get(id(climbing))
    return "BIGINT" if climbing is not None else ""


def _first_type(nodes: Iterable[Node | None], type_of: TypeOf) -> str:
    for node in nodes:
        if node is not None and (found := type_of(node)):
            return stored_type(found)
    return ""


def _comparison(node: Node, parent: Node, _above: Mapping[int, Node], type_of: TypeOf) -> str:
    return _first_type([parent["right"] if parent["left"] is node else parent["left"]], type_of)


def _between(node: Node, parent: Node, _above: Mapping[int, Node], type_of: TypeOf) -> str:
    others = (parent["input"], parent["lower"], parent["upper"])
    return _first_type([each for each in others if each is not node], type_of)


def _conjunction(*_: object) -> str:
    return "BOOLEAN"


def _operator(node: Node, parent: Node, _above: Mapping[int, Node], type_of: TypeOf) -> str:
    kind, operands = parent["type"], parent["children"]
    if kind in {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE"}:
        return _first_type([each for each in operands if each is not node], type_of)
    if kind == "OPERATOR_NOT":
        return "BOOLEAN"
    if kind == "ARRAY_EXTRACT" and operands[1] is node:
        return _key_type(type_of(operands[0]))
    return ""


def _key_type(container: str) -> str:
    return "BIGINT" if container.endswith("]") else ""


def _cast(_node: Node, parent: Node, above: Mapping[int, Node], type_of: TypeOf) -> str:
    around = above.get(id(parent), {})
    function = above.get(id(around), {})
    if function.get("function_name") == "trunc" and parent["query_location_length"] == 0:
        # INTERVAL ($n) DAY: the parser writes to_days(CAST(trunc(CAST($n AS DOUBLE)) AS INTEGER)).
        return "INTEGER"
    return stored_type(type_of(parent))


def _subquery(_node: Node, parent: Node, _above: Mapping[int, Node], type_of: TypeOf) -> str:
    return stored_type(
        type_of({**parent, "subquery_type": "SCALAR", "child": None, "comparison_type": "INVALID"})
    )


def _function(node: Node, parent: Node, _above: Mapping[int, Node], type_of: TypeOf) -> str:
    name = parent["function_name"].lower()
    arguments = [each["expression"] for each in parent["arguments"]]
    position = next(i for i, each in enumerate(arguments) if each is node)
    others = [each for each in arguments if each is not node]
    if name in _TEXT_FUNCTIONS or (name in _PART_FUNCTIONS and position == 0):
        return "VARCHAR"
    if name in _SAME_TYPE_FUNCTIONS:
        found = _first_type(others, type_of)
        # A date plus a number, or plus an interval: only the user knows.
        return "" if found.startswith(_CALENDAR) or found == "INTERVAL" else found
    if name in {"list_contains", "array_contains", "list_has"}:
        return _list_use(position, others, type_of)
    return ""


def _list_use(position: int, others: list[Node], type_of: TypeOf) -> str:
    found = _first_type(others[:1], type_of)
    if position == 0:
        return f"{found}[]" if found else ""
    return found.removesuffix("[]") if found.endswith("[]") else ""


_RULES: dict[str, Callable[[Node, Node, Mapping[int, Node], TypeOf], str]] = {
    "COMPARISON": _comparison,
    "BETWEEN": _between,
    "CONJUNCTION": _conjunction,
    "OPERATOR": _operator,
    "CAST": _cast,
    "SUBQUERY": _subquery,
    "FUNCTION": _function,
}

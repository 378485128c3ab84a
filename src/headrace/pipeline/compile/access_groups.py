"""What a keyed copy can hold of aggregates: takes a SELECT, gives groups and partial results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from headrace.base.types import INTEGER_TYPES
from headrace.engines.trees import Node
from headrace.pipeline.compile.access_clauses import NotKeyed, references
from headrace.pipeline.compile.access_names import Selection
from headrace.pipeline.compile.local_expressions import nodes_of, text_of

Merged: TypeAlias = Literal["sum", "count", "min", "max", "avg"]

# The same for the same rows, in whatever order they come.
_EXACT = frozenset(
    {"count", "count_star", "count_if", "countif", "min", "max", "bool_and", "bool_or"}
    | {"bit_and", "bit_or", "bit_xor", "median", "quantile_disc", "approx_count_distinct"}
)
# Exact where the values are: DOUBLE sums depend on the order in which they are added.
_EXACT_SUMS = frozenset({"sum", "avg", "mean"})
_IN_ORDER = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg"})
_MERGED: dict[str, Merged] = {
    "sum": "sum",
    "count": "count",
    "count_star": "count",
    "min": "min",
    "max": "max",
    "avg": "avg",
    "mean": "avg",
}
# Of a moment, each is the same or later for a later moment.
_PARTS = frozenset(
    {"microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month"}
    | {"quarter", "year", "decade", "century", "millennium"}
)
_MOMENTS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})
_SUMMED_TWICE = "cast the column to DECIMAL or an integer in a model"


def is_grouped(selection: Selection) -> bool:
    """Whether a SELECT gives rows of groups, or of all rows together."""
    tree = selection.tree
    if tree["group_sets"] or tree["having"] or tree["aggregate_handling"] == "FORCE_AGGREGATES":
        return True
    return selection.has_aggregates([tree["select_list"], tree["modifiers"]])


def groups_of(selection: Selection) -> list[Node]:
    """The expressions of GROUP BY, over the rows.

    Raises:
        NotKeyed: there are several sets of groups, or they cannot be told.
    """
    tree = selection.tree
    if tree["aggregate_handling"] == "FORCE_AGGREGATES":
        return list(_of_all(selection))
    if len(tree["group_sets"]) > 1:
        fix = "give each grouping an endpoint of its own"
        raise NotKeyed(None, "groups rows in several ways at once (ROLLUP, CUBE, …)", fix)
    found = [selection.over_rows(selection.at(each)) for each in tree["group_expressions"]]
    for group in found:
        if any(each.get("class") == "SUBQUERY" for each in nodes_of(group)):
            raise NotKeyed(group, "groups by the answer of a query", "join what that query gives")
    return found


def _of_all(selection: Selection) -> Iterator[Node]:
    """What GROUP BY ALL stands for: the fields that are no aggregates, and are of a column."""
    if selection.has_star:
        raise NotKeyed(None, "groups by the fields of a `*`", "name the fields")
    for item in selection.items:
        if any(each.get("class") == "SUBQUERY" for each in nodes_of(item)):
            raise NotKeyed(item, "may be a group or not", "name the groups: GROUP BY …")
        if not selection.has_aggregates(item) and next(references(item), None) is not None:
            yield {**selection.over_rows(item), "alias": ""}


def refuse_inexact(selection: Selection, type_of: Callable[[Node], str]) -> None:
    """Raise NotKeyed for an aggregate whose value depends on the order of rows."""
    tree = selection.tree

    def type_over_rows(expression: Node) -> str:
        return type_of(selection.over_rows(expression))

    for node in nodes_of([tree["select_list"], tree["having"], tree["modifiers"]]):
        if selection.is_aggregate(node):
            _refuse_inexact(node, type_over_rows)


def _refuse_inexact(node: Node, type_of: Callable[[Node], str]) -> None:
    name = node["function_name"].lower()
    if name in _EXACT_SUMS:
        type_name = type_of(node["arguments"][0]["expression"])
        if not _is_exact(type_name):
            says = f"adds up {type_name or 'values'}, and the last digits depend on the order"
            raise NotKeyed(node, f"{says} of the rows", _SUMMED_TWICE)
    elif name in _IN_ORDER:
        if not node["order_bys"]["orders"]:
            fix = "order its values: an ORDER BY within the parentheses"
            raise NotKeyed(node, "depends on the order of the rows", fix)
    elif name not in _EXACT:
        raise NotKeyed(node, "may depend on the order of the rows", "compute it in a model")


def _is_exact(type_name: str) -> bool:
    return type_name in INTEGER_TYPES | {"BOOLEAN"} or type_name.startswith("DECIMAL(")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a rolled-up answer.

    Attributes:
        function: as in `RollupField`.
        column: the number of the group, or of its first partial result.
        item: its expression.
    """

    function: Literal["group", "sum", "count", "min", "max", "avg"]
    column: int
    item: Node


def rolled_up(selection: Selection, groups: Sequence[Node]) -> tuple[list[Field], list[Node]]:
    """The fields of a rolled-up answer, and the partial results that they are merged from.

    Raises:
        NotKeyed: a field is more than a group or one aggregate that can be merged.
    """
    if selection.tree["having"]:
        fix = "leave it to the reader of the answer, or group by what the range is of, too"
        says = "chooses among groups that are only whole within a range"
        raise NotKeyed(selection.tree["having"], says, fix, before="HAVING ")
    forms = [selection.form(group) for group in groups]
    fields: list[Field] = []
    partials: list[Node] = []
    for item in selection.items:
        expression = selection.over_rows(item)
        form = selection.form(expression)
        if form in forms:
            fields.append(Field("group", forms.index(form), item))
        else:
            function, needed = _merged(expression, selection)
            fields.append(Field(function, len(partials), item))
            partials.extend(needed)
    return fields, partials


def _merged(item: Node, selection: Selection) -> tuple[Merged, list[Node]]:
    function = _MERGED.get(item.get("function_name", "").lower())
    several = len(item.get("arguments", ())) > 1
    if function is None or several or not selection.is_aggregate(item):
        says = "is neither a group nor one of sum, count, min, max and avg by itself, which merge"
        raise NotKeyed(
            item, f"{says} within a range", "compute with the fields where they are read"
        )
    if item["distinct"]:
        says = "counts each value once, and its parts of a range share values"
        raise NotKeyed(item, says, "leave DISTINCT out, or group by what the range is of, too")
    plain = {**item, "alias": ""}
    return function, [plain] if function != "avg" else [_as(plain, "sum"), _as(plain, "count")]


def _as(aggregate: Node, name: str) -> Node:
    return {**aggregate, "function_name": name, "qualified_name": {"path": [name]}}


def is_monotone(group: Node, ranged: Node, ranged_type: str, selection: Selection) -> bool:
    """Whether a group never decreases while the ranged expression grows."""
    if selection.form(group) == selection.form(ranged):
        return True
    if ranged_type not in _MOMENTS:
        return False
    inner = _inside(group)
    return inner is not None and is_monotone(inner, ranged, ranged_type, selection)


def _inside(group: Node) -> Node | None:
    """The moment that a later or equal moment is made of; None when it is not one such step."""
    if group.get("type") == "OPERATOR_CAST" and not group["try_cast"]:
        kind = str(group["type_expr"]["type_name"]).upper()
        child: Node = group["child"]
        return child if kind in {"DATE", "TIMESTAMP"} else None
    if group.get("type") != "FUNCTION":
        return None
    name = group["function_name"].lower()
    arguments: list[Node] = [each["expression"] for each in group["arguments"]]
    if name in {"date_trunc", "datetrunc"} and text_of(arguments[0]).lower() in _PARTS:
        return arguments[1]
    return arguments[0] if name == "year" and len(arguments) == 1 else None

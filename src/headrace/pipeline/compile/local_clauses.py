"""The clauses of a SELECT in the locality proof: gives those that look across partitions.

A clause that looks at several rows at once (a group, a window, DISTINCT) is local when the rows it
looks at together are of one partition; LIMIT never is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headrace.base.partitions import Grain
from headrace.engines.trees import Node
from headrace.pipeline.compile.local_expressions import nodes_of, position_of, value_of
from headrace.pipeline.compile.local_scopes import Column, Scope
from headrace.pipeline.compile.local_values import NO_FACTS, UNKNOWN, Facts, Value, determines

LIMITED = "LIMIT counts the rows of all partitions"


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT whose rows are of one part.

    Attributes:
        columns: what it gives, in order; None when these are not all known.
        scope: what its clauses see; `grouped` what they see after grouping.
        aggregates: the names of all aggregate functions.
    """

    node: Node
    columns: tuple[Column, ...]
    complete: bool
    scope: Scope
    grouped: Scope
    part: int
    by: Grain
    components: int
    aggregates: frozenset[str]

    def tells(self, values: Sequence[Value]) -> bool:
        """Whether values tell the key of each row."""
        return determines(values, self.part, self.components)

    def values(self, nodes: Sequence[Node], scope: Scope) -> list[Value]:
        """What is known of expressions, of which a number means a column of the select list."""
        return [self._value(node, scope) for node in nodes]

    def _value(self, node: Node, scope: Scope) -> Value:
        at = position_of(node)
        if at is None:
            return value_of(node, scope, self.by)
        return self.columns[at - 1].value if 0 < at <= len(self.columns) else UNKNOWN


def across(select: Select) -> Iterator[tuple[Node, str]]:
    """The clauses of a SELECT that look across partitions, and in what way; LIMIT is left out."""
    yield from _groups(select)
    clauses = [select.node[key] for key in ("select_list", "qualify", "modifiers")]
    for node in nodes_of(clauses):
        if node.get("class") == "WINDOW":
            yield from _window(select, node)
    for modifier in select.node["modifiers"]:
        if modifier["type"] == "DISTINCT_MODIFIER":
            yield from _distinct(select, modifier)


def _groups(select: Select) -> Iterator[tuple[Node, str]]:
    node = select.node
    calls = list(aggregate_calls(node, select.aggregates))
    if node["group_expressions"]:
        always = _always(node)
        keys = [node["group_expressions"][at] for at in always]
        if not select.tells(select.values(keys, select.scope)):
            yield node["group_expressions"][0], "this GROUP BY does not include the partition"
    elif node["aggregate_handling"] == "FORCE_AGGREGATES":
        if not select.tells(_group_by_all(select)):
            yield node["select_list"][0], "this GROUP BY ALL does not include the partition"
    elif calls or node["having"] is not None or node["group_sets"]:
        at = calls[0] if calls else node["select_list"][0]
        yield at, "an aggregate without GROUP BY takes the rows of all partitions"


def _always(node: Node) -> list[int]:
    """The group expressions that are in each of the grouping sets."""
    everywhere = range(len(node["group_expressions"]))
    return [at for at in everywhere if all(at in each for each in node["group_sets"])]


def _group_by_all(select: Select) -> list[Value]:
    items = select.node["select_list"]
    if all(item["class"] != "STAR" for item in items) and select.complete:
        kept = zip(items, select.columns, strict=True)
        return [
            column.value
            for item, column in kept
            if not any(_is_aggregate(each, select.aggregates) for each in nodes_of(item))
        ]
    if any(_is_aggregate(each, select.aggregates) for each in nodes_of(items)):
        plain = [each for each in items if each["class"] == "COLUMN_REF"]
        return select.values(plain, select.scope)
    return [column.value for column in select.columns]


def _window(select: Select, node: Node) -> Iterator[tuple[Node, str]]:
    if not select.tells([value_of(each, select.grouped, select.by) for each in node["partitions"]]):
        name = node["function_name"]
        yield node, f"the PARTITION BY of this window of `{name}` does not include the partition"


def _distinct(select: Select, modifier: Node) -> Iterator[tuple[Node, str]]:
    targets = modifier["distinct_on_targets"]
    if targets and not select.tells(select.values(targets, select.grouped)):
        yield targets[0], "this DISTINCT ON does not include the partition"
    if not targets and not (
        select.complete and select.tells([column.value for column in select.columns])
    ):
        yield select.node["select_list"][0], "this DISTINCT does not include the partition"


def aggregate_calls(node: Node, aggregates: frozenset[str]) -> Iterator[Node]:
    """The aggregate functions that a SELECT itself calls, in the order of its clauses."""
    clauses = [node[key] for key in ("select_list", "having", "qualify", "modifiers")]
    return (each for each in nodes_of(clauses) if _is_aggregate(each, aggregates))


def _is_aggregate(node: Node, aggregates: frozenset[str]) -> bool:
    return node.get("class") == "FUNCTION" and str(node["function_name"]).lower() in aggregates


def grouped_scope(node: Node, scope: Scope) -> Scope:
    """What the clauses after grouping see: what some grouping set leaves out may be NULL."""
    always = set(_always(node))
    if node["aggregate_handling"] == "FORCE_AGGREGATES":
        return replace(
            scope, has_groups=any(e["class"] == "COLUMN_REF" for e in node["select_list"])
        )
    scope = replace(scope, has_groups=bool(node["group_expressions"]) and all(node["group_sets"]))
    if len(always) == len(node["group_expressions"]):
        return scope
    left_out = [e for at, e in enumerate(node["group_expressions"]) if at not in always]
    gone = _nulled(left_out, node["select_list"])
    keys = [_meant(node["group_expressions"][at], node["select_list"]) for at in always]
    kept = {names for names in _mentioned(keys) if gone is not None and names[-1] not in gone}
    bare = replace(scope, side=scope.side.mapped(_nothing))
    for names in kept:
        value = scope.side.find(names)
        if value is not None:
            bare = replace(bare, side=bare.side.taught(names, value.whole()))
    return bare


def _nothing(_facts: Facts) -> Facts:
    return NO_FACTS


def _meant(key: Node, items: list[Node]) -> Node:
    """The item of the select list that a number in GROUP BY means, where these can be counted."""
    at = position_of(key)
    if at is None or any(item["class"] == "STAR" for item in items[:at]):
        return key
    return items[at - 1]


def _nulled(left_out: list[Node], items: list[Node]) -> set[str] | None:
    """The names of columns that a grouping set may show as NULL; None: of any.

    One expression may be named in several ways, and is NULL in all of them: by the column with or
    without its table, by an alias, by its number in the select list.
    """
    found: set[str] = set()
    waiting, seen = list(left_out), list[Node]()
    while waiting:
        node = _meant(waiting.pop(), items)
        if position_of(node) is not None:
            return None
        if any(node is each for each in seen):
            continue
        seen.append(node)
        names = {each[-1] for each in _mentioned([node])}
        found |= names
        waiting += [item for item in items if item["alias"].lower() in names]
    return found


def _mentioned(nodes: list[Node]) -> set[tuple[str, ...]]:
    return {
        tuple(name.lower() for name in each["column_names"])
        for each in nodes_of(nodes)
        if each.get("class") == "COLUMN_REF"
    }

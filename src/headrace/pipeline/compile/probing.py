"""Asks the binder for the type of one expression: takes a tree, gives queries that select it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.engines.trees import Node, is_query


def probes(near: Node, expression: Node, above: Mapping[int, Node]) -> Iterator[Node]:
    """Query nodes whose last column is `expression`; the first that binds has its type.

    Each SELECT around it is tried, the innermost first: alone over its FROM clause, which is
    enough unless the expression uses a name of the select list; then beside the select list;
    then over it.

    Args:
        near: a node of the tree that stands where the expression does.
        expression: what to select; it need not be of the tree.
        above: id of a node -> the node above it (see `trees.parents`).
    """
    around = _queries_around(near, above)
    for position, query in enumerate(around):
        if query["type"] == "SELECT_NODE":
            reach = [entry for each in reversed(around[position:]) for entry in _ctes(each)]
            around_it = {**query, "cte_map": {"map": reach}}
            yield {**around_it, **BARE, "select_list": [expression]}
            selected = [*query["select_list"], expression]
            yield {**around_it, "modifiers": [], "select_list": selected}
            inner = {**query, "modifiers": [], "having": None, "qualify": None}
            yield {
                **around_it,
                **BARE,
                "select_list": [expression],
                "from_table": _subquery(inner),
            }


# A SELECT of its FROM clause alone.
BARE: Node = {
    "modifiers": [],
    "where_clause": None,
    "group_expressions": [],
    "group_sets": [],
    "aggregate_handling": "STANDARD_HANDLING",
    "having": None,
    "qualify": None,
}


def _subquery(query: Node) -> Node:
    """A query as an entry of a FROM clause."""
    return {
        "type": "SUBQUERY",
        "alias": "",
        "sample": None,
        "subquery": {"node": query, "named_param_map": []},
        "column_name_alias": [],
    }


def _ctes(query: Node) -> list[Node]:
    entries: list[Node] = query["cte_map"]["map"]
    return entries


def _queries_around(node: Node, above: Mapping[int, Node]) -> list[Node]:
    """The query nodes that a node is in, innermost first."""
    found: list[Node] = []
    climbing = above.get(id(node))
    while climbing is not None:
        if is_query(climbing):
            found.append(climbing)
        climbing = above.get(id(climbing))
    return found

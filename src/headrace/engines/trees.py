"""Walks DuckDB's parse tree (JSON): takes a tree, gives its parts and its canonical form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from headrace.base.hashing import Part

# The edge: DuckDB's tree is JSON, and every reader below asks for the few keys that it knows.
Node: TypeAlias = dict[str, Any]

_UNKNOWN = 18446744073709551615
_POSITIONS = frozenset({"query_location", "query_location_length", "named_param_map"})
# Keys whose text is a name: SQL compares names without regard to case.
_NAMES = frozenset(
    {"function_name", "table_name", "schema_name", "catalog_name", "relation_name", "cte_name"}
    | {"type_name", "alias", "key", "column_names", "column_name_alias", "aliases", "path"}
    | {"using_columns", "exclude_list", "groups", "unpivot_names", "column"}
)


def canonical(tree: object, key: str = "") -> Part:
    """A tree without positions, with names in lower case: equal for equal queries."""
    if isinstance(tree, dict):
        return {k: canonical(v, k) for k, v in tree.items() if k not in _POSITIONS}
    if isinstance(tree, list):
        return [canonical(each, key) for each in tree]
    if isinstance(tree, str) and key in _NAMES:
        return tree.lower()
    assert tree is None or isinstance(tree, str | int | float), "JSON holds nothing else"
    return tree


def walk(tree: object) -> Iterator[Node]:
    """Every node of a tree, parents first, in the order of the text as far as the tree has it."""
    # Without recursion: a generator in a generator costs each node once for every level above it.
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(value for value in reversed(part.values()) if value)
        elif isinstance(part, list):
            waiting.extend(reversed(part))


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below a node."""
    for value in node.values():
        yield from _nodes(value)


def _nodes(value: object) -> Iterator[Node]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _nodes(each)


def location(node: Node) -> int | None:
    """The byte at which a node starts; None when the tree does not say."""
    at = node.get("query_location", _UNKNOWN)
    return None if at == _UNKNOWN else int(at)


def is_query(node: Node) -> bool:
    """Whether a node is a SELECT, a set operation or the like: what may carry a WITH."""
    return "cte_map" in node


def ctes(node: Node) -> list[tuple[str, Node]]:
    """The WITH queries of a query node, in order: (name, the entry that holds `query_node`)."""
    return [(each["key"], each["value"]) for each in node["cte_map"].get("map", [])]


def base_tables(tree: Node) -> list[Node]:
    """The BASE_TABLE nodes that do not name a WITH query in whose reach they are."""
    found: list[Node] = []
    waiting: list[tuple[Node, frozenset[str]]] = [(tree, frozenset())]
    while waiting:
        node, known = waiting.pop()
        below: list[tuple[Node, frozenset[str]]] = []
        inside = known
        if is_query(node):
            for name, entry in ctes(node):
                below.append((entry["query_node"], known))
                known |= {name.lower()}
            inside = known | {node["cte_name"].lower()} if "cte_name" in node else known
        if node.get("type") == "BASE_TABLE" and not _names_cte(node, known):
            found.append(node)
        for key, value in node.items():
            if value and key != "cte_map":
                # What a recursion starts from, its left side, does not know its name yet.
                reach = inside if key == "right" else known
                below.extend((child, reach) for child in _nodes(value))
        waiting.extend(reversed(below))
    return found


def _names_cte(node: Node, known: frozenset[str]) -> bool:
    return not node.get("schema_name") and node["table_name"].lower() in known


def parameters(tree: object) -> Iterator[Node]:
    """Every PARAMETER node."""
    return (node for node in walk(tree) if node.get("class") == "PARAMETER")


def parents(tree: Node) -> Mapping[int, Node]:
    """id of a node -> the node above it, for every node of a tree."""
    above: dict[int, Node] = {}
    for node in walk(tree):
        for child in children(node):
            above[id(child)] = node
    return above


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """A byte offset in a text as (line, column), both from 1; columns count characters."""
    before = text.encode()[:offset].decode(errors="ignore")
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1

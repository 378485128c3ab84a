"""Which column each parameter is compared with: takes a tree, gives "table.column" names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.base.tables import Schema
from headrace.engines.trees import Node, base_tables, is_query, location, parents, walk

_COMPARED = frozenset({"COMPARISON", "BETWEEN"})


def compared_columns(tree: Node, tables: Mapping[str, Schema]) -> dict[str, str]:
    """Parameter, in lower case -> the stored column that it is first compared with as it is.

    Args:
        tree: the query's node.
        tables: the columns of every table that it reads, under the tables' own names.
    """
    stored = {id(each): each["table_name"] for each in base_tables(tree)}
    above = parents(tree)
    found: dict[str, str] = {}
    for name, reference in sorted(_comparisons(tree), key=lambda each: location(each[1]) or 0):
        column = _column(reference, _around(reference, above), stored, tables)
        if column:
            found.setdefault(name.lower(), column)
    return found


def _comparisons(tree: Node) -> Iterator[tuple[str, Node]]:
    """Each parameter with each column that it is compared with."""
    for node in walk(tree):
        if node.get("class") in _COMPARED or str(node.get("type")) == "COMPARE_IN":
            sides = [_uncast(each) for each in _sides(node)]
            names = [each["identifier"] for each in sides if each.get("class") == "PARAMETER"]
            columns = [each for each in sides if each.get("class") == "COLUMN_REF"]
            yield from ((name, column) for name in names for column in columns)


def _sides(node: Node) -> list[Node]:
    if "children" in node:
        return list(node["children"])
    return [node[key] for key in ("left", "right", "input", "lower", "upper") if key in node]


def _uncast(node: Node) -> Node:
    while node.get("type") == "OPERATOR_CAST" and node["child"].get("class") == "PARAMETER":
        node = node["child"]
    return node


def _around(node: Node, above: Mapping[int, Node]) -> Node | None:
    """The query that a node stands in."""
    climbing = above.get(id(node))
    while climbing is not None and not is_query(climbing):
        climbing = above.get(id(climbing))
    return climbing


def _column(
    reference: Node, query: Node | None, stored: Mapping[int, str], tables: Mapping[str, Schema]
) -> str:
    """The stored column that a name is; "" when it is none, or more than one could be."""
    names = [name.lower() for name in reference["column_names"]]
    known = {name.lower(): name for name in tables}
    found: list[str] = []
    for entry in _entries((query or {}).get("from_table")):
        table = known.get(stored.get(id(entry), "").lower(), "")
        called = (entry["alias"] or entry.get("table_name", "")).lower()
        if not table and len(names) == 1:
            return ""
        if table and (len(names) == 1 or (len(names) == 2 and names[0] == called)):
            columns = tables[table]
            found += [f"{table}.{each.name}" for each in columns if each.name.lower() == names[-1]]
    return found[0] if found else ""


def _entries(source: Node | None) -> Iterator[Node]:
    """The parts of a FROM clause that joins put together."""
    if source is None:
        return
    if source["type"] == "JOIN":
        yield from _entries(source["left"])
        yield from _entries(source["right"])
    elif source["type"] != "EMPTY":
        yield source

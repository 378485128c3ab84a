"""Which columns are handed on as they are: takes a query's tree, gives the columns that it copies.

Only what is certain counts: a name, or `*`, over tables and queries that no outer join has padded.
Of everything else nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from headrace.base.tables import Schema
from headrace.checks.builtin import declared_checks
from headrace.engines.trees import Node, ctes
from headrace.pipeline.compile.graph import Relation

# A positional join pads the shorter side with NULL, as an outer join does.
_PLAIN_JOINS = frozenset({"REGULAR", "CROSS", "NATURAL"})
_NULL_KINDS = frozenset({"not_null", "key"})
_STAR_EDITS = frozenset(
    {"columns", "exclude_list", "replace_list", "rename_list", "qualified_exclude_list"}
)


def copied_columns(tree: Node, tables: Mapping[str, Schema], schema: Schema) -> dict[str, str]:
    """Output column -> the "table.column" whose values it has, for those of which it is certain.

    Args:
        tree: the query's node.
        tables: the columns of every table that it reads, under the tables' own names.
        schema: the query's own columns, as the engine binds them.
    """
    stored = {
        name.lower(): [(column.name, f"{name}.{column.name}") for column in columns]
        for name, columns in tables.items()
    }
    outputs = _outputs(tree, stored)
    if outputs is None or len(outputs) != len(schema):
        return {}
    pairs = zip(schema, outputs, strict=True)
    return {column.name: origin for column, (_, origin) in pairs if origin}


# Name and origin of each column; the origin of what is computed is "".
_Columns: TypeAlias = "list[tuple[str, str]]"


@dataclass(frozen=True, slots=True)
class _Read:
    """One part of a FROM clause: what the query calls it, in lower case, and its columns."""

    alias: str
    columns: _Columns


def _outputs(node: Node, known: Mapping[str, _Columns]) -> _Columns | None:
    """The columns of a query over what is `known` by name; None when they are not certain."""
    if node["type"] != "SELECT_NODE" or len(node["group_sets"]) > 1:
        return None
    for name, entry in ctes(node):
        found = None if entry["aliases"] else _outputs(entry["query_node"], known)
        # A WITH query hides the table of its name, whatever it holds.
        known = {**known, name.lower(): found or []}
    read = _read(node["from_table"], known)
    if read is None:
        return None
    items = [_item(each, read) for each in node["select_list"]]
    return None if None in items else [column for item in items for column in item or ()]


def _read(node: Node, known: Mapping[str, _Columns]) -> list[_Read] | None:
    """What a FROM clause reads, in order; None when something uncertain is among it."""
    if node["type"] == "JOIN":
        if node["join_type"] != "INNER" or node["ref_type"] not in _PLAIN_JOINS:
            return None
        left, right = _read(node["left"], known), _read(node["right"], known)
        return None if left is None or right is None else left + right
    if node.get("column_name_alias"):
        return None
    if node["type"] == "BASE_TABLE":
        name = node["table_name"].lower()
        return [_Read(node["alias"].lower() or name, known[name])] if known.get(name) else None
    if node["type"] == "SUBQUERY":
        columns = _outputs(node["subquery"]["node"], known)
        return None if columns is None else [_Read(node["alias"].lower(), columns)]
    return None


def _item(item: Node, read: list[_Read]) -> _Columns | None:
    """The columns that one item of a select list gives; None when their number is not certain."""
    if item["class"] == "STAR":
        # With several tables, USING hides some of the columns.
        is_plain = len(read) == 1 and not any(item[edit] for edit in _STAR_EDITS)
        return read[0].columns if is_plain else None
    if item["class"] == "COLUMN_REF":
        names = item["column_names"]
        return [(item["alias"] or names[-1], _origin(names, read))]
    return [(item["alias"], "")]


def _origin(names: list[str], read: list[_Read]) -> str:
    if len(names) > 2:
        return ""
    among = [each for each in read if len(names) == 1 or each.alias == names[0].lower()]
    found = [
        origin
        for each in among
        for name, origin in each.columns
        if name.lower() == names[-1].lower()
    ]
    return found[0] if len(found) == 1 else ""


def never_null(column: str, relations: Mapping[str, Relation]) -> bool:
    """Whether a column ("table.column") cannot hold a NULL in any snapshot that is published."""
    origin: str | None = column
    while origin is not None:
        table, _, name = origin.partition(".")
        relation = relations[table]
        if relation.kind == "quarantine":
            return any(each.name == name and not each.nullable for each in relation.schema or ())
        if name.lower() in _promised(relation):
            return True
        origin = relation.copies.get(name)
    return False


def _promised(relation: Relation) -> set[str]:
    """The columns, in lower case, whose NULLs are set aside or stop the publish."""
    declaration = relation.declaration
    checks = declared_checks(
        declaration.columns, declaration.key, declaration.checks, declaration.place
    )
    # What a source's own rule refuses is set aside row by row; a warning stops nothing.
    held = [each for each in checks if each.kind in _NULL_KINDS and each.severity == "error"]
    return {column.lower() for check in held for column in check.columns}

"""Columns in the locality proof: takes a clause that gives columns, tells what is known of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from headrace.base.partitions import Grain
from headrace.engines.trees import Node
from headrace.pipeline.compile.local_expressions import nodes_of, value_of
from headrace.pipeline.compile.local_scopes import Column, Rows, Scope
from headrace.pipeline.compile.local_values import UNKNOWN, Value


def merged_rows(branches: list[Rows], *, by_name: bool) -> Rows:
    """The columns of a set operation, as far as all branches have them, without what they tell."""
    complete = all(rows.complete for rows in branches)
    if by_name and not complete:
        return Rows((), complete=False)
    if by_name:
        names = [c.name for rows in branches for c in rows.columns]
        first = {name.lower(): name for name in reversed(names)}
        return Rows(tuple(Column(name, UNKNOWN) for name in first.values()))
    count = min(len(rows.columns) for rows in branches)
    return Rows(
        tuple(replace(c, value=UNKNOWN) for c in branches[0].columns[:count]), None, complete
    )


def column_of(rows: Rows, position: int, name: str, *, by_name: bool) -> Value:
    """What is known of the column of a branch that goes into a column of the whole."""
    if by_name:
        return rows.value(name.lower()) or UNKNOWN
    return rows.columns[position].value


def star_columns(node: Node, scope: Scope, by: Grain) -> tuple[list[Column], bool]:
    """What `*` shows, with EXCLUDE, REPLACE and RENAME; and whether that is all."""
    without: set[tuple[str, ...]] = {(name.lower(),) for name in node["exclude_list"]}
    without |= {_dotted(each) for each in node.get("qualified_exclude_list") or []}
    new = {each["key"].lower(): value_of(each["value"], scope, by) for each in node["replace_list"]}
    names = {_dotted(each["key"]): each["value"] for each in node["rename_list"] or []}
    shown, complete = scope.side.starred(node["relation_name"].lower(), frozenset(without))
    changed = bool(without or new or names)
    if changed and not (_are_plain(shown, names) and _are_apart(without, scope)):
        return [], False
    kept = [
        Column(names.get((c.name.lower(),), c.name), new.get(c.name.lower(), c.value))
        for c in shown
    ]
    return kept, complete and not node["expr"]


def _dotted(name: Node) -> tuple[str, ...]:
    """The name of a column, and its table's if that is said, in lower case."""
    return tuple(str(name[key]).lower() for key in ("table", "column") if name.get(key))


def _are_plain(shown: list[Column], renamed: Iterable[tuple[str, ...]]) -> bool:
    """Whether it can be told by its name alone which column is replaced or renamed."""
    return all(column.name for column in shown) and all(len(names) == 1 for names in renamed)


def _are_apart(without: Iterable[tuple[str, ...]], scope: Scope) -> bool:
    """Whether no column of one table alone is left out that USING has merged."""
    return not any(len(names) > 1 and names[-1] in scope.side.merged for names in without)


def is_several(item: Node) -> bool:
    """Whether one item of a select list stands for columns that only the engine can count."""
    return any(
        each.get("class") == "STAR" or str(each.get("function_name")).lower() == "unnest"
        for each in nodes_of(item)
    )


def item_name(item: Node) -> str:
    """The name of what an item of a select list gives; "" where only the engine knows it."""
    own = item["column_names"][-1] if item["class"] == "COLUMN_REF" else ""
    return str(item["alias"] or own)


def is_one_column(node: Node) -> bool:
    """Whether a FROM entry is a function that gives one column."""
    return function_name(node).lower() in _ONE_COLUMN


def function_name(node: Node) -> str:
    """The function of a FROM entry; "" when it is none."""
    return str(node["function"]["function_name"]) if node["type"] == "TABLE_FUNCTION" else ""


_ONE_COLUMN = frozenset({"range", "generate_series", "unnest"})

"""Copies that hold an answer's rows: takes a query, read; gives the keyed copy."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.engines.trees import Node, base_tables, walk
from headrace.pipeline.compile.access_clauses import NotKeyed
from headrace.pipeline.compile.access_groups import is_grouped
from headrace.pipeline.compile.access_order import laid_out
from headrace.pipeline.compile.access_planning import KeyExpression, Planned, Planning
from headrace.pipeline.compile.local_expressions import nodes_of


def plain_rows(plan: Planning) -> Planned:
    """The copy of a query without groups.

    Raises:
        NotKeyed: its rows cannot be kept in the order of a key.
    """
    return _rows(plan, plan.asked.tree)


def grouped_rows(plan: Planning, groups: Sequence[Node], *, lone: bool) -> Planned:
    """The copy of a query whose groups are whole for each key.

    Raises:
        NotKeyed: its groups cannot be kept in the order of a key.
    """
    tree = {**plan.asked.tree, **group_by(plan, [*groups, *plan.compared])}
    return _rows(plan, tree, lone=lone)


def group_by(plan: Planning, groups: Sequence[Node]) -> Node:
    """The clauses of a GROUP BY, each group once, without what is the same in all groups."""
    unique: list[Node] = []
    for group in groups:
        of_rows = any(each.get("class") == "COLUMN_REF" for each in nodes_of(group))
        if of_rows and plan.selection.form(group) not in plan.forms(unique):
            unique.append(group)
    return {
        "group_expressions": unique,
        "group_sets": [list(range(len(unique)))] if unique else [],
        "aggregate_handling": "STANDARD_HANDLING",
    }


def _rows(plan: Planning, tree: Node, *, lone: bool = False) -> Planned:
    ranged, items = plan.ranged, plan.selection.items
    _refuse_distinct(plan)
    within = None if ranged is None else ranged.expression
    order = laid_out(plan.order, within, plan.selection)
    sorting = [KeyExpression(each) for each in order.items]
    if ranged is not None:
        sorting[0] = KeyExpression(order.items[0], ranged.ends)
    parts = [*plan.equal, *sorting]
    kept = [each for each in tree["modifiers"] if each["type"] == "DISTINCT_MODIFIER"]
    where = plan.where(plan.conditions.fixed)
    copy = plan.copy({**tree, "modifiers": kept, "where_clause": where}, parts, items)
    fields = [(each.name, each.type) for each in copy.columns[len(parts) :]]
    if fields != [(each.name, each.type) for each in plan.asked.fields]:
        fix = "give each field a name of its own (AS)"
        raise NotKeyed(None, "has fields that change where a key is selected beside them", fix)
    cells = _by_cell(plan)
    return plan.query(copy, order.items, reverse=order.reverse, by_cell=cells, lone=lone)


def _refuse_distinct(plan: Planning) -> None:
    """Raise NotKeyed for an order of equal rows by what they need not have in common."""
    if not plan.is_distinct():
        return
    shown = plan.forms(plan.items())
    names = {each.name.lower() for each in plan.asked.fields} if plan.selection.has_star else set()
    for item in plan.order:
        name = item.expression.get("column_names", [""])[-1].lower()
        if plan.selection.form(item.expression) not in shown and name not in names:
            says = "is no field, and equal rows become one (DISTINCT)"
            raise NotKeyed(item.written, says, "order by fields", before="ORDER BY ")


def _by_cell(plan: Planning) -> str:
    """The table whose cells give their rows each for itself; "" for none."""
    tree = plan.asked.tree
    source = tree["from_table"]
    if [id(each) for each in base_tables(tree)] != [id(source)]:
        return ""
    if source["sample"] or source["at_clause"] or is_grouped(plan.selection) or plan.is_distinct():
        return ""
    if any(each.get("class") == "SUBQUERY" for each in walk(tree)):
        return ""
    known = {name.lower(): name for name in plan.asked.tables}
    return known.get(source["table_name"].lower(), "")

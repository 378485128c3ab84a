"""Copies that hold partial results: takes a query over a range, gives what groups merge from."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.engines.trees import Node
from headrace.pipeline.compile.access_clauses import NotKeyed
from headrace.pipeline.compile.access_groups import Field, is_monotone, rolled_up
from headrace.pipeline.compile.access_order import Sorted
from headrace.pipeline.compile.access_planning import KeyExpression, Planned, Planning, type_of
from headrace.pipeline.compile.access_rows import group_by
from headrace.pipeline.compile.access_types import is_key_type
from headrace.store.snapshots import KeyPart, Rollup, RollupField

# Their sums are whole numbers that a DOUBLE holds. A sum beyond that DuckDB rounds before it
# divides, or after: of 60,000 means of large BIGINTs, 11 differed in the last digit.
_MEANS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER"})


def rollup(plan: Planning, groups: Sequence[Node], *, lone: bool) -> Planned:
    """The copy of partial results.

    Args:
        plan: has a range.
        groups: what the answer has one row for each of.
        lone: whether there is one row even without a group.

    Raises:
        NotKeyed: a field cannot be merged, or the order is none of groups.
    """
    assert plan.ranged is not None, "without a range, groups are whole"
    order = _ordered(plan, groups)
    fields, partials = rolled_up(plan.selection, [each.expression for each in order])
    written = plan.ranged.ends[0].expression
    _refuse_means(plan, fields)
    parts = [*plan.equal, KeyExpression(Sorted(plan.ranged.expression, written), plan.ranged.ends)]
    rest = [{**each.expression, "alias": f"g{number}"} for number, each in enumerate(order)]
    rest += [{**each, "alias": f"m{number}"} for number, each in enumerate(partials)]
    copy = plan.copy(_tree(plan, [each.expression for each in order]), parts, rest)
    types = [column.type for column in copy.columns[len(parts) :]]
    _refuse_types(order, fields, types)
    first = order[0].expression if order else None
    monotone = first is not None and is_monotone(
        first, plan.ranged.expression, copy.key[-1].type, plan.selection
    )
    found = Rollup(_groups(order, types), _fields(plan, fields), monotone)
    return plan.query(copy, order, rollup=found, lone=lone)


def _tree(plan: Planning, groups: Sequence[Node]) -> Node:
    """The query of partial results, without its select list."""
    # Names of the select list are gone: conditions that use them are written out.
    fixed = [plan.selection.over_rows(each) for each in plan.conditions.fixed]
    by = group_by(plan, [*groups, *plan.compared])
    return {**plan.asked.tree, **by, "modifiers": [], "where_clause": plan.where(fixed)}


def _ordered(plan: Planning, groups: Sequence[Node]) -> tuple[Sorted, ...]:
    """The groups in the order of the answer; those that do not decide it ascend, at the end."""
    forms = plan.forms(groups)
    for item in plan.order:
        if plan.selection.form(item.expression) not in forms:
            says = "is no group, and groups that are merged within a range lie in their own order"
            fix = "order by the groups, or leave the order to the reader of the answer"
            raise NotKeyed(item.written, says, fix, before="ORDER BY ")
    constant = plan.forms([each.item.expression for each in plan.equal])
    seen = plan.forms([each.expression for each in plan.order])
    varying: list[Sorted] = []
    rest: list[Sorted] = []
    for group, form in zip(groups, forms, strict=True):
        if form not in seen:
            seen.append(form)
            (rest if form in constant else varying).append(Sorted(group, group))
    return (*plan.order, *varying, *rest)


def _groups(order: Sequence[Sorted], types: Sequence[str]) -> tuple[KeyPart, ...]:
    return tuple(
        KeyPart(type_name, each.descending, each.nulls_first)
        for each, type_name in zip(order, types, strict=False)
    )


def _fields(plan: Planning, fields: Sequence[Field]) -> tuple[RollupField, ...]:
    return tuple(
        RollupField(each.function, each.column, column.type)
        for each, column in zip(fields, plan.asked.fields, strict=True)
    )


def _refuse_types(order: Sequence[Sorted], fields: Sequence[Field], types: Sequence[str]) -> None:
    """Raise NotKeyed for groups that have no order, and for what would not merge exactly."""
    for item, type_name in zip(order, types, strict=False):
        if not is_key_type(type_name):
            fix = "group by a number, a text, a date or a time"
            says = f"groups by a {type_name}, and merged groups are not kept in that order"
            raise NotKeyed(item.written, says, fix)
    for field in fields:
        if field.function in {"sum", "min", "max"}:
            type_name = types[len(order) + field.column]
            if not is_key_type(type_name):
                fix = "cast to DECIMAL or an integer in a model"
                raise NotKeyed(field.item, f"does not merge exactly: it is of {type_name}", fix)


def _refuse_means(plan: Planning, fields: Sequence[Field]) -> None:
    """Raise NotKeyed for a mean that DuckDB itself does not round in one way alone."""
    for field in fields:
        if field.function == "avg":
            call = plan.selection.over_rows(field.item)
            argument = call["arguments"][0]["expression"]
            type_name = type_of(argument, plan.asked.tree, plan.binder)
            if type_name not in _MEANS:
                fix = "answer the sum and the count, or cast to INTEGER"
                raise NotKeyed(field.item, f"does not merge exactly: it is of {type_name}", fix)

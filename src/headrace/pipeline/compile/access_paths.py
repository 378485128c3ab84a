"""Plans how an endpoint is answered: takes its query's tree, gives a keyed copy, or why none is."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.engines.trees import Node
from headrace.pipeline.compile.access_clauses import (
    Comparison,
    Conditions,
    NotKeyed,
    read_conditions,
    read_page,
)
from headrace.pipeline.compile.access_columns import compared_columns
from headrace.pipeline.compile.access_groups import groups_of, is_grouped, refuse_inexact
from headrace.pipeline.compile.access_names import Selection
from headrace.pipeline.compile.access_order import Sorted, sorted_by, without_constants
from headrace.pipeline.compile.access_planning import (
    Asked,
    Binder,
    KeyExpression,
    Planned,
    Planning,
    Range,
    type_of,
)
from headrace.pipeline.compile.access_refusals import refuse_parameters, refuse_query
from headrace.pipeline.compile.access_rollups import rollup
from headrace.pipeline.compile.access_rows import grouped_rows, plain_rows
from headrace.pipeline.compile.access_texts import excerpt, place_of, spelled
from headrace.pipeline.compile.queries import Access
from headrace.store.scopes import PREFIX


def plan_access(asked: Asked, binder: Binder) -> Access:
    """How a query is answered by key, or the clause by which it is not."""
    try:
        plan, found = planned_query(asked, binder)
    except NotKeyed as exc:
        return refusal(asked, exc)
    columns = compared_columns(asked.tree, asked.tables)
    return Access(found.keyed, says=words(plan, found), columns=columns, origins=found.origins)


def planned_query(asked: Asked, binder: Binder) -> tuple[Planning, Planned]:
    """A query, read, and the copy that answers it.

    Raises:
        NotKeyed: none does.
    """
    plan = _read(asked, binder)
    return plan, _planned(plan)


def refusal(asked: Asked, exc: NotKeyed) -> Access:
    """What is said of a query that no copy answers, at the clause by which none does."""
    line, column = place_of(asked.text, exc.node)
    clause = exc.before + excerpt(asked.text, exc.node) if exc.node else ""
    about = excerpt(asked.text, exc.about) if exc.about else ""
    says, advice = (each.replace("{}", about) for each in (exc.says, exc.advice))
    columns = compared_columns(asked.tree, asked.tables)
    return Access(None, clause, says, advice, line, column, columns)


def _planned(plan: Planning) -> Planned:
    if is_grouped(plan.selection):
        return _grouped(plan)
    if plan.ranged is not None and _is_distinct_apart(plan, plan.ranged):
        return _merged(plan, plan.items())
    return plain_rows(plan)


def _read(asked: Asked, binder: Binder) -> Planning:
    tree = asked.tree
    refuse_query(tree)
    conditions = read_conditions(tree["where_clause"])
    page = read_page(tree["modifiers"], asked.types)
    refuse_parameters(tree, conditions.seen | page.seen)

    def is_column(reference: Node) -> bool:
        return bool(type_of(reference, tree, binder))

    selection = Selection(tree, asked.fields, asked.aggregates, is_column)
    equal = tuple(_equal(each, selection) for each in conditions.equal)
    constant = [selection.form(each.item.expression) for each in equal]
    order = without_constants(sorted_by(selection), constant, selection)
    ranged = _range(conditions, selection)
    return Planning(
        asked=asked,
        binder=binder,
        selection=selection,
        conditions=conditions,
        equal=equal,
        ranged=ranged,
        order=tuple(order),
        page=page,
    )


def _equal(comparison: Comparison, selection: Selection) -> KeyExpression:
    written = comparison.expression
    return KeyExpression(Sorted(selection.over_rows(written), written), (comparison,))


def _range(conditions: Conditions, selection: Selection) -> Range | None:
    """The one range that the conditions ask for.

    Raises:
        NotKeyed: they ask for several.
    """
    ends = [*conditions.low, *conditions.high]
    if not ends:
        return None
    first, *others = [selection.over_rows(each.expression) for each in ends]
    for end, other in zip(ends[1:], others, strict=True):
        if selection.form(other) != selection.form(first):
            says = "is a range beside that of `{}`, and rows lie in the order of one"
            fix = "compare one of the two by ="
            raise NotKeyed(end.clause, says, fix, about=ends[0].expression)
    for same in (conditions.low, conditions.high):
        if len(same) > 1:
            raise NotKeyed(same[1].clause, "ends a range that has that end", "keep one of them")
    low, high = (next(iter(each), None) for each in (conditions.low, conditions.high))
    return Range(first, low, high)


def _is_distinct_apart(plan: Planning, ranged: Range) -> bool:
    """Whether DISTINCT makes one row of several that lie apart within a range."""
    if not plan.is_distinct():
        return False
    if plan.selection.has_star:
        says = "makes equal rows of a `*` one (DISTINCT)"
        raise NotKeyed(None, says, "name the fields")
    return plan.selection.form(ranged.expression) not in plan.forms(plan.items())


def _grouped(plan: Planning) -> Planned:
    groups = groups_of(plan.selection)
    having = plan.asked.tree["having"]
    lone = not groups
    if lone and having:
        fix = "leave it to the reader of the answer"
        raise NotKeyed(having, "may leave no row at all", fix, before="HAVING ")
    skipped = plan.page.offset
    if lone and (plan.page.limit == 0 or (isinstance(skipped, int) and skipped > 0)):
        raise NotKeyed(None, "pages through the one row that there is", "leave the OFFSET out")
    refuse_inexact(plan.selection, lambda node: type_of(node, plan.asked.tree, plan.binder))
    if plan.ranged is None:
        return grouped_rows(plan, groups, lone=lone)
    if plan.selection.form(plan.ranged.expression) not in plan.forms(groups):
        return _merged(plan, groups, lone=lone)
    return _by_range(plan, groups, plan.ranged)


def _by_range(plan: Planning, groups: Sequence[Node], ranged: Range) -> Planned:
    """Groups that are whole for each value of what the range is of, or merged all the same."""
    try:
        if _is_distinct_apart(plan, ranged):
            raise NotKeyed(None, "makes equal groups of a range one (DISTINCT)", "leave it out")
        return grouped_rows(plan, groups, lone=False)
    except NotKeyed as exc:
        try:
            return _merged(plan, groups)
        except NotKeyed:
            raise exc from None


def _merged(plan: Planning, groups: Sequence[Node], *, lone: bool = False) -> Planned:
    if plan.is_distinct() and is_grouped(plan.selection):
        raise NotKeyed(None, "makes equal groups of a range one (DISTINCT)", "leave it out")
    return rollup(plan, groups, lone=lone)


def words(plan: Planning, planned: Planned) -> str:
    """What the key of a copy is: "store_id = $store_id, day from $since, in order of day"."""
    text, keyed, order = plan.asked.text, planned.keyed, planned.order

    def said(item: Sorted) -> str:
        backwards = item.descending != keyed.reverse
        # ORDER BY ALL is nowhere written item by item.
        name = excerpt(text, item.written) or spelled(text, item.expression)
        return name + (" DESC" if backwards else "")

    found = [
        f"{spelled(text, each.item.written)} = {_given(each.compared[0].parameter)}"
        for each in plan.equal
    ]
    if plan.ranged is not None:
        found.append(_range_words(text, plan.ranged))
    if keyed.rollup is not None:
        sums = ", ".join(excerpt(text, each.written) for each in order)
        found.append(f"partial results merged by {sums}" if sums else "partial results merged")
    elif order:
        found.append(f"in order of {', '.join(map(said, order))}")
    return ", ".join(found) or "all rows, in any order"


def _given(parameter: str) -> str:
    """A parameter as the user writes it: a claim is one of whoever asks."""
    claim = parameter.removeprefix(PREFIX)
    return f"${parameter}" if claim == parameter else f"$auth.{claim}"


def _range_words(text: str, ranged: Range) -> str:
    words = [excerpt(text, ranged.ends[0].expression)]
    if (low := ranged.low) is not None:
        words.append(f"{'from' if low.inclusive else 'after'} ${low.parameter}")
    if (high := ranged.high) is not None:
        words.append(f"{'to' if high.inclusive else 'before'} ${high.parameter}")
    return " ".join(words)

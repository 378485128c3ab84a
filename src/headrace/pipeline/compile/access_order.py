"""Puts the parts of a key in order: takes ORDER BY and what is compared, gives how rows lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headrace.base.hashing import Part
from headrace.engines.trees import Node
from headrace.pipeline.compile.access_clauses import NotKeyed
from headrace.pipeline.compile.access_names import Selection, refuse_edited_stars
from headrace.pipeline.compile.local_expressions import nodes_of


@dataclass(frozen=True, slots=True)
class Sorted:
    """One item of an order.

    Attributes:
        expression: over the rows of the FROM clause, or of the groups.
        written: as the user wrote it, for texts.
    """

    expression: Node
    written: Node
    descending: bool = False
    nulls_first: bool = False

    def flipped(self) -> Sorted:
        """The same in the opposite order, in which NULLs change sides, too."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)


@dataclass(frozen=True, slots=True)
class Order:
    """How the rows of a copy lie, and whether the answer is that order read backwards."""

    items: tuple[Sorted, ...]
    reverse: bool = False


def sorted_by(selection: Selection) -> list[Sorted]:
    """The items of ORDER BY, each as an expression over the rows.

    Raises:
        NotKeyed: an item's expression cannot be told, or does not follow from a row.
    """
    orders = [
        order
        for modifier in selection.tree["modifiers"]
        if modifier["type"] == "ORDER_MODIFIER"
        for order in modifier["orders"]
    ]
    if orders:
        refuse_edited_stars(selection)
    return [item for order in orders for item in _items(order, selection)]


def _items(order: Node, selection: Selection) -> Iterator[Sorted]:
    descending = order["type"] == "DESCENDING"
    nulls_first = order["null_order"] == "NULLS FIRST"
    written = order["expression"]
    for expression in _expressions(written, selection):
        if any(_is_no_row_value(each) for each in nodes_of(expression)):
            fix = "order by a column, or make one in a model"
            raise NotKeyed(written, "does not follow from one row", fix, before="ORDER BY ")
        yield Sorted(expression, written, descending, nulls_first)


def _is_no_row_value(node: Node) -> bool:
    return node.get("class") in {"SUBQUERY", "STAR"} or node.get("function_name") == "unnest"


def _expressions(written: Node, selection: Selection) -> list[Node]:
    if written.get("class") == "STAR":
        return [selection.field(number) for number, _ in enumerate(selection.fields, start=1)]
    # ORDER BY takes a name alone for a field first, and a name within an expression for a column.
    named = selection.named(written)
    return [selection.over_rows(selection.at(written) if named is None else named)]


def without_constants(
    items: Sequence[Sorted], equal: Sequence[Part], selection: Selection
) -> list[Sorted]:
    """An order without what is the same in all rows of an answer, or decided by an item before."""
    seen = list(equal)
    kept = []
    for item in items:
        form = selection.form(item.expression)
        if form not in seen:
            seen.append(form)
            kept.append(item)
    return kept


def laid_out(items: Sequence[Sorted], ranged: Node | None, selection: Selection) -> Order:
    """How rows lie so that an answer is a stretch of them: the first item always ascends.

    So two endpoints in opposite orders are answered from one copy.

    Raises:
        NotKeyed: the rows of a range lie in its order, and another is asked for.
    """
    if ranged is not None and not items:
        return Order((Sorted(ranged, ranged),))
    if ranged is not None and selection.form(items[0].expression) != selection.form(ranged):
        raise NotKeyed(
            items[0].written,
            "asks for another order: within a range of `{}`, rows lie in the order of `{}`",
            "order by `{}` first, or compare `{}` by =",
            before="ORDER BY ",
            about=ranged,
        )
    if not items:
        return Order(())
    reverse = items[0].descending
    flipped = [item.flipped() if reverse else item for item in items]
    if ranged is not None:
        # Nothing that is compared is NULL.
        flipped[0] = replace(flipped[0], nulls_first=False)
    return Order(tuple(flipped), reverse)

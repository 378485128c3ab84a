"""What the names of a SELECT mean: takes its tree and fields, gives expressions over its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.base.hashing import Part
from headrace.base.tables import Schema
from headrace.engines.trees import Node, canonical
from headrace.pipeline.compile.access_clauses import NotKeyed
from headrace.pipeline.compile.local_expressions import nodes_of, position_of

_SINGLE = frozenset({"BASE_TABLE", "SUBQUERY"})
_NAME_IT = "name the fields, and give each that is computed a name of its own"


@dataclass(frozen=True, slots=True)
class Selection:
    """One SELECT as the planner reads it.

    Attributes:
        tree: its node.
        fields: its columns, as the engine binds them.
        aggregates: the names of all aggregate functions, in lower case.
        is_column: whether a name alone is a column of its FROM clause.
    """

    tree: Node
    fields: Schema
    aggregates: frozenset[str]
    is_column: Callable[[Node], bool]

    @property
    def items(self) -> list[Node]:
        """The select list."""
        found: list[Node] = self.tree["select_list"]
        return found

    @property
    def has_star(self) -> bool:
        """Whether one item stands for several fields, or for rows."""
        return len(self.items) != len(self.fields) or any(map(_is_several, self.items))

    def form(self, expression: Node) -> Part:
        """Equal for expressions that are equal, whatever they are named."""
        return canonical(self._unqualified({**expression, "alias": ""}))

    def _unqualified(self, part: object) -> object:
        if isinstance(part, list):
            return [self._unqualified(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.get("class") == "COLUMN_REF" and self._is_from_single(part["column_names"]):
            return {**part, "column_names": part["column_names"][1:]}
        return {key: self._unqualified(value) for key, value in part.items()}

    def _is_from_single(self, names: list[str]) -> bool:
        """Whether a name is qualified by the one table that there is."""
        source = self.tree["from_table"]
        if len(names) != 2 or source["type"] not in _SINGLE:
            return False
        return bool(names[0].lower() == (source["alias"] or source.get("table_name", "")).lower())

    def has_aggregates(self, expression: object) -> bool:
        """Whether an expression holds an aggregate function."""
        return any(map(self.is_aggregate, nodes_of(expression)))

    def is_aggregate(self, node: Node) -> bool:
        """Whether a node is a call of an aggregate function."""
        return node.get("type") == "FUNCTION" and node["function_name"].lower() in self.aggregates

    def over_rows(self, expression: Node) -> Node:
        """An expression in which each name that only the select list knows is what it stands for.

        DuckDB reads a name as a column first, and as a field's name only when there is none.
        """
        replaced = self._replaced(expression)
        assert isinstance(replaced, dict)
        return replaced

    def _replaced(self, part: object) -> object:
        if isinstance(part, list):
            return [self._replaced(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.get("class") == "COLUMN_REF":
            named = self.named(part)
            return part if named is None or self.is_column(part) else self._replaced(named)
        return {key: self._replaced(value) for key, value in part.items()}

    def named(self, reference: Node) -> Node | None:
        """The expression that the select list calls by a name; None when it calls none so."""
        if reference.get("class") != "COLUMN_REF" or len(reference["column_names"]) != 1:
            return None
        name = reference["column_names"][0].lower()
        found = [each for each in self.items if each["alias"].lower() == name]
        return {**found[0], "alias": ""} if found else None

    def field(self, position: int) -> Node:
        """The expression of a field by its number, from 1.

        Raises:
            NotKeyed: it cannot be told.
        """
        if not 1 <= position <= len(self.fields):
            raise NotKeyed(None, f"counts to a field {position}, which there is not", _NAME_IT)
        if not self.has_star:
            return {**self.items[position - 1], "alias": ""}
        if len(self.items) > 1 or self.tree["from_table"]["type"] not in _SINGLE:
            raise NotKeyed(None, "counts the fields of a `*`", _NAME_IT)
        name = self.fields[position - 1].name
        return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [name]}

    def at(self, expression: Node) -> Node:
        """An expression, or the field that it gives the number of."""
        position = position_of(expression)
        return expression if position is None else self.field(position)


def refuse_edited_stars(selection: Selection) -> None:
    """Raise NotKeyed for a `*` whose fields may have other values than their columns."""
    for item in selection.items:
        for each in nodes_of(item):
            if each.get("class") == "STAR" and _is_edited(each, item):
                says = "gives fields that cannot be told from columns"
                raise NotKeyed(item, says, _NAME_IT)


def _is_edited(star: Node, item: Node) -> bool:
    edits = ("columns", "expr", "replace_list", "rename_list")
    return star is not item or any(star[edit] for edit in edits)


def _is_several(item: Node) -> bool:
    return any(
        each.get("class") == "STAR" or str(each.get("function_name")).lower() == "unnest"
        for each in nodes_of(item)
    )

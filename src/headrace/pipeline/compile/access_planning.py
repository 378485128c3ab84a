"""What the planner of access paths knows of a query; takes an engine to bind with, gives copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.base.hashing import Part
from headrace.base.tables import Schema
from headrace.engines.trees import Node
from headrace.pipeline.compile.access_clauses import Comparison, Conditions, NotKeyed, Page
from headrace.pipeline.compile.access_names import Selection
from headrace.pipeline.compile.access_order import Sorted
from headrace.pipeline.compile.access_texts import spelled
from headrace.pipeline.compile.access_types import compared_as, is_sort_type
from headrace.pipeline.compile.copies import copied_columns
from headrace.pipeline.compile.probing import BARE
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Rollup

_ONE_TYPE = "compare numbers, texts, dates and times of one type; cast a DOUBLE to DECIMAL"
_NULL: Node = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "literal": {"kind": "NULL_LITERAL", "text": ""},
}


class Binder(Protocol):
    """What the planner asks the engine; a tree is a query's node without parameters."""

    def written(self, tree: Node) -> tuple[str, Schema] | None:
        """A tree as SQL, and its columns; None when it cannot be written, or does not bind."""
        ...

    def cast(self, expression: Node, type_name: str) -> Node:
        """An expression, cast to a type."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One endpoint's query.

    Attributes:
        text: as the user wrote it.
        tree: its node; the places in it are of `text`.
        tables: the columns of every table that it reads.
        types: its parameters' types, by name.
        fields: its own columns.
        aggregates: the names of all aggregate functions, in lower case.
    """

    text: str
    tree: Node
    tables: Mapping[str, Schema]
    types: Mapping[str, str]
    fields: Schema
    aggregates: frozenset[str]


@dataclass(frozen=True, slots=True)
class Range:
    """What a range is of, over the rows, and its ends."""

    expression: Node
    low: Comparison | None
    high: Comparison | None

    @property
    def ends(self) -> tuple[Comparison, ...]:
        """Those that are asked for, the low one first."""
        return tuple(each for each in (self.low, self.high) if each is not None)


@dataclass(frozen=True, slots=True)
class KeyExpression:
    """One part of a key: `compared` is empty for one by which rows are only sorted."""

    item: Sorted
    compared: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy's SQL, the parts of its key, and its columns; `origins` as in `Access`."""

    sql: str
    key: tuple[KeyPart, ...]
    columns: Schema
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """A copy, with what is asked of it.

    Attributes:
        order: of the answer; of a roll-up, of its groups.
        origins: as in `Access`.
    """

    keyed: KeyedQuery
    order: tuple[Sorted, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planning:
    """A query, read.

    Attributes:
        equal: what is compared by =, in order.
        ranged: what is compared otherwise; None for nothing.
        order: of ORDER BY, what is not the same in all rows of an answer.
        page: the query's own LIMIT and OFFSET.
    """

    asked: Asked
    binder: Binder
    selection: Selection
    conditions: Conditions
    equal: tuple[KeyExpression, ...]
    ranged: Range | None
    order: tuple[Sorted, ...]
    page: Page

    @property
    def compared(self) -> list[Node]:
        """The expressions that are compared, over the rows."""
        found = [each.item.expression for each in self.equal]
        return found if self.ranged is None else [*found, self.ranged.expression]

    def forms(self, expressions: Sequence[Node]) -> list[Part]:
        """What tells equal expressions, of each."""
        return [self.selection.form(each) for each in expressions]

    def items(self) -> list[Node]:
        """The select list, over the rows."""
        named = map(self.selection.over_rows, self.selection.items)
        return [{**each, "alias": ""} for each in named]

    def is_distinct(self) -> bool:
        """Whether equal rows of the answer become one."""
        return any(each["type"] == "DISTINCT_MODIFIER" for each in self.asked.tree["modifiers"])

    def where(self, fixed: Sequence[Node]) -> Node | None:
        """The conditions that hold for every request; nothing that is compared is NULL."""
        known = [{**_IS_NOT_NULL, "children": [each]} for each in self.compared]
        return conjunction([*fixed, *known])

    def copy(self, tree: Node, parts: Sequence[KeyExpression], rest: Sequence[Node]) -> Copy:
        """The copy of some rows.

        Args:
            tree: the query without its select list.
            parts: of the key.
            rest: the select list beside them.
        """
        expressions = [each.item.expression for each in parts]
        sql, schema = self._written(tree, expressions, rest)
        types = [
            self._part_type(part, column.type) for part, column in zip(parts, schema, strict=False)
        ]
        own = [column.type for column in schema[: len(parts)]]
        if types != own:
            pairs = zip(expressions, own, types, strict=True)
            cast = [
                each if was == becomes else self.binder.cast(each, becomes)
                for each, was, becomes in pairs
            ]
            sql, schema = self._written(tree, cast, rest)
        key = tuple(
            KeyPart(type_name, part.item.descending, part.item.nulls_first)
            for part, type_name in zip(parts, types, strict=True)
        )
        named = {**tree, "select_list": _named(expressions)}
        copied = copied_columns(named, self.asked.tables, schema[: len(parts)])
        origins = tuple(copied.get(f"k{number}", "") for number, _ in enumerate(parts))
        return Copy(sql, key, schema, origins)

    def _written(
        self, tree: Node, expressions: Sequence[Node], rest: Sequence[Node]
    ) -> tuple[str, Schema]:
        found = self.binder.written({**tree, "select_list": [*_named(expressions), *rest]})
        if found is None:
            fix = "make it a model, and select from that"
            raise NotKeyed(None, "cannot be written with its keys as fields", fix)
        return found

    def _part_type(self, part: KeyExpression, type_name: str) -> str:
        """The type of a part of the key whose expression has a type."""
        if not part.compared:
            if is_sort_type(type_name):
                return type_name
            fix = "order by a number, a text, a date or a time"
            says = f"is {type_name}, and rows are not kept in the order of that"
            raise NotKeyed(part.item.written, says, fix, before="ORDER BY ")
        types = {self._compared_type(each, type_name) for each in part.compared}
        if len(types) > 1:
            fix = "give both parameters one type: params: {…: {type: …}}"
            raise NotKeyed(part.compared[1].clause, "has ends of two types", fix)
        return types.pop()

    def _compared_type(self, comparison: Comparison, type_name: str) -> str:
        name, wanted = comparison.parameter, self.asked.types[comparison.parameter]
        if any(self.type_named(cast) != wanted for cast in comparison.casts):
            fix = f"leave the cast out, or declare its type: params: {{{name}: {{type: …}}}}"
            raise NotKeyed(comparison.clause, f"compares with another type than ${name} has", fix)
        found = compared_as(type_name, wanted)
        if not found:
            what = spelled(self.asked.text, comparison.expression)
            says = f"compares `{what}`, {_a(type_name)}, with {_a(wanted)}: no key of a copy does"
            raise NotKeyed(comparison.clause, says, _ONE_TYPE)
        return found

    def type_named(self, kind: Node) -> str:
        """DuckDB's spelling of a type that a cast names."""
        cast = {**self.binder.cast(_NULL, "INTEGER"), "type_expr": kind}
        return type_of(cast, self.asked.tree, self.binder)

    def query(
        self,
        copy: Copy,
        order: tuple[Sorted, ...],
        *,
        reverse: bool = False,
        by_cell: str = "",
        lone: bool = False,
        rollup: Rollup | None = None,
    ) -> Planned:
        """The copy, with what is asked of it."""
        keyed = KeyedQuery(
            sql=copy.sql,
            key=copy.key,
            equal=tuple(each.compared[0].parameter for each in self.equal),
            low=_bound(self.ranged.low if self.ranged else None),
            high=_bound(self.ranged.high if self.ranged else None),
            reverse=reverse,
            limit=self.page.limit,
            offset=self.page.offset,
            by_cell=by_cell,
            lone=lone,
            rollup=rollup,
        )
        return Planned(keyed, order, copy.origins)


_IS_NOT_NULL: Node = {"class": "OPERATOR", "type": "OPERATOR_IS_NOT_NULL", "alias": ""}


def conjunction(clauses: Sequence[Node]) -> Node | None:
    """The condition that all of some hold; None of none."""
    if len(clauses) < 2:
        return clauses[0] if clauses else None
    children = list(clauses)
    return {"class": "CONJUNCTION", "type": "CONJUNCTION_AND", "alias": "", "children": children}


def _named(expressions: Sequence[Node]) -> list[Node]:
    """The parts of a key as columns of a copy."""
    return [{**each, "alias": f"k{number}"} for number, each in enumerate(expressions)]


def _bound(end: Comparison | None) -> Bound | None:
    return None if end is None else Bound(end.parameter, end.inclusive)


def _a(type_name: str) -> str:
    return f"{'an' if type_name[0] in 'AEIOU' else 'a'} {type_name}"


def type_of(expression: Node, tree: Node, binder: Binder) -> str:
    """The type of an expression over the rows of a query's FROM clause; "" when it is none."""
    found = binder.written({**tree, **BARE, "select_list": [expression]})
    return found[1][0].type if found is not None and len(found[1]) == 1 else ""

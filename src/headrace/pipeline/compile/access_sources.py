"""What a FROM clause reads as it is: takes a SELECT's tree, gives its tables and equal columns.

Only what is certain counts: of every other name nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from headrace.base.tables import Schema
from headrace.engines.trees import Node
from headrace.pipeline.compile.access_types import is_key_type
from headrace.pipeline.compile.local_expressions import conjuncts

Held: TypeAlias = "tuple[str, str]"
"""A column of a FROM clause: what the query calls its table, and its name; both in lower case."""

_PLAIN = frozenset({"REGULAR", "CROSS", "NATURAL"})
# Sides of which each row is kept, or left out, for what is in it and in its partners alone.
_CHOSEN = {
    "INNER": ("left", "right"),
    "LEFT": ("left",),
    "RIGHT": ("right",),
    "SEMI": ("left",),
    "ANTI": ("left",),
}


def called(table: Node) -> str:
    """What a query calls a table that it reads."""
    return str(table["alias"] or table["table_name"])


def choosable(source: Node) -> Iterator[Node]:
    """The tables of a FROM clause whose rows WHERE may choose as well as the table itself.

    On the side that an outer join pads, a row that is left out gives one with NULLs instead.
    """
    if source["type"] == "BASE_TABLE":
        if not (source["sample"] or source["at_clause"] or source["column_name_alias"]):
            yield source
    elif source["type"] == "JOIN" and _is_plain(source):
        for side in _CHOSEN.get(source["join_type"], ()):
            yield from choosable(source[side])


def _is_plain(join: Node) -> bool:
    """Whether a pair of rows is joined for what is in the two alone."""
    return (
        join["ref_type"] in _PLAIN and not join["sample"] and join.get("ranking_expression") is None
    )


@dataclass(frozen=True, slots=True)
class Sources:
    """The tables of a FROM clause.

    Attributes:
        types: column -> its type, of the tables that are read as they are.
        is_whole: whether there is nothing else.
        is_inner: whether there are inner joins only, without NATURAL ones.
        used: the names in USING of inner joins only, once for each join.
    """

    types: Mapping[Held, str]
    is_whole: bool
    is_inner: bool
    used: tuple[str, ...]

    @classmethod
    def of(cls, tree: Node, tables: Mapping[str, Schema]) -> Sources:
        """The tables of a SELECT; `tables` as in `Asked`."""
        schemas = {name.lower(): schema for name, schema in tables.items()}
        parts = list(_parts(tree["from_table"]))
        joins = list(_joins(tree["from_table"]))
        types = {
            (called(part).lower(), column.name.lower()): column.type
            for part in parts
            if part["type"] == "BASE_TABLE" and not part["column_name_alias"]
            for column in schemas.get(part["table_name"].lower(), ())
        }
        names = [called(part).lower() for part in parts if part["type"] == "BASE_TABLE"]
        is_whole = len(set(names)) == len(parts) == len({held[0] for held in types})
        is_inner = all(
            each["join_type"] == "INNER" and _is_plain(each) and each["ref_type"] != "NATURAL"
            for each in joins
        )
        used = [name.lower() for each in joins for name in each["using_columns"]]
        return cls(types, is_whole, is_inner, tuple(used) if is_inner else ())

    def column(self, expression: Node) -> Held | None:
        """The column that an expression is by itself; None when that is not certain."""
        if expression.get("class") != "COLUMN_REF":
            return None
        names = [name.lower() for name in expression["column_names"]]
        if len(names) == 2:
            held = (names[0], names[1])
            return held if held in self.types and self.is_whole else None
        found = [held for held in self.types if [held[1]] == names]
        # A name that several have is the first one's, when USING makes all of them equal.
        is_certain = self.is_whole and self.used.count(names[0]) == len(found) - 1
        return found[0] if found and is_certain else None

    def equals(self, tree: Node, held: Held) -> set[Held]:
        """The columns that are equal to one in every row that the joins and WHERE leave."""
        pairs = [
            (one, other)
            for one, other in self._pairs(tree)
            if one is not None and other is not None and self._is_equality(one, other)
        ]
        found = {held}
        while True:
            more = {held for pair in pairs if found & set(pair) for held in pair}
            if more <= found:
                return found
            found |= more

    def _pairs(self, tree: Node) -> Iterator[tuple[Held | None, Held | None]]:
        yield from self._equal(tree["where_clause"])
        if not self.is_inner:
            return
        for join in _joins(tree["from_table"]):
            yield from self._equal(join.get("condition"))
            for name in join["using_columns"]:
                yield self._used(join["left"], name), self._used(join["right"], name)

    def _equal(self, condition: Node | None) -> Iterator[tuple[Held | None, Held | None]]:
        for each in conjuncts(condition):
            if each.get("type") == "COMPARE_EQUAL":
                yield self.column(each["left"]), self.column(each["right"])

    def _used(self, side: Node, name: str) -> Held | None:
        found = [(called(part).lower(), name.lower()) for part in _parts(side) if _is_table(part)]
        return next((held for held in found if held in self.types), None)

    def _is_equality(self, one: Held, other: Held) -> bool:
        """Whether what is equal to one of two columns is equal to the other: types may round."""
        return self.types[one] == self.types[other] and is_key_type(self.types[one])


def _is_table(part: Node) -> bool:
    return bool(part["type"] == "BASE_TABLE")


def _parts(source: Node) -> Iterator[Node]:
    """What a FROM clause joins."""
    if source["type"] != "JOIN":
        yield source
        return
    yield from _parts(source["left"])
    yield from _parts(source["right"])


def _joins(source: Node) -> Iterator[Node]:
    if source["type"] == "JOIN":
        yield source
        yield from _joins(source["left"])
        yield from _joins(source["right"])

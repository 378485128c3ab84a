"""Follows tables and columns to their sources: takes all relations, gives where each ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.base.declarations import Source
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.queries import Lineage


@dataclass(frozen=True, slots=True)
class Ends:
    """What is at the far end of every table and column, through all models.

    Attributes:
        tables: table -> the sources that it is made from.
        columns: "table.column" -> the "table.column" names of sources that it derives from. Where
            a Python model does not declare what its column is made of, the way ends there.
    """

    tables: Mapping[str, frozenset[str]]
    columns: Mapping[str, frozenset[str]]

    def sources_of(self, tables: Iterable[str]) -> tuple[str, ...]:
        """The sources that `tables` are made from, sorted."""
        return tuple(sorted(_all(self.tables, tables)))

    def columns_of(self, lineage: Lineage) -> Lineage:
        """The lineage of a query, whose inputs are columns of any tables, down to the sources."""
        return {name: tuple(sorted(_all(self.columns, inputs))) for name, inputs in lineage.items()}


def find_ends(relations: Iterable[Relation]) -> Ends:
    """The ends of relations that come in topological order.

    One pass from the sources up: a chain of thousands of models is no deeper than any other, and
    a thousand endpoints over them do not each walk down again.
    """
    tables: dict[str, frozenset[str]] = {}
    columns: dict[str, frozenset[str]] = {}
    for relation in relations:
        own = {relation.name} if relation.kind == "source" else ()
        tables[relation.name] = _all(tables, relation.inputs).union(own)
        columns |= _column_ends(relation, columns)
    return Ends(tables, columns)


def _column_ends(
    relation: Relation, known: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    """The ends of a table's columns, known or declared."""
    names = [f"{relation.name}.{column.name}" for column in relation.schema or ()]
    ends = {name: frozenset({name}) for name in names}
    if isinstance(relation.declaration, Source):
        return ends  # what a changing source is made from is the source's own affair
    for column, inputs in relation.lineage.items():
        ends[f"{relation.name}.{column}"] = _all(known, inputs)
    return ends


def _all(known: Mapping[str, frozenset[str]], names: Iterable[str]) -> frozenset[str]:
    """The ends of all of `names` together; what is not known, is its own."""
    return frozenset().union(*(known.get(name, (name,)) for name in names))

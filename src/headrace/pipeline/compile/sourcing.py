"""Follows what a query reads to its end: takes its direct inputs, gives sources and columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.queries import Lineage


def source_tables(tables: Iterable[str], relations: Mapping[str, Relation]) -> tuple[str, ...]:
    """The sources that `tables` are made from, through all models, sorted."""
    found: set[str] = set()
    waiting = list(tables)
    seen: set[str] = set()
    while waiting:
        relation = relations[waiting.pop()]
        if relation.name not in seen:
            seen.add(relation.name)
            waiting.extend(relation.inputs)
            if relation.kind == "source":
                found.add(relation.name)
    return tuple(sorted(found))


def source_columns(lineage: Lineage, relations: Mapping[str, Relation]) -> Lineage:
    """Column -> the "table.column" names of sources that it derives from, through all models.

    Where a Python model does not declare what its column is made of, the way ends there.
    """
    known: dict[str, frozenset[str]] = {}

    def ends(column: str) -> frozenset[str]:
        if column not in known:
            table, _, name = column.partition(".")
            relation = relations[table]
            if name in relation.lineage:
                known[column] = frozenset().union(*map(ends, relation.lineage[name]))
            else:
                known[column] = frozenset({column})
        return known[column]

    return {
        name: tuple(sorted(frozenset().union(*map(ends, inputs))))
        for name, inputs in lineage.items()
    }

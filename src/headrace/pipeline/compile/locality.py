"""Partition locality: takes a query and what its inputs are split by, gives a proof or refusals.

A result may be built cell by cell when, for every set of partitions, asking the query for these is
the same as asking the partitioned tables that it reads for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.engines.trees import Node
from headrace.pipeline.compile.local_queries import Prover, Refused
from headrace.pipeline.compile.local_scopes import Rows, Scope
from headrace.pipeline.compile.queries import Proof, Refusal
from headrace.pipeline.compile.refusals import position


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be proved.

    Attributes:
        sql, tree: a query that binds, and its node.
        tables: the columns of every table that it reads.
        splits: the tables of which a cell is to need the same cells only, each `divides` the
            result's.
        result: what the cells of the result are told apart by.
    """

    sql: str
    tree: Node
    tables: Mapping[str, Schema]
    splits: Mapping[str, Split]
    result: Split


def prove(claim: Claim, aggregates: frozenset[str]) -> Proof:
    """Whether a query can be built cell by cell, with every clause that speaks against it.

    Args:
        claim: the query and its splits.
        aggregates: the names of the engine's aggregate functions, in lower case.
    """
    prover = Prover(
        {name.lower(): schema for name, schema in claim.tables.items()},
        {
            name.lower(): tuple(column.lower() for column in split.columns)
            for name, split in claim.splits.items()
        },
        claim.result.by,
        len(claim.result.columns),
        aggregates,
    )
    rows = prover.query(claim.tree, Scope())
    placed = {_placed(claim, each): None for each in prover.refusals}
    return Proof(tuple(sorted(placed, key=lambda r: (r.line, r.column))), _untraced(claim, rows))


def _placed(claim: Claim, refused: Refused) -> Refusal:
    names = {name.lower(): name for name in claim.splits}
    tables = tuple(sorted(names[each] for each in refused.tables))
    line, column = position(claim.sql, refused.node)
    return Refusal(line, column, refused.reason, tables, refused.always)


def _untraced(claim: Claim, rows: Rows) -> Refusal | None:
    """The column of the result that does not tell the key of its rows."""
    for component, name in enumerate(claim.result.columns):
        value = rows.value(name.lower())
        told = () if value is None or rows.part is None else value.whole()
        if not any(f.part == rows.part.id and f.component == component for f in told if rows.part):
            tables = tuple(sorted(claim.splits))
            reason = (
                f"its column `{name}` is not certain to lie in the partition that it is built of"
            )
            at = next(_items(claim.tree, name), claim.tree)
            return Refusal(*position(claim.sql, at), reason, tables, always=True)
    return None


def _items(tree: Node, name: str) -> Iterator[Node]:
    """The items of the select list that give a column."""
    for item in tree.get("select_list", []):
        own = item["column_names"][-1] if item["class"] == "COLUMN_REF" else ""
        if (item["alias"] or own).lower() == name.lower():
            yield item

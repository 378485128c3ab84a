"""Finds models that would open what their inputs keep: takes tables and policies, gives Problems.

A policy does not follow the rows into another table by itself: who derives a table from rows that
not everybody sees must say who sees the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from headrace.base.declarations import Model, RowRule
from headrace.base.errors import Problem
from headrace.base.names import listed
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.policies import Policies, Restriction, declared_name
from headrace.store.snapshots import ColumnMask

_NO_ROWS = "`rows: {public: <why everybody may see all of it>}`"


def derivation_problems(relations: Iterable[Relation], policies: Policies) -> list[Problem]:
    """What models do not say of rows and columns that they take from restricted tables.

    Args:
        relations: all tables, in topological order.
        policies: theirs.
    """
    known = {each.name: each for each in relations}
    problems: list[Problem] = []
    for relation in known.values():
        if isinstance(relation.declaration, Model):
            found = _Derived(relation, known, policies.restrictions)
            # A model that sets rows aside is three tables of one declaration.
            problems.extend((*found.rows(), *found.columns()))
    return list(dict.fromkeys(problems))


@dataclass(frozen=True, slots=True)
class _Derived:
    """One model and the restrictions of what it reads."""

    relation: Relation
    relations: Mapping[str, Relation]
    restrictions: Mapping[str, Restriction]

    @property
    def name(self) -> str:
        """What the user calls it."""
        return declared_name(self.relation)

    def inputs(self) -> Iterator[tuple[Relation, Restriction]]:
        """The tables of other declarations that it reads and that restrict something."""
        for name in self.relation.inputs:
            each = self.relations.get(name)
            if each is not None and declared_name(each) != self.name:
                yield each, self.restrictions.get(name, Restriction())

    def rows(self) -> Iterator[Problem]:
        """That it does not say who sees its rows, once for each table whose rows it takes."""
        if self.relation.declaration.rows is not None:
            return
        for other, restriction in self.inputs():
            if restriction.rules:
                yield self._unsaid(other, restriction)
            elif restriction.sealed and other.declaration.rows and other.declaration.rows.rules:
                yield self._raw(other)

    def _unsaid(self, other: Relation, restriction: Restriction) -> Problem:
        own = self._derived_from({f"{other.name}.{column}" for column in restriction.columns})
        by = f" by {listed(restriction.columns)}" if restriction.columns else ""
        kept = f"its {listed(own)} derive from that" if own else "none of its columns keeps that"
        said = f"; {kept}" if by else ""
        return Problem(
            self.relation.place,
            f"`{self.name}` derives from `{other.name}`, whose rows are seen{by}, "
            f"and does not say who sees its own{said}",
            "`rows:` in its header",
            f"write `{self._suggested(restriction, own)}`, or {_NO_ROWS}",
        )

    def _raw(self, other: Relation) -> Problem:
        return Problem(
            self.relation.place,
            f"`{self.name}` derives from `{other.name}`, the raw rows of a table whose rows not "
            "everybody sees, and does not say who sees its own",
            "`rows:` in its header",
            f"write `rows:` with a condition over its columns, or {_NO_ROWS}",
        )

    def _suggested(self, restriction: Restriction, own: Sequence[str]) -> str:
        """The rule to write: that of the table, when the model has the columns it looks at."""
        lower = {column.lower() for column in own}
        if restriction.columns and {each.lower() for each in restriction.columns} <= lower:
            return _spelled(restriction.rules)
        return "rows: <a condition over its columns and $auth.<claim>>"

    def _derived_from(self, columns: set[str]) -> tuple[str, ...]:
        """The model's columns that are made from some columns of its inputs, by lineage."""
        lineage = self.relation.lineage
        return tuple(name for name, origins in lineage.items() if columns & set(origins))

    def columns(self) -> Iterator[Problem]:
        """Its columns that are made from hidden ones, and do not say who sees them."""
        said = {
            contract.name.lower()
            for contract in self.relation.declaration.columns
            if contract.access is not None
        }
        inputs = list(self.inputs())
        for column in self.relation.schema or ():
            if column.name.lower() not in said:
                yield from self._hidden(column.name, inputs)

    def _hidden(
        self, column: str, inputs: Iterable[tuple[Relation, Restriction]]
    ) -> Iterator[Problem]:
        for other, restriction in inputs:
            masks = self._made_from(column, other, restriction)
            if masks or self._may_hold(column, other, restriction):
                yield self._open(column, other, masks)
                return

    def _made_from(
        self, column: str, other: Relation, restriction: Restriction
    ) -> tuple[ColumnMask, ...]:
        """The hidden columns of a table that a column may hold something of."""
        origins = self.relation.lineage.get(column)
        if origins is None:
            return restriction.masks  # A Python model that does not say what it is made of.
        return tuple(each for each in restriction.masks if f"{other.name}.{each.column}" in origins)

    def _may_hold(self, column: str, other: Relation, restriction: Restriction) -> bool:
        """Whether a column is made from raw rows of a source with hidden columns."""
        origins = self.relation.lineage.get(column)
        is_made = origins is None or any(name.startswith(f"{other.name}.") for name in origins)
        return restriction.sealed and bool(restriction.masks) and is_made

    def _open(self, column: str, other: Relation, masks: Sequence[ColumnMask]) -> Problem:
        names = [f"{other.name}.{mask.column}" for mask in masks] or [other.name]
        roles = listed(masks[0].roles if masks else ())
        unsure = "" if column in self.relation.lineage else " or may do so, as no lineage says else"
        wanted = ", ".join(masks[0].roles if masks else ()) or "<role>"
        return Problem(
            self.relation.place,
            f"`{self.name}.{column}` derives from {listed(names)}{unsure}, which only {roles} may "
            "see, and does not say who sees it",
            "`access` of the column",
            f"write `columns: {{{column}: {{access: [{wanted}]}}}}`, "
            f"or `columns: {{{column}: {{access: public}}}}`",
        )


def _spelled(rules: Sequence[RowRule]) -> str:
    """Rules as the header has them."""
    if len(rules) == 1 and not rules[0].role:
        return f"rows: {rules[0].sql}"
    said = ", ".join(f"{rule.role}: {rule.sql or 'all'}" for rule in rules)
    return f"rows: {{{said}}}"

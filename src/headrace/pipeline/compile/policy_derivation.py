"""Finds models that would open what their inputs keep: takes tables and policies, gives Problems.

A policy does not follow the rows into another table by itself: who derives a table from rows that
not everybody sees must say who sees the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.base.declarations import Model, RowRule
from headrace.base.errors import Problem
from headrace.base.names import listed
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.policies import Policies, Restriction, declared_name
from headrace.store.snapshots import ColumnMask

# A name that stands alone: no claim, no function's or table's.
_NAME = re.compile(r"(?<![\w.$'])[A-Za-z_]\w*(?![\w.(])")
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
        own = self._derived_from(other, restriction.columns)
        found = f"`{self.name}` derives from `{other.name}`, whose rows not everybody sees"
        if restriction.columns:
            derived = [name for names in own.values() for name in names]
            kept = f"its {listed(derived)}" if derived else "none of its columns"
            by = listed(restriction.columns)
            found += f": they are told apart by {by}, which {kept} {_derives(derived)} from"
        return Problem(
            self.relation.place,
            f"{found}; it does not say who sees its own rows",
            "`rows:` in its header",
            f"write `{_suggested(restriction, own)}`, or {_NO_ROWS}",
        )

    def _raw(self, other: Relation) -> Problem:
        return Problem(
            self.relation.place,
            f"`{self.name}` derives from `{other.name}`, the raw rows of a table whose rows not "
            "everybody sees; it does not say who sees its own rows",
            "`rows:` in its header",
            f"write `rows:` with a condition over its columns, or {_NO_ROWS}",
        )

    def _derived_from(self, other: Relation, columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Column of an input -> the model's columns that are made from it, by lineage."""
        lineage = self.relation.lineage
        return {
            column: tuple(
                n for n, origins in lineage.items() if f"{other.name}.{column}" in origins
            )
            for column in columns
        }

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
            if masks:
                yield self._open(column, other, masks, is_raw=restriction.sealed)
                return

    def _made_from(
        self, column: str, other: Relation, restriction: Restriction
    ) -> tuple[ColumnMask, ...]:
        """The hidden columns of a table that a column may hold something of."""
        origins = self.relation.lineage.get(column)
        if origins is None:
            return restriction.masks  # A Python model that does not say what it is made of.
        if restriction.sealed and any(name.startswith(f"{other.name}.") for name in origins):
            return restriction.masks  # A raw row has all of its source's columns in one.
        return tuple(each for each in restriction.masks if f"{other.name}.{each.column}" in origins)

    def _open(
        self, column: str, other: Relation, masks: Sequence[ColumnMask], *, is_raw: bool
    ) -> Problem:
        names = [other.name] if is_raw else [f"{other.name}.{mask.column}" for mask in masks]
        unsure = "" if column in self.relation.lineage else " for all that is known"
        roles = masks[0].roles
        wanted = ", ".join(roles) or "<role>"
        return Problem(
            self.relation.place,
            f"`{self.name}.{column}` derives from {listed(names)}{unsure}, which only "
            f"{listed(roles)} may see; it does not say who sees it",
            "`access` of the column",
            f"write `columns: {{{column}: {{access: [{wanted}]}}}}`, "
            f"or `columns: {{{column}: {{access: public}}}}`",
        )


def _derives(columns: Sequence[str]) -> str:
    return "derive" if len(columns) > 1 else "derives"


def _suggested(restriction: Restriction, own: Mapping[str, tuple[str, ...]]) -> str:
    """The rule to write: that of the table, when one column follows each that it looks at."""
    if not own or any(len(names) != 1 for names in own.values()):
        return "rows: <a condition over its columns and $auth.<claim>>"
    rules = [replace(rule, sql=_renamed(rule.sql, own)) for rule in restriction.rules]
    return _spelled(rules)


def _renamed(sql: str, own: Mapping[str, tuple[str, ...]]) -> str:
    """A rule with the names of the columns that follow those of the table."""
    names = {column.lower(): names[0] for column, names in own.items()}
    return _NAME.sub(lambda found: names.get(found[0].lower(), found[0]), sql)


def _spelled(rules: Sequence[RowRule]) -> str:
    """Rules as the header has them."""
    if len(rules) == 1 and not rules[0].role:
        return f"rows: {rules[0].sql}"
    said = ", ".join(f"{rule.role}: {rule.sql or 'all'}" for rule in rules)
    return f"rows: {{{said}}}"

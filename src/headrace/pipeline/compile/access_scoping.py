"""What the planner of keyed copies takes of row policies: takes those of tables, gives trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headrace.engines.trees import Node
from headrace.store.snapshots import Case, Claim, RowCase, Scope, TablePolicy

_EVERYBODY = Case("")


@dataclass(frozen=True, slots=True)
class TableCases:
    """The row policy of a table that a query reads.

    Attributes:
        table: its name.
        cases: number of the scope's case, None for what always holds; and the predicate that then
            lets a row be seen, as a tree over the table's columns, alone or after its name, with
            `auth_<claim>` parameters; None is all rows. Who has none of the cases sees no rows.
    """

    table: str
    cases: tuple[tuple[int | None, Node | None], ...]


@dataclass(frozen=True, slots=True)
class Scoping:
    """What a query takes from whoever asks, and why.

    Attributes:
        scope: of the query; None when everybody gets the same.
        tables: all of its tables that have a row policy.
        is_masked: whether there is a column in any of its tables that not everybody may see.
    """

    scope: Scope | None
    tables: tuple[TableCases, ...]
    is_masked: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """The scope's cases."""
        return () if self.scope is None else self.scope.cases

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The scope's claims."""
        return () if self.scope is None else self.scope.claims


def scoping_of(
    policies: Mapping[str, TablePolicy], scope: Scope | None, read: Callable[[str], Node]
) -> Scoping:
    """The policies of a query's tables, as the planner takes them.

    Args:
        policies: of all its tables that have one.
        scope: what they take from whoever asks, all of them together.
        read: gives the tree of a predicate.
    """
    known = () if scope is None else scope.cases

    def case(row: RowCase) -> tuple[int | None, Node | None]:
        own = Case(row.role, row.claims)
        number = None if own == _EVERYBODY else known.index(own)
        return number, read(row.sql) if row.sql else None

    tables = [
        TableCases(name, tuple(map(case, policy.rows)))
        for name, policy in sorted(policies.items())
        if policy.rows is not None
    ]
    masked = scope is not None and (bool(scope.masks) or scope.salted)
    masked = masked or any(policy.masks for policy in policies.values())
    return Scoping(scope, tuple(tables), masked)

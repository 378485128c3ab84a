"""Turns policies of tables into SQL: takes them, gives a SELECT for each table, and its parameters.

The SELECTs say `$auth_…`; whoever runs them binds those from who asks, as the `Scope` says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from headrace.base.errors import UsageError
from headrace.base.names import quote
from headrace.store.scopes import SALT, case_parameter, mask_parameter
from headrace.store.snapshots import Case, Claim, ColumnMask, RowCase, Scope, TablePolicy

T = TypeVar("T")

# Behind a LIMIT nothing else of the query is evaluated for a row that the policy leaves out: not
# even an expression that fails with the row's value in its message.
_BARRIER = " LIMIT 9223372036854775807"
_EVERYBODY = Case("")


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What stands for the tables of a query: table -> its SELECT; and what those take from whoever
    asks: None when everybody gets the same.
    """

    selects: Mapping[str, str]
    scope: Scope | None


def narrowing(policies: Mapping[str, TablePolicy], *, barrier: bool = False) -> Narrowing:
    """The SELECTs that apply policies.

    Args:
        policies: of the tables that a query reads. One that lets everybody see all has no SELECT.
        barrier: whether nothing of the query is to be evaluated for rows that a policy leaves out:
            when nobody trusted wrote it, or it may fail by what is in them. It costs what filters
            gain by skipping rows.

    Raises:
        UsageError: a claim has two types or spellings.
    """
    texts = _Texts(claims(policies.values()))
    selects = {
        name: behind_barrier(text) if barrier else text
        for name, policy in sorted(policies.items())
        if policy.rows is not None or policy.masks
        for text in [texts.select(name, policy)]
    }
    return Narrowing(selects, texts.scope())


def behind_barrier(select: str) -> str:
    """A SELECT of `narrowing` that leaves its rows out before anything else is evaluated."""
    return select + _BARRIER


def claims(policies: Iterable[TablePolicy]) -> tuple[Claim, ...]:
    """All claims of some policies, by name.

    Raises:
        UsageError: one has two types, or two spellings: SQL would take those for one.
    """
    known: dict[str, Claim] = {}
    for claim in (claim for policy in policies for claim in policy.claims):
        other = known.setdefault(claim.name.lower(), claim)
        if other.name != claim.name:
            raise UsageError(
                f"`$auth.{other.name}` of one table is spelled `$auth.{claim.name}` for another; "
                "expected one spelling; query the tables one by one"
            )
        if other.type != claim.type:
            raise UsageError(
                f"`$auth.{claim.name}` is {other.type} for one table and {claim.type} for "
                "another; expected one type; query the tables one by one"
            )
    return tuple(sorted(known.values(), key=lambda claim: claim.name))


def seen_by(policy: TablePolicy, roles: Collection[str]) -> TablePolicy:
    """A policy for one who has just these roles: without columns that are absent for them."""
    masks = tuple(mask for mask in policy.masks if not set(mask.roles) & set(roles))
    return replace(policy, masks=masks)


@dataclass
class _Texts:
    """SELECTs in the making, and the parameters that they have taken so far."""

    claims: tuple[Claim, ...]
    cases: list[Case] = field(default_factory=list)
    masks: list[tuple[str, ...]] = field(default_factory=list)
    salted: bool = False

    def scope(self) -> Scope | None:
        """What all of them take from whoever asks."""
        used = {name for case in self.cases for name in case.claims}
        known = tuple(claim for claim in self.claims if claim.name in used)
        if not (self.cases or self.masks or self.salted):
            return None
        return Scope(known, tuple(self.cases), tuple(self.masks), self.salted)

    def select(self, table: str, policy: TablePolicy) -> str:
        """The SELECT of what is seen of a table."""
        masks = {mask.column.lower(): mask for mask in policy.masks}
        columns = [text for name in policy.columns for text in self._column(name, masks)]
        condition = self._condition(policy.rows)
        where = f" WHERE {condition}" if condition else ""
        return f"SELECT {', '.join(columns)} FROM {quote(table)}{where}"

    def _column(self, name: str, masks: Mapping[str, ColumnMask]) -> Iterator[str]:
        mask = masks.get(name.lower())
        own = quote(name)
        if mask is None:
            yield own
        elif mask.hide != "absent":
            shown = f"CAST(${mask_parameter(_number(self.masks, mask.roles))} AS BOOLEAN)"
            yield f"CASE WHEN {shown} THEN {own} ELSE {self._hidden(own, mask)} END AS {own}"

    def _hidden(self, column: str, mask: ColumnMask) -> str:
        if mask.hide == "masked":
            return "NULL"
        self.salted = True
        # As an HMAC does: nobody can go on from one hash to that of a longer value. NULL stays.
        salt = f"CAST(${SALT} AS VARCHAR) || '|'"
        return f"sha256({salt} || sha256({salt} || {column}))"

    def _condition(self, rows: Iterable[RowCase] | None) -> str:
        if rows is None or any(not row.sql and Case(row.role) == _EVERYBODY for row in rows):
            return ""
        return " OR ".join(map(self._case, rows)) or "false"

    def _case(self, row: RowCase) -> str:
        """When a row is seen by one case."""
        case = Case(row.role, row.claims)
        parts = [f"({row.sql})"] if row.sql else []
        if case != _EVERYBODY:
            parts.insert(0, f"CAST(${case_parameter(_number(self.cases, case))} AS BOOLEAN)")
        return f"({' AND '.join(parts)})"


def _number(known: list[T], new: T) -> int:
    """Where something stands in a list that it is added to unless it is there."""
    if new not in known:
        known.append(new)
    return known.index(new)

"""Sets rows aside: takes the rules of a table, gives SELECTs of those that keep and break them."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.base.declarations import CheckDeclaration
from headrace.base.names import quote, quote_text
from headrace.base.tables import Schema
from headrace.checks.builtin import row_condition, rule, unreferenced

REASON = "reason"
_POSITION = "__position"


@dataclass(frozen=True, slots=True)
class Divided:
    """The rows of a table in two: `kept` has its columns, `aside` those and `reason`."""

    kept: str
    aside: str


def divide(
    table: str, schema: Schema, rules: tuple[CheckDeclaration, ...], *, in_order: bool = True
) -> Divided:
    """SELECTs that give each row of `table` once, in one or the other.

    The reason names every rule that a row breaks by itself, by NULL, value or reference. The rows
    that break none are then held against the rules of keys: of those with equal keys none is kept,
    since nothing says which of them is right.

    Args:
        table: what is divided; both SELECTs read it, so its rows must be stored.
        schema: its columns, none of them called `reason`.
        rules: of kinds that look at rows or keys, with columns as the tables spell them.
        in_order: whether the rows come in the table's order. It takes the place of a row among all
            rows, which no cell of a table knows; cells are sorted by themselves.
    """
    columns = ", ".join(quote(column.name) for column in schema)
    by_row = [_case(check, _breaks(check, schema)) for check in rules if not _is_keyed(check)]
    by_key = [_case(check, _shares_key(check)) for check in rules if _is_keyed(check)]
    position = f", row_number() OVER () AS {_POSITION}" if by_key and in_order else ""
    marked = (
        f"SELECT {columns}, {_reasons(by_row)} AS {REASON}{position} FROM {quote(table)} AS child"
    )
    order = ""
    if by_key:
        reason = f"coalesce({REASON}, {_reasons(by_key)})"
        place = f", {_POSITION}" if in_order else ""
        marked = f"SELECT {columns}, {reason} AS {REASON}{place} FROM ({marked}) AS marked"
        order = f" ORDER BY {_POSITION}" if in_order else ""
    return Divided(
        kept=f"SELECT {columns} FROM ({marked}) WHERE {REASON} IS NULL{order}",
        aside=f"SELECT {columns}, {REASON} FROM ({marked}) WHERE {REASON} IS NOT NULL{order}",
    )


def _is_keyed(check: CheckDeclaration) -> bool:
    return check.kind in {"unique", "key"}


def _breaks(check: CheckDeclaration, schema: Schema) -> str:
    return row_condition(check, schema) or unreferenced(check, "child")


def _shares_key(check: CheckDeclaration) -> str:
    """The condition that a row has no key of its own among the rows that break no rule so far."""
    columns = ", ".join(quote(column) for column in check.columns)
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in check.columns)
    alike = f"count(*) FILTER (WHERE {REASON} IS NULL) OVER (PARTITION BY {columns})"
    if check.kind == "key":
        return f"{REASON} IS NULL AND ({missing} OR {alike} > 1)"
    return f"{REASON} IS NULL AND NOT ({missing}) AND {alike} > 1"


def _case(check: CheckDeclaration, condition: str) -> str:
    subject = f"{check.columns[0]}: " if len(check.columns) == 1 else ""
    return f"CASE WHEN {condition} THEN {quote_text(subject + rule(check))} END"


def _reasons(cases: list[str]) -> str:
    """Every reason that applies; NULL when none does."""
    return f"nullif(concat_ws('; ', {', '.join(cases)}), '')" if cases else "CAST(NULL AS VARCHAR)"

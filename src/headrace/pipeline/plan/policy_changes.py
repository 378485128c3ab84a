"""Compares the policies of two manifests: says in words who sees more or less of which table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from headrace.base.access import Access
from headrace.store.snapshots import ColumnMask, RowCase, TablePolicy

_HIDDEN = {"masked": "NULL", "hashed": "a hash", "absent": "no such column"}


def policy_changes(
    before: Mapping[str, TablePolicy], after: Mapping[str, TablePolicy]
) -> Iterator[str]:
    """What changes for who reads a table that both have, a sentence each, by table."""
    for table in sorted(before.keys() & after.keys()):
        old, new = before[table], after[table]
        yield from _rows(table, old, new)
        yield from _columns(table, old, new)
        if old.access != new.access:
            yield f"{table}: ad-hoc queries were {_whose(old.access)}, now {_whose(new.access)}"


def _rows(table: str, old: TablePolicy, new: TablePolicy) -> Iterator[str]:
    if (old.rows, old.claims) == (new.rows, new.claims):
        return
    was, now = rows_text(old.rows), rows_text(new.rows)
    if was == now:
        yield f"{table}: rows are {now} as before, under another condition"
    else:
        yield f"{table}: rows were {was}, now {now}{_lost(old.rows, new.rows)}"


def _lost(old: Sequence[RowCase] | None, new: Sequence[RowCase] | None) -> str:
    """The roles that had rules and have none any more, where others still have."""
    roles = [{row.role for row in rows or ()} for rows in (old, new)]
    lost = sorted(roles[0] - roles[1] - {""})
    if not lost or not new or "" in roles[1]:
        return ""
    return f": {', '.join(lost)} {'see' if len(lost) > 1 else 'sees'} no rows any more"


def rows_text(rows: Sequence[RowCase] | None) -> str:
    """Whose the rows of a table are: "everybody's", "by store_id, for head_office"."""
    if rows is None:
        return "everybody's"
    if not rows:
        return "nobody's"
    claims = dict.fromkeys(claim for row in rows for claim in row.claims)
    roles = dict.fromkeys(row.role for row in rows if row.role)
    by = f"by {', '.join(claims)}" if claims else "by a condition"
    if all(not row.sql for row in rows):
        by = ""
    among = f"for {', '.join(roles)}" if roles else ""
    return ", ".join(each for each in (by, among) if each) or "everybody's"


def _columns(table: str, old: TablePolicy, new: TablePolicy) -> Iterator[str]:
    masks = [{mask.column: mask for mask in policy.masks} for policy in (old, new)]
    for column in new.columns:
        was, now = (each.get(column) for each in masks)
        if was != now and column in old.columns:
            yield f"{table}.{column}: was {mask_text(was)}, now {mask_text(now)}"


def mask_text(mask: ColumnMask | None) -> str:
    """Who sees the values of a column, and what others see: "for crm, NULL for others"."""
    if mask is None:
        return "for everybody"
    return f"for {', '.join(mask.roles) or 'nobody'}, {_HIDDEN[mask.hide]} for others"


def _whose(access: Access) -> str:
    return "open to everybody" if access.kind == "public" else f"for {access}"

"""What a publish puts in the audit log: takes what was published before and after, gives events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from headrace.base.access import NOBODY, Access
from headrace.base.changes import ContractChange
from headrace.base.errors import StoreError
from headrace.store.audit.entries import Action, AuditEvent, Detail
from headrace.store.audit.log import Audit, operator
from headrace.store.snapshots import ColumnMask, Manifest, Ref, RowCase, Snapshot, TablePolicy
from headrace.store.store import Store

_LOG = logging.getLogger("headrace.audit")

_NOBODY = "nobody"
_NO_POLICY = TablePolicy()


@dataclass(frozen=True, slots=True)
class Published:
    """A publish that has happened.

    Attributes:
        action: "published", "rolled_back" or "promoted".
        ref: the new head.
        before: what the environment showed.
        after: what it shows now.
        changes: of the contract, as they were shown before.
    """

    action: Action
    ref: Ref
    before: Snapshot
    after: Snapshot
    changes: tuple[ContractChange, ...] = ()


@contextmanager
def on_record(store: Store, actor: str = "") -> Iterator[Callable[[Published], None]]:
    """Yields what puts a publish on record, once it has happened; it never raises.

    Args:
        store: where it is published.
        actor: who does it; "" is whoever runs this process.

    Raises:
        StoreError: the audit log takes no entries: nothing must be published unrecorded.
    """
    with closing(Audit.open(store.root, clock=store.clock)) as audit:
        audit.require_usable()

        def record(published: Published) -> None:
            try:
                audit.append(*events(published, actor))
            except StoreError as exc:
                # It is published, and stays so: the next entry cannot say otherwise.
                ref = published.ref
                _LOG.error(
                    "%s:%d is published, but not on record: %s", ref.environment, ref.number, exc
                )

        yield record


def events(published: Published, actor: str = "") -> Iterator[AuditEvent]:
    """The publish itself, what was accepted with it, and who may see more or less from now on."""
    actor = actor or operator()
    ref = published.ref
    target = f"{ref.environment}:{ref.number}"
    detail: dict[str, Detail] = {
        "reason": ref.reason,
        "run": ref.run,
        "tables": ", ".join(_changed_tables(published.before, published.after)),
    }
    yield AuditEvent(published.action, actor, target=target, detail=_said(detail))
    for change in published.changes:
        if change.breaking:
            said = {"endpoint": change.endpoint, "change": change.said, "calls": change.calls}
            yield AuditEvent("breaking_accepted", actor, target=target, detail=_said(said))
    if ref.number == 1:
        # Nobody saw anything before: who sees what is all new, and stands in the snapshot.
        return
    for each in policy_changes(published.before.manifest, published.after.manifest):
        detail = {"of": each.of, "what": each.what, "before": each.before, "after": each.after}
        yield AuditEvent("policy_changed", actor, target=target, detail=detail)


def _said(detail: Mapping[str, Detail]) -> dict[str, Detail]:
    """The details that say something."""
    return {name: value for name, value in detail.items() if value not in ("", None)}


def _changed_tables(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for name in sorted(before.tables.keys() | after.tables.keys()):
        old, new = before.tables.get(name), after.tables.get(name)
        if new is None:
            yield f"{name} (gone)"
        elif old is None or old.address != new.address:
            yield f"{name} ({new.rows} rows)"


# Policies


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """Something that others may see than before.

    Attributes:
        of: "endpoint sales", "router endpoints/compare.py", "table orders", "column orders.email".
        what: "access", "rows" or "values".
        before, after: who sees it, and by which condition; "nobody" for what there was not, or is
            not any more.
    """

    of: str
    what: str
    before: str
    after: str


def policy_changes(before: Manifest, after: Manifest) -> Iterator[PolicyChange]:
    """Everything that two manifests say differently about who may see what, by kind and name."""
    endpoints = [{each.path: each.access for each in one.endpoints} for one in (before, after)]
    yield from _access_changes("endpoint", *endpoints)
    routers = [
        {each.path: each.access for each in one.modules if each.router} for one in (before, after)
    ]
    yield from _access_changes("router", *routers)
    for name in sorted(before.tables.keys() | after.tables.keys()):
        old, new = (one.tables.get(name) for one in (before, after))
        yield from _table_changes(name, old, new)


def _access_changes(
    kind: str, before: Mapping[str, Access], after: Mapping[str, Access]
) -> Iterator[PolicyChange]:
    for name in sorted(before.keys() | after.keys()):
        old, new = str(before.get(name, NOBODY)), str(after.get(name, NOBODY))
        if old != new:
            yield PolicyChange(f"{kind} {name}", "access", old, new)


def _table_changes(
    name: str, old: TablePolicy | None, new: TablePolicy | None
) -> Iterator[PolicyChange]:
    yield from _access_changes(
        "table",
        {name: (old or _NO_POLICY).access},
        {name: (new or _NO_POLICY).access},
    )
    was, now = _rows_text(old), _rows_text(new)
    if was != now:
        yield PolicyChange(f"table {name}", "rows", was, now)
    masks = [_masks(old), _masks(new)]
    for column in sorted(masks[0].keys() | masks[1].keys()):
        was, now = (_mask_text(each.get(column)) for each in masks)
        if was != now:
            yield PolicyChange(f"column {name}.{column}", "values", was, now)


def _masks(policy: TablePolicy | None) -> dict[str, ColumnMask]:
    return {mask.column: mask for mask in policy.masks} if policy else {}


def _mask_text(mask: ColumnMask | None) -> str:
    """Who sees the values of a column, and what others see."""
    if mask is None:
        return "everybody"
    return f"{_names(mask.roles)} (others: {mask.hide})"


def _rows_text(policy: TablePolicy | None) -> str:
    """Who sees which rows of a table, with the conditions as they are applied."""
    if policy is None:
        return _NOBODY
    if policy.rows is None:
        return "everybody: all"
    return "; ".join(map(_case_text, policy.rows)) or _NOBODY


def _case_text(case: RowCase) -> str:
    return f"{case.role or 'everybody'}: {case.said or 'all'}"


def _names(roles: Collection[str]) -> str:
    return ", ".join(roles) or _NOBODY

"""Reviews what changes for users of the API: takes changes, adds calls, lets through or refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from headrace.base.changes import CALLS_DAYS, ContractChange
from headrace.base.errors import BreakingChanges, StoreError, UsageError
from headrace.base.names import listed, near_miss
from headrace.pipeline.plan.contracts import route
from headrace.store.records import Records
from headrace.store.snapshots import Manifest
from headrace.store.store import Store


def count_calls(store: Store, environment: str) -> Counter[str] | None:
    """Route -> calls of the last `CALLS_DAYS` days; None when there is no record that says so."""
    if not store.records_path.exists():
        return None
    first = store.clock.now() - timedelta(days=CALLS_DAYS - 1)
    try:
        with closing(Records.open(store.records_path)) as records:
            by_path = records.calls_since(environment, first.date().isoformat())
    except StoreError:
        # Nothing depends on the record: a plan without counts is better than none.
        return None
    calls: Counter[str] = Counter()
    for path, count in by_path.items():
        calls[route(path)] += count
    return calls


def with_calls(
    changes: Iterable[ContractChange], store: Store, environment: str
) -> tuple[ContractChange, ...]:
    """The changes, each breaking one with the calls of the endpoint that it is about."""
    found = tuple(changes)
    if not any(change.breaking and change.path for change in found):
        return found
    calls = count_calls(store, environment)
    if calls is None:
        return found
    return tuple(
        replace(each, calls=calls[route(each.path)]) if each.breaking and each.path else each
        for each in found
    )


def refused(changes: Iterable[ContractChange], accepted: Collection[str]) -> list[ContractChange]:
    """The breaking changes that nobody has accepted."""
    return [each for each in changes if each.breaking and each.endpoint not in accepted]


def require_accepted(changes: Iterable[ContractChange], accepted: Collection[str]) -> None:
    """Let changes through if every breaking one is of an endpoint in `accepted`.

    Raises:
        BreakingChanges: with those that are not.
    """
    if left := refused(changes, accepted):
        raise BreakingChanges(left)


def needless(
    changes: Iterable[ContractChange], accepted: Iterable[str], manifests: Iterable[Manifest]
) -> list[str]:
    """The names in `accepted` that nothing breaks: there is nothing to accept.

    Args:
        changes: of a plan.
        accepted: names of endpoints, or files of routers.
        manifests: what is deployed, and what will be.

    Raises:
        UsageError: a name is no endpoint and no router of either; the message has the near miss.
    """
    breaking = {change.endpoint for change in changes if change.breaking}
    names = {name for manifest in manifests for name in _names(manifest)}
    for name in accepted:
        if name not in names:
            raise UsageError(
                f"--accept-breaking: {name!r} is not an endpoint; expected one of "
                f"{listed(sorted(breaking or names))}; "
                + (near_miss(name, names) or "`headrace plan` shows what breaks whom")
            )
    return [name for name in dict.fromkeys(accepted) if name not in breaking]


def _names(manifest: Manifest) -> Iterable[str]:
    yield from (endpoint.name for endpoint in manifest.endpoints)
    yield from (module.path for module in manifest.modules if module.router)

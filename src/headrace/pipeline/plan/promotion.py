"""Says what speaks against a promotion: takes the plan of its source, gives reasons in words."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.pipeline.plan.plans import Plan
from headrace.pipeline.plan.versions import volume_results
from headrace.store.snapshots import Snapshot


def stale_reasons(plan: Plan) -> Iterator[str]:
    """Why what an environment shows is not what the project and its raw files ask for now.

    Args:
        plan: for that environment; nothing comes out of one that has nothing to do.
    """
    for step in plan.steps:
        yield f"{step.table}: {step.reasons[0]}" if step.reasons else step.table
    yield from (f"{name} waits for a Python model to run" for name in plan.deferred)
    yield from plan.reasons
    yield from (f"the check {check.name} has not been made" for check in plan.checks)


def emptied_tables(plan: Plan, promoted: Snapshot, before: Snapshot) -> Iterator[str]:
    """The tables that would lose every row, although they may not be empty.

    Their own environment could not tell: nothing was published in it before.

    Args:
        plan: for the environment that is promoted; its graph says which tables may be empty.
        promoted: what would be published.
        before: what is published where it would be.
    """
    for relation in plan.graph.relations:
        version = promoted.tables.get(relation.name)
        if version is not None:
            results = volume_results(relation, version, before.tables.get(relation.name))
            yield from (f"{each.table} {each.message}" for each in results if not each.passed)

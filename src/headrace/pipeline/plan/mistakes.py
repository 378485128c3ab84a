"""What a project that does not compile would break: takes what compiles of it, gives changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.base.changes import ContractChange
from headrace.base.tables import Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.compile.queries import Answer
from headrace.pipeline.plan.contracts import contract_changes, route
from headrace.store.snapshots import EndpointContract, Manifest, Snapshot


def broken_contracts(
    graph: Graph, before: Snapshot, analysis: Analysis, today: str
) -> tuple[ContractChange, ...]:
    """The breaking changes that lie behind a project's mistakes.

    Args:
        graph: what compiles of the project; an endpoint that does not is not in it.
        before: what is deployed.
        analysis: binds the deployed queries of the endpoints that do not compile.
        today: the UTC date, ISO 8601.
    """
    compiled = {each.name for each in graph.endpoints}
    broken = [each for each in graph.project.endpoints if each.name not in compiled]
    # Routers are not compiled: here they are taken to be as they were.
    after = Manifest(before.manifest.project, graph.served, before.manifest.modules)
    changes = contract_changes(before.manifest, after, today=today, pending=broken)
    names = {each.name for each in broken}
    routes = {route(each.path) for each in broken}
    lost = [
        change
        for was in before.manifest.endpoints
        if was.name in names or route(was.path) in routes
        for change in _lost(was, graph, before, analysis)
    ]
    found = [*(change for change in changes if change.breaking), *lost]
    return tuple(sorted(found, key=lambda change: change.endpoint))


def _lost(
    was: EndpointContract, graph: Graph, before: Snapshot, analysis: Analysis
) -> Iterator[ContractChange]:
    """What of a deployed endpoint cannot be given any more, for its tables have lost columns."""
    old = {name: before.tables[name].schema for name in was.tables}
    new = _next_schemas(was, graph)
    gone = {
        f"{table}.{column.name}"
        for table, schema in new.items()
        for column in old[table]
        if column.name.lower() not in {each.name.lower() for each in schema}
    }
    types = {each.name: each.type for each in was.parameters}
    query = analysis.query(was.sql)
    answer = analysis.answer(query, old, types) if gone else None
    if not isinstance(answer, Answer):
        return
    fields = [each for each in was.columns if gone & set(answer.bound.lineage[each.name])]
    for field in fields:
        yield ContractChange(
            was.name,
            "changed",
            f"field {field.name} ({field.type}) removed",
            "field",
            name=field.name,
            before=field.type,
            path=was.path,
            breaking=True,
        )
    if not fields and not isinstance(analysis.answer(query, {**old, **new}, types), Answer):
        detail = f"its query needs {', '.join(sorted(gone))}"
        yield ContractChange(was.name, "changed", detail, path=was.path, breaking=True)


def _next_schemas(was: EndpointContract, graph: Graph) -> Mapping[str, Schema]:
    """The columns of its tables, of those that compile and whose columns are known."""
    relations = {each.name: each for each in graph.relations}
    schemas = {name: relations[name].schema for name in was.tables if name in relations}
    return {name: schema for name, schema in schemas.items() if schema is not None}

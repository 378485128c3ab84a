"""Makes the plan: takes a graph, raw files and a store, gives what must be built and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.base.tables import RawFile, Version
from headrace.pipeline.compile.graph import CompiledCheck, Graph, Relation
from headrace.pipeline.plan.addresses import (
    cell_addresses,
    check_address,
    quarantine_address,
    version_addresses,
)
from headrace.pipeline.plan.contracts import contract_changes
from headrace.pipeline.plan.plans import Contract, Plan, PlannedStep, SourceFiles
from headrace.pipeline.plan.reasons import model_reasons, publish_reasons, source_reasons
from headrace.pipeline.plan.versions import assemble, quarantine_of, stored_cells
from headrace.store.data import StoredCell
from headrace.store.snapshots import Manifest, Snapshot
from headrace.store.store import Store

_NOTHING = Snapshot(tables={}, manifest=Manifest(project=""))


def make_plan(
    graph: Graph,
    files: Mapping[str, Sequence[RawFile]],
    contract: Contract,
    store: Store,
    environment: str,
) -> Plan:
    """What must be built, checked and published so that `environment` serves `graph`.

    Costs no query: `files` (source -> its raw files, in order) are hashed, so every address is
    known before anything is built. Cells are looked for in the published snapshot first, then in
    the store, where a run that did not finish has left its own.
    """
    parent = store.head(environment)
    before = store.snapshot(parent) if parent else _NOTHING
    addresses = version_addresses(graph, files)
    relations = {each.name: each for each in graph.relations if each.name in addresses}
    look_up = _LookUp(store, before)
    sources = {
        name: look_up.source(graph, relation, files)
        for name, relation in relations.items()
        if relation.kind == "source"
    }
    reused: dict[str, Version] = {}
    for name, relation in relations.items():
        found = _found(graph, relation, sources, look_up, addresses)
        if found is not None:
            reused[name] = assemble(relation, found)
    return Plan(
        graph=graph,
        environment=environment,
        parent=parent,
        before=before,
        addresses=addresses,
        reused=reused,
        sources=sources,
        steps=tuple(
            _step(relation, before, addresses, sources)
            for name, relation in relations.items()
            if name not in reused and relation.kind != "quarantine"
        ),
        checks=_unknown(graph.checks, addresses, before),
        manifest=contract.manifest,
        modules=contract.modules,
        changes=contract_changes(before.manifest, contract.manifest),
        removed=tuple(sorted(before.tables.keys() - {each.name for each in graph.relations})),
        reasons=publish_reasons(before, contract.manifest, graph, sources, reused),
    )


@dataclass(frozen=True, slots=True)
class _LookUp:
    """Cells that exist: those of the published snapshot first, then whatever the store has.

    A cell whose data file somebody has removed, or cut, does not exist: it is built again.
    """

    store: Store
    before: Snapshot

    def cells(self, table: str, wanted: Iterable[str]) -> dict[str, StoredCell]:
        """The cells among the addresses `wanted` that exist."""
        addresses = set(wanted)
        version = self.before.tables.get(table)
        found = stored_cells(version, self.store.is_whole) if version else {}
        if not addresses <= found.keys():
            found = self.store.find_cells(table) | found
        return {address: cell for address, cell in found.items() if address in addresses}

    def source(
        self, graph: Graph, relation: Relation, files: Mapping[str, Sequence[RawFile]]
    ) -> SourceFiles:
        """What the next version of a source is made of, and what of it exists.

        A file counts as read only if what it gave to the quarantine exists, too.
        """
        wanted = cell_addresses(graph, relation, files, {})
        built = self.cells(relation.name, wanted)
        aside = self.cells(quarantine_of(relation.name), map(quarantine_address, wanted))
        return SourceFiles(
            files=tuple(zip(wanted, files[relation.name], strict=True)),
            built={cell: built[cell] for cell in built if quarantine_address(cell) in aside},
            quarantined=aside,
        )


def _found(
    graph: Graph,
    relation: Relation,
    sources: Mapping[str, SourceFiles],
    look_up: _LookUp,
    addresses: Mapping[str, str],
) -> list[StoredCell] | None:
    """The cells of a table's next version, in order; None unless all of them exist."""
    if relation.kind == "model":
        wanted = cell_addresses(graph, relation, {}, addresses)
        cells = look_up.cells(relation.name, wanted)
    else:
        source = sources[relation.inputs[0] if relation.kind == "quarantine" else relation.name]
        if source.unread:
            return None
        wanted, cells = [address for address, _ in source.files], dict(source.built)
        if relation.kind == "quarantine":
            wanted, cells = [quarantine_address(each) for each in wanted], dict(source.quarantined)
    return [cells[each] for each in wanted] if cells.keys() >= set(wanted) else None


def _step(
    relation: Relation,
    before: Snapshot,
    addresses: Mapping[str, str],
    sources: Mapping[str, SourceFiles],
) -> PlannedStep:
    published = before.tables.get(relation.name)
    rows = published.rows if published else None
    address = addresses[relation.name]
    if relation.kind == "source":
        source = sources[relation.name]
        reasons = source_reasons(relation, published, source)
        return PlannedStep(relation.name, "source", address, reasons, source.unread, rows)
    reasons = model_reasons(relation, before, addresses)
    return PlannedStep(relation.name, "model", address, reasons, (), rows)


def _unknown(
    checks: Iterable[CompiledCheck], addresses: Mapping[str, str], before: Snapshot
) -> tuple[CompiledCheck, ...]:
    """The checks that have no result yet for the content that they will look at."""
    return tuple(
        check
        for check in checks
        if all(table in addresses for table in check.tables)
        and check_address(check, addresses) not in before.checks
    )

"""Makes the plan: takes a graph, raw files and a store, gives what must be built and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from headrace.base.declarations import Endpoint
from headrace.base.tables import Batch, RawFile, Version
from headrace.pipeline.compile.graph import CompiledCheck, Graph, Relation
from headrace.pipeline.compile.served import not_served
from headrace.pipeline.plan.addresses import (
    address_of,
    check_address,
    compared_version,
    model_cells,
    quarantine_address,
)
from headrace.pipeline.plan.contracts import contract_changes
from headrace.pipeline.plan.plans import (
    EVERYTHING,
    Cells,
    Contract,
    NamedCell,
    Plan,
    PlannedStep,
    Selection,
    SourceFiles,
)
from headrace.pipeline.plan.reasons import (
    begun_reasons,
    model_reasons,
    publish_reasons,
    source_reasons,
    waiting_reasons,
)
from headrace.pipeline.plan.selecting import narrowed, selected_tables
from headrace.pipeline.plan.versions import assemble, quarantine_of, stored_cells
from headrace.sources.recipe import cell_address
from headrace.store.data import StoredCell
from headrace.store.snapshots import CheckResult, Manifest, Snapshot
from headrace.store.store import Store

_NOTHING = Snapshot(tables={}, manifest=Manifest(project=""))


def make_plan(
    graph: Graph,
    files: Mapping[str, Sequence[RawFile]],
    contract: Contract,
    store: Store,
    environment: str,
    selection: Selection = EVERYTHING,
) -> Plan:
    """What must be built, checked and published so that `environment` serves `graph`.

    Costs no query: `files` (source -> its raw files, in order) are hashed, so every address is
    known before anything is built; but for what reads a partitioned source with new files, whose
    cells are named by the rows that turn out to be in them. Cells are looked for in the published
    snapshot first, then in the store, where a run that did not finish has left its own.

    Raises:
        UsageError: the selection cannot be built, or cannot be published.
    """
    parent = store.head(environment)
    before = store.snapshot(parent) if parent else _NOTHING
    selected = selected_tables(selection, graph, before)
    planning = _Planning(graph, files, _LookUp(store, before), selection, selected)
    for relation in graph.relations:
        planning.add(relation)
    return Plan(
        graph=graph,
        environment=environment,
        parent=parent,
        before=before,
        addresses=planning.addresses,
        cells=planning.cells,
        present=planning.present,
        reused=planning.reused,
        sources=planning.sources,
        steps=tuple(planning.steps),
        waiting=tuple(planning.waiting),
        checks=planning.unknown_checks(),
        stale=_stale(graph.checks, planning.addresses, before, store.clock.now()),
        manifest=contract.manifest,
        modules=contract.modules,
        changes=contract_changes(
            before.manifest,
            contract.manifest,
            today=store.clock.now().date().isoformat(),
            pending=_pending(graph),
        ),
        removed=tuple(sorted(before.tables.keys() - {each.name for each in graph.relations})),
        reasons=publish_reasons(
            before, contract.manifest, graph, planning.sources, planning.reused
        ),
        selection=selection,
    )


def _pending(graph: Graph) -> list[Endpoint]:
    """The endpoints that are compiled once a Python model has run, and served then."""
    told = {each.name for each in (*graph.endpoints, *not_served(graph.project))}
    return [each for each in graph.project.endpoints if each.name not in told]


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

    def batches(self, table: str, wanted: Iterable[str]) -> dict[str, Batch]:
        """What is known of the raw files among the batches `wanted`."""
        addresses = set(wanted)
        version = self.before.tables.get(table)
        found = {batch.address: batch for batch in version.batches} if version else {}
        if not addresses <= found.keys():
            found = self.store.find_batches(table) | found
        return {address: batch for address, batch in found.items() if address in addresses}

    def source(self, relation: Relation, files: Sequence[RawFile]) -> SourceFiles:
        """What the next version of a source is made of, and what of it exists.

        A file counts as read only if what it gave to the quarantine exists, too.
        """
        wanted = [cell_address(relation.recipe, file) for file in files]
        aside = self.cells(quarantine_of(relation), map(quarantine_address, wanted))
        batches: dict[str, Batch] = {}
        needed: dict[str, tuple[str, ...]] = {each: (each,) for each in wanted}
        if relation.split is not None:
            batches = self.batches(relation.name, wanted)
            needed = {address: batch.cells for address, batch in batches.items()}
        found = self.cells(relation.name, (cell for each in needed.values() for cell in each))
        return SourceFiles(
            files=tuple(zip(wanted, files, strict=True)),
            built={
                address: tuple(found[cell] for cell in cells)
                for address, cells in needed.items()
                if quarantine_address(address) in aside and all(cell in found for cell in cells)
            },
            quarantined=aside,
            batches=batches,
        )


@dataclass
class _Planning:
    """A plan in the making; relations are added in topological order."""

    graph: Graph
    files: Mapping[str, Sequence[RawFile]]
    look_up: _LookUp
    selection: Selection
    selected: frozenset[str]
    addresses: dict[str, str] = field(default_factory=dict)
    cells: dict[str, Cells] = field(default_factory=dict)
    present: dict[str, Mapping[str, StoredCell]] = field(default_factory=dict)
    reused: dict[str, Version] = field(default_factory=dict)
    sources: dict[str, SourceFiles] = field(default_factory=dict)
    steps: list[PlannedStep] = field(default_factory=list)
    waiting: list[PlannedStep] = field(default_factory=list)

    def add(self, relation: Relation) -> None:
        """Plan one table."""
        published = self.look_up.before.tables.get(relation.name)
        if relation.name not in self.selected:
            if published is not None:
                self._keep(relation, published)
        elif relation.kind == "source":
            self._source(relation, published)
        elif relation.kind == "quarantine":
            self._quarantine(relation)
        elif relation.recipe:
            self._model(relation, published)

    def _keep(self, relation: Relation, published: Version) -> None:
        """Leave a table that is not selected as it is published."""
        named = tuple(NamedCell(cell.partition, cell.address) for cell in published.cells)
        self.addresses[relation.name], self.cells[relation.name] = published.address, named
        self.reused[relation.name] = published

    def _source(self, relation: Relation, published: Version | None) -> None:
        source = self.look_up.source(relation, self.files[relation.declaration.name])
        self.sources[relation.name] = source
        if relation.split is None:
            self._name(relation, tuple(NamedCell(None, each) for each, _ in source.files))
        elif not source.unread:
            self._name(relation, partitioned_cells(source))
        if source.unread:
            self.steps.append(self._source_step(relation, published, source))
        else:
            cells = {cell.cell.address: cell for each in source.built.values() for cell in each}
            self._reuse(relation, cells)

    def _quarantine(self, relation: Relation) -> None:
        source = self.sources[relation.inputs[0]]
        named = (NamedCell(None, quarantine_address(each)) for each, _ in source.files)
        self._name(relation, tuple(named))
        if not source.unread:
            self._reuse(relation, source.quarantined)

    def _model(self, relation: Relation, published: Version | None) -> None:
        if any(name not in self.addresses for name in relation.inputs):
            # Either a source has to be read first, or the columns of an input are not known yet.
            if all(self._is_planned(name) for name in relation.inputs):
                self.waiting.append(self._waiting_step(relation, published))
            return
        named = model_cells(relation, self.cells, self.addresses)
        found = self.look_up.cells(relation.name, (cell.address for cell in named))
        if self.selection.start or self.selection.end:
            named = narrowed(self.selection, relation, named, found, published)
            found = self.look_up.cells(relation.name, (cell.address for cell in named))
        self._name(relation, named)
        missing = tuple(cell for cell in named if cell.address not in found)
        if missing:
            self.present[relation.name] = found
            self.steps.append(self._model_step(relation, published, missing))
        else:
            self._reuse(relation, found)

    def _is_planned(self, name: str) -> bool:
        """Whether a table is named already, or will be once a source has been read."""
        unread = (step.table for step in (*self.steps, *self.waiting) if not step.address)
        return name in self.addresses or name in unread

    def _name(self, relation: Relation, cells: Cells) -> None:
        self.cells[relation.name] = cells
        self.addresses[relation.name] = address_of(relation, cells)

    def _reuse(self, relation: Relation, found: Mapping[str, StoredCell]) -> None:
        cells = [found[cell.address] for cell in self.cells[relation.name]]
        source = self.sources.get(relation.name)
        self.reused[relation.name] = assemble(relation, cells, source)

    def _source_step(
        self, relation: Relation, published: Version | None, source: SourceFiles
    ) -> PlannedStep:
        return PlannedStep(
            table=relation.name,
            kind="source",
            address=self.addresses.get(relation.name, ""),
            reasons=source_reasons(relation, published, source),
            files=source.unread,
            cells_reused=sum(len(cells) for cells in source.built.values()),
            rows_expected=_expected(published, len(source.unread), _files_of(published)),
            bytes_expected=sum(file.size_bytes for file in source.unread),
        )

    def _model_step(
        self, relation: Relation, published: Version | None, missing: Cells
    ) -> PlannedStep:
        count = len(self.cells[relation.name])
        rows = _expected(published, len(missing), count)
        return PlannedStep(
            table=relation.name,
            kind="model",
            address=self.addresses[relation.name],
            reasons=(
                *model_reasons(relation, self.look_up.before, self.addresses),
                *begun_reasons(published, self.cells[relation.name], missing),
            ),
            cells=missing,
            cells_reused=count - len(missing),
            rows_expected=rows,
            bytes_expected=_bytes_of(published, rows),
        )

    def _waiting_step(self, relation: Relation, published: Version | None) -> PlannedStep:
        unsettled = [name for name in relation.inputs if name not in self.addresses]
        reasons = waiting_reasons(relation, published, unsettled)
        return PlannedStep(relation.name, "model", "", reasons)

    def unknown_checks(self) -> tuple[CompiledCheck, ...]:
        """The checks that have no result yet for the content that they will look at.

        What one can only tell once a source is read counts, where the check reads that source
        alone: so it is made before anything is built upon it.
        """
        before = self.look_up.before
        unread = {step.table for step in self.steps if not step.address}
        return tuple(
            check
            for check in self.graph.checks
            if (set(check.tables) <= unread and len(check.tables) == 1)
            or (
                self.addresses.keys() >= set(check.tables)
                and check_address(check, self.addresses, before.tables) not in before.checks
                and not _is_unmoved(check, self.addresses, before)
            )
        )


def partitioned_cells(source: SourceFiles) -> Cells:
    """The cells of a partitioned source whose files are all read: by partition, then by file."""
    cells = (cell.cell for address, _ in source.files for cell in source.built[address])
    ordered = sorted(cells, key=lambda cell: cell.partition or "")
    return tuple(NamedCell(cell.partition, cell.address) for cell in ordered)


def _files_of(published: Version | None) -> int:
    if published is None:
        return 0
    return len(published.batches or published.cells)


def _expected(published: Version | None, count: int, of: int) -> int | None:
    """The rows of `count` of `of` pieces, if they are like those of the version before."""
    if published is None or not of:
        return None
    return round(published.rows * count / of)


def _bytes_of(published: Version | None, rows: int | None) -> int | None:
    if published is None or rows is None or not published.rows:
        return None
    return round(published.size_bytes * rows / published.rows)


def _is_unmoved(check: CompiledCheck, addresses: Mapping[str, str], before: Snapshot) -> bool:
    """Whether a check compares its table with itself."""
    version = compared_version(check, before.tables)
    return version is not None and version.address == addresses[check.table]


def _stale(
    checks: Iterable[CompiledCheck], addresses: Mapping[str, str], before: Snapshot, now: datetime
) -> tuple[CheckResult, ...]:
    """The freshness checks whose table stays as it is, and is not fresh any more."""
    known = (
        before.checks.get(check_address(check, addresses))
        for check in checks
        if check.form == "newest" and addresses.keys() >= set(check.tables)
    )
    judged = (result.judged(now) for result in known if result is not None)
    return tuple(result for result in judged if not result.passed)

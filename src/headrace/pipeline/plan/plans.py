"""A plan as nouns: which tables must be built and why, which checks must be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

from headrace.base.changes import ContractChange
from headrace.base.declarations import Endpoint, Router
from headrace.base.tables import Batch, RawFile, Version
from headrace.pipeline.compile.graph import CompiledCheck, Graph
from headrace.pipeline.compile.served import not_served
from headrace.store.data import StoredCell
from headrace.store.snapshots import CheckResult, Manifest, Ref, Snapshot


class NamedCell(NamedTuple):
    """A cell that a version will have, known before it is built."""

    partition: str | None
    address: str


Cells: TypeAlias = tuple[NamedCell, ...]
"""The cells of one table's next version, in order."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One table to build.

    Attributes:
        table: the table's name.
        kind: "source" or "model".
        address: the address of the version that the step makes; "" where only reading a source
            will tell.
        reasons: in words: "source file data/orders/2024-03.csv is new", "its SQL changed".
        files: for a source, the raw files to read; the others are reused.
        cells: for a model, the cells to build; the others are reused.
        cells_reused: how many of its cells exist already.
        rows_expected, bytes_expected: of what is built, judged by the version before; None when
            there is none.
    """

    table: str
    kind: Literal["source", "model"]
    address: str
    reasons: tuple[str, ...]
    files: tuple[RawFile, ...] = ()
    cells: Cells = ()
    cells_reused: int = 0
    rows_expected: int | None = None
    bytes_expected: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is asked for; by default everything.

    Attributes:
        only: the models to build; () is all. The sources that they read are read, too.
        start, end: labels of time ("2024-03-01", "2024-03"), both included; "" is open. Of models
            that are partitioned by time, the cells outside stay as they are published.
    """

    only: tuple[str, ...] = ()
    start: str = ""
    end: str = ""

    def covers(self, label: str) -> bool:
        """Whether a partition of time lies in the span, or overlaps it."""
        first, last = len(self.start), len(self.end)
        return label[:first] >= self.start[: len(label)] and label[:last] <= self.end[: len(label)]


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Contract:
    """The manifest to publish, and the texts of the Python files that it names, by address."""

    manifest: Manifest
    modules: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """What a source's next version is made of.

    Attributes:
        files: every raw file with the address of its cell, or of its batch, in order.
        built: address -> the cells, for the files that were read before.
        quarantined: what they gave to the quarantine, by the address of that cell.
        batches: for a partitioned source, address -> what is known of a file that was read.
    """

    files: tuple[tuple[str, RawFile], ...]
    built: Mapping[str, tuple[StoredCell, ...]] = field(default_factory=dict)
    quarantined: Mapping[str, StoredCell] = field(default_factory=dict)
    batches: Mapping[str, Batch] = field(default_factory=dict)

    @property
    def unread(self) -> tuple[RawFile, ...]:
        """The raw files that must be read, in order."""
        return tuple(file for address, file in self.files if address not in self.built)

    def with_batches(
        self, batches: Sequence[Batch], cells: Mapping[str, StoredCell]
    ) -> SourceFiles:
        """The same, once more files of a partitioned source are read; `cells` are by address."""
        built = {each.address: tuple(cells[cell] for cell in each.cells) for each in batches}
        known = {each.address: each for each in batches}
        return replace(self, built={**self.built, **built}, batches={**self.batches, **known})


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do, and what it will not have to.

    Attributes:
        graph: what was compiled.
        environment: where it will be published.
        parent: the ref that was read; None before the first publish.
        before: the snapshot that it names; empty before the first.
        addresses: table -> the address of its next version, in topological order.
        cells: table -> the cells of its next version, for the tables in `addresses`.
        present: table -> the cells of it that exist, by address.
        reused: table -> version that exists already and stays as it is.
        sources: source -> the raw files of its next version.
        steps: what to build, in topological order.
        waiting: what may have to be built; which cells of it, the partitions of a source will
            tell, which has to be read first.
        checks: the checks whose result is not known for this content yet.
        manifest: the contract to publish.
        modules: object address -> text of the Python files that the manifest names.
        changes: what changes for API users.
        removed: tables that are published and not in the project any more.
        reasons: why the next snapshot differs although nothing is built, in words.
        selection: what was asked for.
        stale: the freshness checks that fail now, on tables that stay as they are. One of
            severity error lets nothing be published.
    """

    graph: Graph
    environment: str
    parent: Ref | None
    before: Snapshot
    addresses: Mapping[str, str]
    cells: Mapping[str, Cells]
    present: Mapping[str, Mapping[str, StoredCell]]
    reused: Mapping[str, Version]
    sources: Mapping[str, SourceFiles]
    steps: tuple[PlannedStep, ...]
    waiting: tuple[PlannedStep, ...]
    checks: tuple[CompiledCheck, ...]
    manifest: Manifest
    modules: Mapping[str, bytes]
    changes: tuple[ContractChange, ...] = ()
    removed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    selection: Selection = EVERYTHING
    stale: tuple[CheckResult, ...] = ()

    @property
    def deferred(self) -> tuple[str, ...]:
        """Tables and endpoints that are compiled once a Python model has run."""
        return self.graph.deferred

    @property
    def not_served(self) -> tuple[Endpoint | Router, ...]:
        """The endpoints and routers that nobody may call, by place."""
        return not_served(self.graph.project)

    @property
    def nothing_to_do(self) -> bool:
        """Whether what is published is already what the project asks for."""
        return not (self.steps or self.checks or self.reasons)

    @property
    def is_held_up(self) -> bool:
        """Whether a table that stays as it is is too old for anything to be published."""
        return any(result.severity == "error" for result in self.stale)

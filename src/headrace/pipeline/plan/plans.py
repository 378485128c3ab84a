"""A plan as nouns: which tables must be built and why, which checks must be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from headrace.base.tables import RawFile, Version
from headrace.pipeline.compile.graph import CompiledCheck, Graph
from headrace.store.data import StoredCell
from headrace.store.snapshots import Manifest, Ref, Snapshot


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One table to build.

    Attributes:
        table: the table's name.
        kind: "source" or "model".
        address: the address of the version that the step makes.
        reasons: in words: "source file data/orders/2024-03.csv is new", "its SQL changed".
        files: for a source, the raw files to read; the others are reused.
        rows_expected: rows of the version before; None when there is none.
    """

    table: str
    kind: Literal["source", "model"]
    address: str
    reasons: tuple[str, ...]
    files: tuple[RawFile, ...] = ()
    rows_expected: int | None = None


@dataclass(frozen=True, slots=True)
class ContractChange:
    """What a user of the API will see: `kind` is "added", "removed" or "changed"."""

    endpoint: str
    kind: Literal["added", "removed", "changed"]
    detail: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The manifest to publish, and the texts of the Python files that it names, by address."""

    manifest: Manifest
    modules: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """What a source's next version is made of.

    Attributes:
        files: every raw file with the address of its cell, in order.
        built: address -> the cell, for the files that were read before.
        quarantined: what they gave to the quarantine, by the address of that cell.
    """

    files: tuple[tuple[str, RawFile], ...]
    built: Mapping[str, StoredCell] = field(default_factory=dict)
    quarantined: Mapping[str, StoredCell] = field(default_factory=dict)

    @property
    def unread(self) -> tuple[RawFile, ...]:
        """The raw files that must be read, in order."""
        return tuple(file for address, file in self.files if address not in self.built)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do, and what it will not have to.

    Attributes:
        graph: what was compiled.
        environment: where it will be published.
        parent: the ref that was read; None before the first publish.
        before: the snapshot that it names; empty before the first.
        addresses: table -> the address of its next version, in topological order.
        reused: table -> version that exists already and stays as it is.
        sources: source -> the raw files of its next version.
        steps: what to build, in topological order.
        checks: the checks whose result is not known for this content yet.
        manifest: the contract to publish.
        modules: object address -> text of the Python files that the manifest names.
        changes: what changes for API users.
        removed: tables that are published and not in the project any more.
        reasons: why the next snapshot differs although nothing is built, in words.
    """

    graph: Graph
    environment: str
    parent: Ref | None
    before: Snapshot
    addresses: Mapping[str, str]
    reused: Mapping[str, Version]
    sources: Mapping[str, SourceFiles]
    steps: tuple[PlannedStep, ...]
    checks: tuple[CompiledCheck, ...]
    manifest: Manifest
    modules: Mapping[str, bytes]
    changes: tuple[ContractChange, ...] = ()
    removed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def deferred(self) -> tuple[str, ...]:
        """Tables and endpoints that are compiled once a Python model has run."""
        return self.graph.deferred

    @property
    def nothing_to_do(self) -> bool:
        """Whether what is published is already what the project asks for."""
        return not (self.steps or self.checks or self.reasons)

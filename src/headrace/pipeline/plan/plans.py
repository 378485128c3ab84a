"""A plan as nouns: which tables must be built and why, which checks must be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.base.tables import RawFile, Version
from headrace.pipeline.compile.graph import CompiledCheck, Graph


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One table to build.

    Attributes:
        table: the table's name.
        kind: "source" or "model".
        reasons: in words: "source file data/orders/2024-03.csv is new", "its SQL changed".
        files: for a source, the raw files to read; the others are reused.
        rows_expected: rows of the version before; None when there is none.
    """

    table: str
    kind: str
    reasons: tuple[str, ...]
    files: tuple[RawFile, ...] = ()
    rows_expected: int | None = None


@dataclass(frozen=True, slots=True)
class ContractChange:
    """What a user of the API will see: `kind` is "added", "removed" or "changed"."""

    endpoint: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do, and what it will not have to.

    Attributes:
        graph: what was compiled.
        environment: where it will be published.
        parent: number of the snapshot that was read; None for the first.
        reused: table -> version that exists already and stays as it is.
        files: source -> every raw file that its version is made of, in order.
        steps: what to build, in topological order.
        checks: the checks whose result is not known for this content yet.
        changes: what changes for API users.
        deferred: tables and endpoints that are compiled once a Python model has run.
        publishes: whether a run would publish: something to build, to check, to add or to remove.
    """

    graph: Graph
    environment: str
    parent: int | None
    reused: Mapping[str, Version]
    files: Mapping[str, tuple[RawFile, ...]]
    steps: tuple[PlannedStep, ...]
    checks: tuple[CompiledCheck, ...]
    changes: tuple[ContractChange, ...] = ()
    deferred: tuple[str, ...] = ()
    publishes: bool = False
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

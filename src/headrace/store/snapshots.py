"""Snapshots: what a publish makes visible, as nouns that encode to and from canonical JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import msgspec

from headrace.base.declarations import Severity, Value
from headrace.base.errors import CorruptObject
from headrace.base.hashing import address
from headrace.base.tables import Schema, Version
from headrace.checks.freshness import staleness

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an endpoint; `type` is DuckDB's spelling.

    A parameter without `required` has `default`, which may be None (SQL NULL).
    """

    name: str
    place: Literal["path", "query"]
    type: str
    required: bool
    default: Value = None
    min: Value = None
    max: Value = None
    enum: tuple[Value, ...] = ()
    pattern: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class EndpointContract:
    """One compiled endpoint: everything that serving needs to answer it.

    Attributes:
        recipe: address of query, parameters and caps: changes when the answer's rule changes.
        sql: one SELECT in DuckDB's dialect over table names, with `$name` parameters.
        tables: the tables that it reads.
        sources: the sources that those tables are made from, directly or through models.
        columns: the response's fields, in order.
        limit, max_limit: rows in an answer by default and at most; both 0 when the query has a
            `$limit` parameter of its own.
        access_path: "columnar".
        reason: why this access path, for `headrace explain`.
        lineage: field -> the "table.column" names of sources that it derives from.
        version: of the contract; `path` begins with `/v2` when it is 2, and so on.
        deprecated: the ISO date from which users should go elsewhere; "" for none.
        sunset: the ISO date from which it may be gone; "" for none.
    """

    name: str
    path: str
    recipe: str
    sql: str
    tables: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    columns: Schema
    limit: int
    max_limit: int
    access_path: str = "columnar"
    reason: str = ""
    description: str = ""
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    version: int = 1
    deprecated: str = ""
    sunset: str = ""


@dataclass(frozen=True, slots=True)
class PythonModule:
    """A Python file that serving runs: `object` is the address of its text in the store.

    `path` is relative to the project; `router` says that it defines a FastAPI `router`.
    """

    path: str
    object: str
    router: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contract that a snapshot serves."""

    project: str
    endpoints: tuple[EndpointContract, ...] = ()
    modules: tuple[PythonModule, ...] = ()


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a freshness check has measured, so that it is judged again without a query.

    Attributes:
        newest: the newest time in the column, ISO 8601 UTC, or a date; "" when there is none.
        within_seconds: how old that may be.
    """

    newest: str
    within_seconds: float


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; `failing` counts rows, -1 when the check itself raised.

    `address` names check and content: an equal address need not be checked again. Of a freshness
    check only `freshness` keeps: the rest was so when the snapshot was published.
    """

    address: str
    name: str
    table: str
    severity: Severity
    failing: int
    message: str = ""
    freshness: Freshness | None = None

    @property
    def passed(self) -> bool:
        """Whether no row broke the check."""
        return self.failing == 0

    def judged(self, now: datetime) -> CheckResult:
        """The result as it is `now`: only that of a freshness check depends on the time."""
        if self.freshness is None:
            return self
        message = staleness(self.freshness.newest, self.freshness.within_seconds, now)
        return replace(self, failing=int(bool(message)), message=message)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consistent set of table versions and the contract over them.

    `checks` are the results that let it be published, by check address. It holds no time and no
    number: those belong to the ref that publishes it.
    """

    tables: Mapping[str, Version]
    manifest: Manifest
    checks: Mapping[str, CheckResult] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def content(self) -> str:
        """The address of what a reader can see: equal for equal data and contract."""
        manifest = msgspec.to_builtins(self.manifest)
        versions = {name: version.address for name, version in self.tables.items()}
        return address("snapshot", versions, manifest)


@dataclass(frozen=True, slots=True)
class Ref:
    """One published step of an environment: `number` counts from 1 and never repeats.

    `snapshot` is the address of the snapshot object; `content` is `Snapshot.content`; `at` is
    ISO 8601 UTC; `run` is the run that published it, "" for a rollback or a promotion.
    """

    environment: str
    number: int
    snapshot: str
    content: str
    at: str
    reason: str
    run: str = ""


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Canonical JSON: equal snapshots give equal bytes."""
    return msgspec.json.encode(snapshot, order="deterministic")


def decode_snapshot(data: bytes) -> Snapshot:
    """The inverse of `encode_snapshot`.

    Raises:
        CorruptObject: the bytes are not a snapshot of this format.
    """
    try:
        return msgspec.json.decode(data, type=Snapshot)
    except msgspec.MsgspecError as exc:
        raise CorruptObject(f"a snapshot object cannot be read: {exc}") from exc

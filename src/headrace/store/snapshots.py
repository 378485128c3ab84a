"""Snapshots: what a publish makes visible, as nouns that encode to and from canonical JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import msgspec

from headrace.base.access import NOBODY, Access
from headrace.base.declarations import Severity, Value
from headrace.base.errors import CorruptObject
from headrace.base.hashing import address
from headrace.base.tables import Schema, Version
from headrace.checks.freshness import staleness

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an endpoint; `type` is DuckDB's spelling.

    A parameter without `required` has `default`, which may be None (SQL NULL). `column` is the
    "table.column" that it is compared with first; "" when it is compared with none.
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
    column: str = ""


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One component of the keys of a keyed copy; `type` is DuckDB's spelling.

    `descending` and `nulls_first` are as in ORDER BY.
    """

    type: str
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: the value of `parameter`, itself within the range if `inclusive`."""

    parameter: str
    inclusive: bool


@dataclass(frozen=True, slots=True)
class RollupField:
    """One field of a rolled-up answer.

    Attributes:
        function: "group" for a column of the GROUP BY, else how its partial results are merged.
        column: of a group, its number among the groups; else the number of its first partial
            result: that of an "avg" is a sum, which its count follows.
        type: of the field, in DuckDB's spelling.
    """

    function: Literal["group", "sum", "count", "min", "max", "avg"]
    column: int
    type: str


@dataclass(frozen=True, slots=True)
class Rollup:
    """Groups within a range that the groups themselves do not tell: partial results are merged.

    Attributes:
        groups: the columns of the GROUP BY, in the order by which the answer is sorted.
        fields: of the answer, in order.
        monotone: whether the first group never decreases while the ranged key part grows, as
            `date_trunc('month', day)` with `day`.
    """

    groups: tuple[KeyPart, ...]
    fields: tuple[RollupField, ...]
    monotone: bool


@dataclass(frozen=True, slots=True)
class KeyedCase:
    """Who a keyed copy answers: somebody for whom just these cases of the scope hold.

    Attributes:
        cases: numbers of the scope's cases, in order.
        guards: (parameter, claim): the parameter must be equal to the claim, or no row matches.
    """

    cases: tuple[int, ...]
    guards: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyedQuery:
    """How an endpoint is answered from a keyed copy: an ordered list of its rows, found by key.

    Attributes:
        sql: one SELECT without parameters that gives what the copy holds: a column `k0`, `k1`, …
            for each part of the key, then the endpoint's fields under their own names. No row has
            a NULL in a part that is compared. Of a rollup, the columns are the parts of the key,
            then the groups `g0`, …, then the partial results `m0`, …; one row for each
            combination of parts and groups.
        key: the parts of the key, in order; an answer is sorted by them.
        equal: the parameters that the first parts are equal to, in order.
        low, high: the range of the part after those.
        reverse: whether the answer is in the opposite order of the keys.
        limit, offset: the query's own: a number, or the name of a parameter; None without one.
        by_cell: the one table whose cells give their rows each for itself; "" when a changed cell
            may change any row.
        lone: whether there is one row even when no key matches, as of an aggregate without groups.
        rollup: how partial results become rows; None when the copy holds rows.
        cases: who it answers, when the endpoint has a scope: anybody else gets the query. A
            parameter in `equal` may be one of the scope's, "auth_store_id".
    """

    sql: str
    key: tuple[KeyPart, ...]
    equal: tuple[str, ...] = ()
    low: Bound | None = None
    high: Bound | None = None
    reverse: bool = False
    limit: int | str | None = None
    offset: int | str | None = None
    by_cell: str = ""
    lone: bool = False
    rollup: Rollup | None = None
    cases: tuple[KeyedCase, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that a query takes as the parameter `auth_<name>`; `type` is DuckDB's spelling."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case of row policies: it holds for who has `role` ("" is everybody) and all `claims`."""

    role: str
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What a query takes from whoever asks; each is a parameter of its SQL.

    Attributes:
        claims: `auth_<name>` each: its value, or NULL.
        cases: `auth_case_<number>` each, a BOOLEAN: whether it holds.
        masks: `auth_mask_<number>` each, a BOOLEAN: whether the value may be seen, by one of these
            roles.
        salted: whether there is `auth_salt`, a VARCHAR: the same for everybody, known to nobody.
    """

    claims: tuple[Claim, ...] = ()
    cases: tuple[Case, ...] = ()
    masks: tuple[tuple[str, ...], ...] = ()
    salted: bool = False


@dataclass(frozen=True, slots=True)
class RowCase:
    """The rows that one role sees ("" is everybody): `sql` is a predicate over the table's columns,
    with `$auth_<claim>`; "" is every row. Without one of the `claims` it is none.
    """

    role: str
    sql: str = ""
    claims: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The predicate with `$auth.<claim>`, as people write it; "" is every row."""
        return self.sql.replace("$auth_", "$auth.")


@dataclass(frozen=True, slots=True)
class ColumnMask:
    """What others than the `roles` see of a column: NULL, a keyed hash, or no such column."""

    column: str
    roles: tuple[str, ...]
    hide: Literal["masked", "hashed", "absent"] = "masked"


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """Who may see what of a table.

    Attributes:
        access: who may query it ad hoc.
        rows: the rows that are seen: of several cases that hold, those of any; None is all rows.
        claims: of the cases, typed.
        masks: of its columns.
        columns: all of them, in order.
    """

    access: Access = NOBODY
    rows: tuple[RowCase, ...] | None = None
    claims: tuple[Claim, ...] = ()
    masks: tuple[ColumnMask, ...] = ()
    columns: tuple[str, ...] = ()


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
        access_path: "cache" when there are few different answers, so that all of them are kept;
            "keyed" when `keyed` says how; else "columnar".
        reason: why this access path, for `headrace explain`.
        advice: what would have to change for a faster one; "" when nothing is known.
        lineage: field -> the "table.column" names of sources that it derives from.
        version: of the contract; `path` begins with `/v2` when it is 2, and so on.
        deprecated: the ISO date from which users should go elsewhere; "" for none.
        sunset: the ISO date from which it may be gone; "" for none.
        keyed: the keyed copy that answers it; None when its shape allows none.
        filters: fields that a client may filter by.
        sorts: fields that a client may sort by.
        access: who may ask.
        scope: what the query takes from whoever asks; None when everybody gets the same answer.
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
    access_path: Literal["cache", "keyed", "columnar"] = "columnar"
    reason: str = ""
    advice: str = ""
    description: str = ""
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    version: int = 1
    deprecated: str = ""
    sunset: str = ""
    keyed: KeyedQuery | None = None
    filters: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    access: Access = NOBODY
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class PythonModule:
    """A Python file that serving runs: `object` is the address of its text in the store.

    `path` is relative to the project; `router` says that it defines a FastAPI `router`, `access`
    who may call it.
    """

    path: str
    object: str
    router: bool
    access: Access = NOBODY


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contract that a snapshot serves; `tables` has the policy of each of its tables."""

    project: str
    endpoints: tuple[EndpointContract, ...] = ()
    modules: tuple[PythonModule, ...] = ()
    tables: Mapping[str, TablePolicy] = field(default_factory=dict)


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

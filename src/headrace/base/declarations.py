"""What the user declares, as nouns: sources, models, checks, endpoints, settings; no I/O.

Each declaration knows its place. Nothing here is resolved against anything else: that is what
`compile` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from headrace.base.access import Access
from headrace.base.auth_settings import AuthSettings, LimitSettings
from headrace.base.errors import Place
from headrace.base.moments import Volatile

Severity: TypeAlias = Literal["error", "warn"]
DeclaredSeverity: TypeAlias = Literal["error", "warn", "quarantine"]
Frame: TypeAlias = Literal["relation", "arrow", "arrow_stream", "polars", "polars_lazy", "pandas"]
Value: TypeAlias = "str | int | float | bool | None"
"""A scalar of a YAML or TOML file. Dates stay text: they are typed by what they are used for."""


Hiding: TypeAlias = Literal["masked", "hashed", "absent"]


@dataclass(frozen=True, slots=True)
class RowRule:
    """The rows of a table that one role sees, "" is everybody: `sql` is a predicate over the
    table's columns and `$auth.<claim>`; "" is every row.
    """

    role: str
    sql: str
    place: Place


@dataclass(frozen=True, slots=True)
class RowsDeclaration:
    """`rows:` of a table: its rules, or that all rows are `public`, for a reason.

    Of several rules that are for somebody, the rows of any are seen; without one, none.
    """

    place: Place
    rules: tuple[RowRule, ...] = ()
    public: str = ""


@dataclass(frozen=True, slots=True)
class ColumnContract:
    """What one column must look like.

    `type` is DuckDB's spelling, or "" where a model leaves the type to its query. `min` and `max`
    are inclusive. `pattern` is a regular expression that the whole text must match.
    `access` says who sees its values: None where nothing is said; `hide` what others see: "masked"
    (NULL), "hashed" or "absent".
    """

    name: str
    type: str
    place: Place
    not_null: bool = False
    unique: bool = False
    min: Value = None
    max: Value = None
    accepted: tuple[Value, ...] = ()
    pattern: str = ""
    description: str = ""
    access: Access | None = None
    hide: Hiding = "masked"


@dataclass(frozen=True, slots=True)
class CheckDeclaration:
    """One built-in check of a table, as the header declares it.

    Attributes:
        kind: "not_null", "unique", "key", "accepted", "min", "max", "pattern", "references",
            "row_count", "mean", "nulls", "freshness", "change" or "distribution".
        columns: the columns it looks at, in order; () for row_count, and for a change of rows.
        severity: "error" stops the publish, "warn" reports, "quarantine" sets the row aside.
        accepted: for accepted, the values.
        bound: for min and max, the inclusive bound.
        pattern: for pattern.
        to_table, to_columns: for references.
        min_rows, max_rows: for row_count, inclusive.
        low, high: for mean, inclusive; None is no bound.
        within_seconds: for freshness, above 0.
        share: for nulls and distribution, the most that passes, 0 to 1.
        grow, shrink: for change, the most that passes, as shares of the value before; None is no
            bound.
    """

    kind: str
    columns: tuple[str, ...]
    place: Place
    severity: DeclaredSeverity = "error"
    accepted: tuple[Value, ...] = ()
    bound: Value = None
    pattern: str = ""
    to_table: str = ""
    to_columns: tuple[str, ...] = ()
    min_rows: int | None = None
    max_rows: int | None = None
    low: float | None = None
    high: float | None = None
    within_seconds: float = 0.0
    share: float = 0.0
    grow: float | None = None
    shrink: float | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """`partition: {column, by}`: carried for the builds that work partition by partition."""

    column: str
    by: Literal["hour", "day", "month", "year", "value"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How many rows of a table may be set aside: `rows`, or a `share` (0 to 1) of all."""

    rows: int | None = None
    share: float | None = None

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.rows is not None else f"{(self.share or 0) * 100:g} %"

    def allows(self, bad_rows: int, all_rows: int) -> bool:
        """Whether `bad_rows` out of `all_rows` may be set aside."""
        # Rounded: 29 % of 100 rows is 28.999999999999996 in floating point.
        limit = self.rows if self.rows is not None else round((self.share or 0) * all_rows, 6)
        return bad_rows <= limit


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How the raw files of a source are read.

    Attributes:
        kind: "csv", "json" (one array of objects, or one object), "ndjson", "parquet", "excel".
        encoding: a Python codec name; UTF-8 (with or without BOM) unless said otherwise.
        delimiter, quote: single characters, for csv. Escaping is by doubling the quote.
        header: whether the first row holds the column names; without one, columns are by order.
        skip: lines (rows, for excel) to skip before the header.
        nulls: texts that mean NULL, beside the empty unquoted field.
        sheet: for excel: the sheet's name; "" is the first.
        compression: "none", "gzip", "zstd" or "bz2".
    """

    kind: Literal["csv", "json", "ndjson", "parquet", "excel"]
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    skip: int = 0
    nulls: tuple[str, ...] = ()
    sheet: str = ""
    compression: Literal["none", "gzip", "zstd", "bz2"] = "none"


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column of a source that is made from the others: `sql` is one expression over them."""

    name: str
    sql: str
    place: Place


@dataclass(frozen=True, slots=True)
class Source:
    """Where raw rows come from, and what they must look like.

    `files` are globs relative to the project. `format.kind` and `format.compression` are taken
    from the file endings where the user does not say. `columns` are those of the raw files;
    `derive` adds to them.

    Attributes:
        mode: what a raw file holds: further rows ("append"), the whole table ("snapshot"), or
            rows that replace those of the same key ("changes").
        cursor: the column whose greatest value says which of two rows of a key holds, or which
            of two snapshots is newer; "" where no two rows have one key.
        deletes: for changes, the SQL condition that is true for a row that takes its key away.
        history: whether all states of each key are kept, as `<source>__history`.
        access: who may query it ad hoc; None where nothing is said: nobody.
        rows: who sees which of its rows; None where nothing is said: everybody all.
    """

    name: str
    place: Place
    files: tuple[str, ...]
    format: FileFormat
    columns: tuple[ColumnContract, ...]
    derive: tuple[DerivedColumn, ...] = ()
    mode: Literal["append", "snapshot", "changes"] = "append"
    cursor: str = ""
    deletes: str = ""
    history: bool = False
    tolerance: Tolerance = Tolerance(share=0.01)
    key: tuple[str, ...] = ()
    checks: tuple[CheckDeclaration, ...] = ()
    partition: Partition | None = None
    allow_empty: bool = False
    description: str = ""
    access: Access | None = None
    rows: RowsDeclaration | None = None


@dataclass(frozen=True, slots=True)
class ColumnOrigins:
    """What a Python model says that one of its columns is made of.

    `origins` are "table.column" names with their places; () is a column that is made of none.
    """

    column: str
    place: Place
    origins: tuple[tuple[str, Place], ...]


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """The function of a Python model, read from its syntax tree without importing it.

    `inputs` maps each parameter to the frame that its annotation asks for, in order; `lineage` is
    what the model declares, for some of its columns or none.
    """

    name: str
    inputs: tuple[tuple[str, Frame], ...]
    lineage: tuple[ColumnOrigins, ...] = ()


@dataclass(frozen=True, slots=True)
class InputNeed:
    """What a partitioned model's header says of one table that it reads.

    `need` is "whole": a cell depends on all of it; or "latest": a cell reads all of it, and is not
    built again when it changes.
    """

    table: str
    need: Literal["whole", "latest"]
    place: Place


@dataclass(frozen=True, slots=True)
class Model:
    """One derived table: a SELECT (`sql`), or a Python function (`function`), never both.

    `sql` is the text after the header, `sql_line` the line of the file on which it starts.
    `volatile` is how long what it takes from the clock holds.
    `lookback` counts partitions of the model before its own that a cell needs, too; it and
    `inputs` say something of a model with a `partition` only. `retries` is None where the settings
    say it. `access` and `rows` are as of a source.
    """

    name: str
    place: Place
    sql: str = ""
    sql_line: int = 1
    function: PythonFunction | None = None
    columns: tuple[ColumnContract, ...] = ()
    key: tuple[str, ...] = ()
    checks: tuple[CheckDeclaration, ...] = ()
    partition: Partition | None = None
    volatile: Volatile = ""
    lookback: int = 0
    inputs: tuple[InputNeed, ...] = ()
    retries: int | None = None
    allow_empty: bool = False
    description: str = ""
    tolerance: Tolerance = Tolerance(share=0.01)
    access: Access | None = None
    rows: RowsDeclaration | None = None

    @property
    def rules(self) -> tuple[CheckDeclaration, ...]:
        """The checks that set rows aside."""
        return tuple(check for check in self.checks if check.severity == "quarantine")


@dataclass(frozen=True, slots=True)
class SqlCheck:
    """A file of `checks/`: a query that returns the rows that are wrong."""

    name: str
    place: Place
    sql: str
    sql_line: int = 1
    severity: Severity = "error"
    volatile: Volatile = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ParameterRules:
    """What `params:` says of one parameter of an endpoint; "" and None mean: not said."""

    name: str
    place: Place
    type: str = ""
    min: Value = None
    max: Value = None
    enum: tuple[Value, ...] = ()
    pattern: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One SELECT served over HTTP.

    Attributes:
        path: the route, "/stores/{store_id}/revenue"; by default "/" + name. That of a version
            above 1 begins with the version: "/v2/stores/{store_id}/revenue".
        defaults: parameter -> default; a parameter without one is required.
        limit: rows in an answer unless the client asks for fewer or more.
        max_limit: the most rows that a client may ask for.
        version: of the contract, from 1.
        deprecated, sunset: ISO dates; "" is none.
        serve: the access path that the header asks for; "" leaves it to the compiler.
        filters, sort: fields of the answer that a client may filter and sort by, with their places.
        access: who may call it; None where the header does not say: the settings' default, else it
            is not served.
    """

    name: str
    place: Place
    path: str
    sql: str
    sql_line: int = 1
    defaults: Mapping[str, Value] = field(default_factory=dict)
    params: tuple[ParameterRules, ...] = ()
    limit: int = 1000
    max_limit: int = 10_000
    description: str = ""
    version: int = 1
    deprecated: str = ""
    sunset: str = ""
    serve: str = ""
    filters: tuple[tuple[str, Place], ...] = ()
    sort: tuple[tuple[str, Place], ...] = ()
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Router:
    """A Python file of `endpoints/` that defines a FastAPI `router`; `access` as of an endpoint."""

    name: str
    place: Place
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`headrace.toml`, with every default filled in. Paths are absolute.

    `redis` says where the address of a Redis is: `env:NAME`, `file:PATH`, or an address without a
    password; "" for none.
    `cors` are the origins whose pages may read answers; `snapshots` says whether a request may name
    an older snapshot; `streams` is how many event streams there may be at once.
    `default_access` is that of endpoints that say nothing; None: they are not served.
    """

    name: str
    store: Path
    environment: str = "prod"
    threads: int = 0
    memory_limit: str = ""
    workers: int = 0
    retries: int = 2
    retry_wait_seconds: float = 1.0
    host: str = "127.0.0.1"
    port: int = 8000
    deadline_seconds: float = 10.0
    copy_limit_bytes: int = 4_000_000_000
    redis: str = ""
    processes: int = 1
    cors: tuple[str, ...] = ()
    snapshots: bool = False
    streams: int = 100
    default_access: Access | None = None
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)


@dataclass(frozen=True, slots=True)
class Project:
    """All declarations of a project, each list sorted by name. `root` is absolute."""

    root: Path
    settings: Settings
    sources: tuple[Source, ...] = ()
    models: tuple[Model, ...] = ()
    checks: tuple[SqlCheck, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    routers: tuple[Router, ...] = ()

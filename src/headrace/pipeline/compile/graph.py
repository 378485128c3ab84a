"""The compiled project as nouns: relations in order, checks, endpoints; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headrace.base.access import NOBODY
from headrace.base.declarations import Model, Project, Severity, Source
from headrace.base.errors import Place
from headrace.base.moments import EPOCH, Moment
from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.checks.builtin import Form
from headrace.store.snapshots import EndpointContract, TablePolicy

Need: TypeAlias = Literal["same", "whole", "latest"]


@dataclass(frozen=True, slots=True)
class Locality:
    """What a cell of a partitioned model needs of the tables that the model reads.

    Attributes:
        inputs: table -> "same": the cells of the same partition; "whole": all of it; "latest":
            all of it, as it is when the cell is built, without being part of the cell's address.
        lookback: how many partitions before its own a cell needs, too.
    """

    inputs: Mapping[str, Need]
    lookback: int = 0


@dataclass(frozen=True, slots=True)
class Relation:
    """One table of the project, resolved.

    Attributes:
        name: the table's name.
        kind: "source", "quarantine" (what a source sets aside) or "model".
        place: the file that declares it.
        recipe: address of what makes it: contract, canonical SQL or code, engine version.
        inputs: the tables that it reads, sorted; of a quarantine, its source.
        schema: columns in order; None while a Python model that it depends on has not shown its
            columns yet.
        sql: for a SQL model, the SELECT to run, cast to what Parquet can hold.
        moment: what the model takes from the clock, "2024-03-01"; "" when it takes nothing.
        lineage: column -> the "table.column" names of its direct inputs that it derives from.
        declaration: the Source or Model; of a quarantine, its Source.
        split: what its cells are told apart by; None when it has no partitions.
        locality: for a model with partitions, what a cell needs of each input.
        copies: column -> the "table.column" of a direct input whose values it has, unchanged.
    """

    name: str
    kind: Literal["source", "quarantine", "model"]
    place: Place
    recipe: str
    inputs: tuple[str, ...]
    schema: Schema | None
    declaration: Source | Model
    sql: str = ""
    moment: str = ""
    lineage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    split: Split | None = None
    locality: Locality | None = None
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompiledCheck:
    """One check as a query.

    Attributes:
        name: "orders.amount: min 0", "orders: key order_id", or the name of a file of checks/.
        table: the table that it gates; for a file of checks/, the last of its tables to be built.
        tables: every table that it reads, sorted.
        severity: "error" stops the publish, "warn" reports.
        sql: a SELECT of the rows that are wrong.
        condition: for a check that looks at one row at a time, the SQL condition that is true
            for a wrong row; else "".
        recipe: address of the check's rule.
        place: where it is declared.
        aggregate, form, compared, within_seconds: see `CheckQuery`.
        by_cell: whether the cells of its table pass or fail it each for itself, as long as the
            other tables that it reads stay as they are.
    """

    name: str
    table: str
    tables: tuple[str, ...]
    severity: Severity
    sql: str
    condition: str
    recipe: str
    place: Place
    aggregate: str = ""
    form: Form = "rows"
    compared: Schema | None = None
    within_seconds: float = 0.0
    by_cell: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The compiled project.

    `endpoints` are all that compile; those that nobody may call are checked, and not served.
    `relations` are in an order in which every table comes after its inputs. `deferred` names the
    tables and endpoints that wait for the columns of a Python model that has never run; they are
    compiled once it has. `moment` is the time that it was compiled for. `policies` say who sees
    what of each table whose columns are known.
    """

    project: Project
    relations: tuple[Relation, ...]
    checks: tuple[CompiledCheck, ...] = ()
    endpoints: tuple[EndpointContract, ...] = ()
    deferred: tuple[str, ...] = ()
    moment: Moment = EPOCH
    policies: Mapping[str, TablePolicy] = field(default_factory=dict)
    _by_name: dict[str, Relation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.name: each for each in self.relations})

    @property
    def served(self) -> tuple[EndpointContract, ...]:
        """The endpoints that somebody may call."""
        return tuple(each for each in self.endpoints if each.access != NOBODY)

    def relation(self, name: str) -> Relation:
        """The relation of that name; KeyError when there is none."""
        return self._by_name[name]

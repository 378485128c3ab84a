"""What is learned from one SQL text: takes nothing in, gives nouns; no I/O, no parser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from headrace.base.declarations import Model
from headrace.base.errors import Place, Problem
from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.store.snapshots import KeyedQuery, Scope, TablePolicy

Lineage: TypeAlias = Mapping[str, tuple[str, ...]]
"""Column -> the "table.column" names that it derives from, sorted."""


@dataclass(frozen=True, slots=True)
class SqlText:
    """The SQL in one of the user's files: `line` is the line of the file on which it starts."""

    file: str
    line: int
    text: str


def sql_of(model: Model) -> SqlText:
    """The SQL of a model as a text with a place."""
    return SqlText(model.place.file, model.sql_line, model.sql)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A Problem whose place is still relative to the SQL text: both count from 1, 0 is unknown."""

    line: int
    column: int
    found: str
    expected: str = ""
    fix: str = ""

    def problem(self, sql: SqlText) -> Problem:
        """The mistake at its place in the user's file."""
        return Problem(place_in(sql, self.line, self.column), self.found, self.expected, self.fix)


def place_in(sql: SqlText, line: int, column: int) -> Place:
    """A position in the SQL text as a place in the user's file."""
    return Place(sql.file, sql.line + max(line, 1) - 1, column)


@dataclass(frozen=True, slots=True)
class NameUse:
    """A table or parameter that a query names, as the user wrote it, and where it did so first."""

    name: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class VolatileUse:
    """A function of clock or dice in a query.

    Attributes:
        name: as DuckDB calls it, in lower case: "now", "current_date", "random".
        line, column: where it stands in the text, both from 1.
        clock: whether it reads the clock; otherwise it gives another value at every call.
        start, end: the bytes of its text; equal when the parser does not say.
        column_name: what a SELECT calls it where nothing else does; "" elsewhere.
    """

    name: str
    line: int
    column: int
    clock: bool
    start: int = 0
    end: int = 0
    column_name: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What the text alone says.

    Attributes:
        canonical: address of the parsed query: the same for every layout, comment and case.
        statement: the text without its semicolon and what follows that; "" when it cannot be read.
        tables: the tables that it reads, each once, in the order of their first use.
        parameters: its `$name` parameters, likewise.
        mistakes: what no query of a project may hold.
        volatile: its functions of clock and dice that are written with parentheses.
    """

    canonical: str
    statement: str = ""
    tables: tuple[NameUse, ...] = ()
    parameters: tuple[NameUse, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    volatile: tuple[VolatileUse, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What a query over tables of known columns gives: `schema` as the engine types it.

    `volatile` are all its functions of clock and dice, those without parentheses, too: whether
    `current_date` is one or a column is known only here.
    `copies` maps a column to the "table.column" whose values it has, where that is certain.
    """

    schema: Schema
    lineage: Lineage = field(default_factory=dict)
    volatile: tuple[VolatileUse, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Access:
    """Whether rows in the order of a key answer a query.

    Attributes:
        keyed: the copy; None when there is none.
        clause: the text by which there is none; "" when that is no one clause.
        says: what that clause does; of a copy, its key in words.
        advice: what to write instead; "" when nothing is known.
        line, column: the clause's place relative to the SQL text; both count from 1.
        columns: parameter, in lower case -> the "table.column" that it is first compared with.
        origins: of each part of the key the "table.column" whose values it has; "" where that is
            not certain.
    """

    keyed: KeyedQuery | None
    clause: str = ""
    says: str = ""
    advice: str = ""
    line: int = 1
    column: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint's query over tables of known columns gives.

    `sql` is its query with every parameter cast to its type; `types` are those types by name.
    """

    sql: str
    types: Mapping[str, str]
    bound: Bound
    access: Access


# `$auth.<claim>` in a rule of rows, and the column that a rule is as a query.
AUTH = "auth"
ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A rule of rows as a query: `sql` selects it, as `allowed`, from its table.

    `$auth.<claim>` is the parameter `$auth_<claim>` in it; `names` are those that it uses as
    columns.
    """

    sql: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A clause by which a cell of a query needs more than the same cells of its inputs.

    Attributes:
        line, column: its place relative to the SQL text; both count from 1.
        reason: what the clause does, as a sentence without its full stop.
        tables: the partitioned tables whose rows it mixes, sorted.
        always: whether it stays wrong when a cell may look back.
    """

    line: int
    column: int
    reason: str
    tables: tuple[str, ...]
    always: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a query is partition-local: it is, when nothing is refused.

    `untraced`: the result's own partition column is not known to tell the partition of its inputs.
    """

    refusals: tuple[Refusal, ...] = ()
    untraced: Refusal | None = None

    @property
    def is_local(self) -> bool:
        """Whether a cell of the result needs just the same cells of its inputs."""
        return not self.refusals and self.untraced is None


@dataclass(frozen=True, slots=True)
class Definition:
    """Code of one name, and the names that it uses with their attributes: "rates.RATE"."""

    code: str = ""
    uses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """`from <dots><module> import <name>`; `name` is "" for `import <module>`."""

    dots: int
    module: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What one Python file says.

    Attributes:
        code: address of its syntax tree, without docstrings, comments, layout and `@model(…)`.
        imports: what it may import from the project: (dots before the name, dotted name).
        always: what importing the file runs, apart from the definitions below.
        definitions: name -> its definitions, in order: those that run nothing by themselves.
        imported: name -> what it is imported as.
        whole: whether what its code reaches cannot be told, so that all of the file counts.
    """

    code: str
    imports: tuple[tuple[int, str], ...] = ()
    always: Definition = Definition()
    definitions: Mapping[str, tuple[Definition, ...]] = field(default_factory=dict)
    imported: Mapping[str, tuple[Imported, ...]] = field(default_factory=dict)
    whole: bool = False


class Analyst(Protocol):
    """The one part of the compiler that needs an engine; made only when something is new.

    `tables` map the name of each table that a query reads to its columns.
    """

    def parse_all(self, texts: Sequence[str]) -> list[Query]:
        """What each text alone says. One that does not parse is a Query with its mistake."""
        ...

    def bind(self, sql: str, tables: Mapping[str, Schema]) -> Bound | Mistake:
        """The columns of a query that parses, or why it has none."""
        ...

    def prove(
        self, sql: str, tables: Mapping[str, Schema], splits: Mapping[str, Split], result: Split
    ) -> Proof:
        """Whether a query that binds can be built cell by cell; see `locality.prove`."""
        ...

    def answer(
        self, sql: str, tables: Mapping[str, Schema], types: Mapping[str, str]
    ) -> Answer | tuple[Mistake, ...]:
        """An endpoint's query, typed; `types` are the parameter types that the header gives."""
        ...

    def predicate(self, text: str, table: str) -> Predicate | Mistake:
        """A rule of a table's rows, or why it is none; see `policy_predicates.read_predicate`."""
        ...

    def scoped(
        self, sql: str, tables: Mapping[str, Schema], selects: Mapping[str, str]
    ) -> str | Mistake:
        """A typed query over what some SELECTs let through; see `scoped_sql.scoped_sql`."""
        ...

    def access(
        self,
        sql: str,
        tables: Mapping[str, Schema],
        answer: Answer,
        policies: Mapping[str, TablePolicy],
        scope: Scope | None,
    ) -> Access:
        """How an endpoint's query is answered by key under the policies of its tables.

        Args:
            sql: the query as its user wrote it, without the policies.
            tables: the columns that it may read.
            answer: of that query.
            policies: of its tables; all that there are, or one of them would not hold.
            scope: what the policies take from whoever asks.
        """
        ...

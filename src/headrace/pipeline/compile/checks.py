"""Compiles the built-in checks and the files of checks/: takes tables, gives queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headrace.base.declarations import CheckDeclaration, Source, SqlCheck, Value
from headrace.base.errors import Problem
from headrace.base.hashing import address
from headrace.base.moments import Moment
from headrace.base.names import listed, near_miss, quote
from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.base.types import is_moment, is_numeric
from headrace.checks.builtin import CheckQuery, check_query, declared_checks
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.changing import ambiguity_check
from headrace.pipeline.compile.graph import CompiledCheck, Relation
from headrace.pipeline.compile.pinning import needless, pinned_sql, volatile_problems
from headrace.pipeline.compile.policies import Policies
from headrace.pipeline.compile.queries import Mistake, SqlText, place_in
from headrace.pipeline.compile.sourcing import Ends, find_ends
from headrace.pipeline.compile.tables import TableNames, read_tables
from headrace.pipeline.compile.values import fits, has_order


@dataclass(frozen=True, slots=True)
class Compiled:
    """What can be bound against: relations by name, in topological order, and who sees what."""

    relations: Mapping[str, Relation]
    names: TableNames
    policies: Policies = field(default_factory=Policies)
    ends: Ends = field(init=False, repr=False, compare=False)
    _positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", find_ends(self.relations.values()))
        positions = {name: position for position, name in enumerate(self.relations)}
        object.__setattr__(self, "_positions", positions)

    def schemas(self, tables: Sequence[str]) -> dict[str, Schema] | None:
        """The columns of tables; None when one of them is not known (yet)."""
        found: dict[str, Schema] = {}
        for table in tables:
            relation = self.relations.get(table)
            if relation is None or relation.schema is None:
                return None
            found[table] = relation.schema
        return found

    def last(self, tables: Sequence[str]) -> str:
        """Which of some tables is built last."""
        return max(tables, key=self._positions.__getitem__)


def table_checks(
    relation: Relation, compiled: Compiled, analysis: Analysis
) -> list[CompiledCheck] | list[Problem]:
    """The checks that a table's own file declares, or all that is wrong with them."""
    if relation.schema is None or relation.kind == "quarantine":
        return []
    if relation.name != relation.declaration.name:
        source = relation.declaration
        assert isinstance(source, Source)
        by_key = relation.kind == "source" and source.mode != "snapshot"
        return [ambiguity_check(source, relation)] if by_key else []
    problems: list[Problem] = []
    queries: list[CheckQuery] = []
    for check in _declared(relation):
        found = _placed(relation, check, compiled)
        if isinstance(found, list):
            problems.extend(found)
        elif found is not None:
            key = _key(relation)
            queries.append(check_query(relation.name, relation.schema, found, key))
    if problems:
        return problems
    return _bound(queries, relation.split, compiled, analysis)


def placed_rules(
    rules: Sequence[CheckDeclaration], relation: Relation, compiled: Compiled, analysis: Analysis
) -> Sequence[CheckDeclaration] | Sequence[Problem] | None:
    """Rules that set rows of a table aside, with names as the tables spell them.

    None while the columns of a table are unknown; else the rules, or all that is wrong with them.
    """
    if relation.schema is None:
        return None
    placed: list[CheckDeclaration] = []
    problems: list[Problem] = []
    for check in rules:
        found = _placed(relation, check, compiled)
        if found is None:
            return None
        if isinstance(found, list):
            problems.extend(found)
        else:
            placed.append(found)
    if problems:
        return problems
    queries = [check_query(relation.name, relation.schema, check) for check in placed]
    refused = _problems(queries, compiled, analysis)
    return refused or placed


def _key(relation: Relation) -> tuple[str, ...]:
    """The columns of a table's key that it has."""
    names = {column.name.lower() for column in relation.schema or ()}
    return tuple(name for name in relation.declaration.key if name.lower() in names)


def _declared(relation: Relation) -> tuple[CheckDeclaration, ...]:
    declaration = relation.declaration
    columns = declaration.columns
    if isinstance(declaration, Source):
        # What one row can break sets the row aside while the source is read.
        columns = tuple(
            replace(each, not_null=False, min=None, max=None, accepted=(), pattern="")
            for each in columns
        )
    names = {column.name.lower() for column in relation.schema or ()}
    columns = tuple(each for each in columns if each.name.lower() in names)
    return declared_checks(columns, declaration.key, declaration.checks, declaration.place)


def _placed(
    relation: Relation, check: CheckDeclaration, compiled: Compiled
) -> CheckDeclaration | list[Problem] | None:
    """A check with names as the tables spell them; None while a table's columns are unknown."""
    own = _spelled(relation, check.columns, check)
    if isinstance(own, list):
        return own
    check = replace(check, columns=own)
    if problems := list(_value_problems(relation, check)):
        return problems
    if not check.to_table:
        return check
    table = compiled.names.find(check.to_table)
    if table is None:
        return [compiled.names.unknown(check.to_table, check.place)]
    if table not in compiled.relations or compiled.relations[table].schema is None:
        return None
    other = _spelled(compiled.relations[table], check.to_columns, check)
    return other if isinstance(other, list) else replace(check, to_table=table, to_columns=other)


def _spelled(
    relation: Relation, columns: Sequence[str], check: CheckDeclaration
) -> tuple[str, ...] | list[Problem]:
    names = {column.name.lower(): column.name for column in relation.schema or ()}
    problems = [
        Problem(
            check.place,
            f"{check.kind}: `{relation.name}` has no column `{column}`",
            fix=near_miss(column, names.values()) or f"its columns are {listed(names.values())}",
        )
        for column in columns
        if column.lower() not in names
    ]
    return problems or tuple(names[column.lower()] for column in columns)


def _value_problems(relation: Relation, check: CheckDeclaration) -> Iterator[Problem]:
    """Values of a check that are none of its column's type."""
    wanted = _TYPES_WANTED.get(check.kind)
    if not check.columns or not (wanted or check.kind in {"accepted", "min", "max"}):
        return
    [type_name] = [c.type for c in relation.schema or () if c.name == check.columns[0]]
    where = f"{check.kind}: {relation.name}.{check.columns[0]} is {type_name}"
    if wanted is not None:
        expected, is_wanted = wanted
        if not is_wanted(type_name):
            yield Problem(check.place, where, expected)
        return
    if check.kind != "accepted" and not has_order(type_name):
        yield Problem(check.place, f"{where}, which has no order", "a number, date or time")
        return
    values: tuple[Value, ...] = check.accepted if check.kind == "accepted" else (check.bound,)
    for value in values:
        if not fits(value, type_name):
            yield Problem(check.place, f"{where}, and {value!r} is none", f"a {type_name}")


# What the values of a column must be, for the checks that calculate with them.
_TYPES_WANTED: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "freshness": ("a column of dates or timestamps", is_moment),
    "change": ("a column of numbers", is_numeric),
    "mean": ("a column of numbers", is_numeric),
}


def _bound(
    queries: Sequence[CheckQuery], split: Split | None, compiled: Compiled, analysis: Analysis
) -> list[CompiledCheck] | list[Problem]:
    """The checks as nouns, once the engine has taken each of them."""
    problems = _problems(queries, compiled, analysis)
    return problems or [_compiled(query, split) for query in queries]


def _problems(
    queries: Sequence[CheckQuery], compiled: Compiled, analysis: Analysis
) -> list[Problem]:
    return [
        Problem(query.place, f"{query.name}: {mistake.found}", fix=mistake.fix)
        for query in queries
        if isinstance(mistake := _refused(query, compiled, analysis), Mistake)
    ]


def _refused(query: CheckQuery, compiled: Compiled, analysis: Analysis) -> Mistake | None:
    """Why the engine does not take a check; None when it does.

    Only these can still fail: a comparison of columns of two types, and a regular expression.
    """
    if query.kind not in {"references", "pattern"}:
        return None
    tables = compiled.schemas(query.tables)
    assert tables is not None, "the tables of a placed check are known"
    sql = query.sql
    if query.condition:
        sql = f"SELECT {query.condition} AS wrong FROM {quote(query.table)}"
    bound = analysis.bind(analysis.query(sql), tables)
    return bound if isinstance(bound, Mistake) else None


def _is_by_cell(query: CheckQuery, split: Split | None) -> bool:
    """Whether no wrong row of a table is wrong because of a row in another of its cells.

    Equal rows of all the columns that tell the cells apart are in the same one.
    """
    if split is None:
        return False
    if query.kind in {"unique", "key"}:
        columns = {column.lower() for column in query.columns}
        return all(column.lower() in columns for column in split.columns)
    if query.kind == "references":
        # What it refers to may lie in any cell: of another table it is all of them.
        return any(name != query.table for name in query.tables)
    return bool(query.condition)


def _compiled(query: CheckQuery, split: Split | None) -> CompiledCheck:
    assert query.severity != "quarantine", "the rules that set rows aside are in the model's SQL"
    return CompiledCheck(
        name=query.name,
        table=query.table,
        tables=query.tables,
        severity=query.severity,
        sql=query.sql,
        condition=query.condition,
        recipe=address("check", query.name, query.sql, query.severity),
        place=query.place,
        aggregate=query.aggregate,
        form=query.form,
        compared=query.compared,
        within_seconds=query.within_seconds,
        by_cell=_is_by_cell(query, split),
    )


def _moment(check: SqlCheck, moment: Moment) -> list[str]:
    """What a check takes from the clock: its result holds for that long."""
    return [moment.text(check.volatile)] if check.volatile else []


def sql_check(
    check: SqlCheck, compiled: Compiled, analysis: Analysis, moment: Moment
) -> CompiledCheck | list[Problem] | None:
    """A file of checks/, compiled; None while the columns of one of its tables are unknown."""
    sql = SqlText(check.place.file, check.sql_line, check.sql)
    query = analysis.query(check.sql)
    problems = [mistake.problem(sql) for mistake in query.mistakes]
    problems += volatile_problems(query.volatile, check.volatile, sql)
    problems += [
        Problem(place_in(sql, use.line, use.column), f"a check has no parameters: `${use.name}`")
        for use in query.parameters
    ]
    tables, unknown = read_tables(query, sql, compiled.names)
    problems += unknown
    if not tables and not problems:
        problems = [Problem(place_in(sql, 1, 0), "the check reads no table", "at least one")]
    if problems:
        return problems
    schemas = compiled.schemas(tables)
    if schemas is None:
        return None
    bound = analysis.bind(query, schemas)
    if isinstance(bound, Mistake):
        return [bound.problem(sql)]
    problems = volatile_problems(bound.volatile, check.volatile, sql)
    problems += needless(check.volatile, bound.volatile, check.place)
    if problems:
        return problems
    return CompiledCheck(
        name=check.name,
        table=compiled.last(tables),
        tables=tables,
        severity=check.severity,
        sql=pinned_sql(query.statement, bound, check.volatile, moment),
        condition="",
        recipe=address("check", query.canonical, check.severity, *_moment(check, moment)),
        place=check.place,
    )

"""Compiles sources: takes a declaration, gives its tables: the rows, and what they set aside."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.base.declarations import DerivedColumn, Source
from headrace.base.errors import Problem
from headrace.base.hashing import address
from headrace.base.names import listed, quote
from headrace.base.partitions import Split, split_of
from headrace.base.tables import (
    LANDED_SUFFIX,
    QUARANTINE_SCHEMA,
    QUARANTINE_SUFFIX,
    Column,
    Schema,
)
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.changing import (
    changing_problems,
    changing_relations,
    is_changing,
)
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.partitioning import has_one_text, partition_problems
from headrace.pipeline.compile.pinning import said
from headrace.pipeline.compile.queries import Mistake
from headrace.pipeline.compile.stored_types import cast_hint, stored_type
from headrace.sources.recipe import source_recipe

# What an expression of `derive` may ask for beside the columns: the path of the row's raw file.
FILE_PARAMETER = "file"

_LASTING = "an expression that follows from the row"
_ELSEWHERE = "make a model for what needs more than the row"


def compile_source(source: Source, analysis: Analysis) -> tuple[Relation, ...] | list[Problem]:
    """The relations of a source, or all that is wrong with it."""
    raw = tuple(Column(column.name, column.type) for column in source.columns)
    derived: list[Column] = []
    problems: list[Problem] = []
    canonical: list[str] = []
    for column in source.derive:
        found = _derived(source, column, raw, analysis)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            canonical.append(found[0])
            derived.append(found[1])
    schema = (*raw, *derived)
    if not problems:
        problems = list(partition_problems(source.name, source.partition, schema, source.place))
        problems += changing_problems(source, schema)
        problems += _condition_problems(source, schema, analysis)
    return problems or tuple(_relations(source, schema, canonical))


def derived_origins(source: Source, analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """Column of `derive` -> the raw columns that it is made from, of a source that compiles."""
    raw = tuple(Column(column.name, column.type) for column in source.columns)
    found: dict[str, tuple[str, ...]] = {}
    for column in source.derive:
        query = analysis.query(_derived_sql(source, column))
        answer = analysis.answer(query, {source.name: raw}, {FILE_PARAMETER: "VARCHAR"})
        assert not isinstance(answer, tuple), "a compiled source has been bound before"
        origins = answer.bound.lineage[answer.bound.schema[-1].name]
        found[column.name] = tuple(origin.partition(".")[2] for origin in origins)
    return found


def _derived_sql(source: Source, column: DerivedColumn) -> str:
    return f"SELECT *, ({column.sql}\n) AS {quote(column.name)} FROM {quote(source.name)}"


def _relations(source: Source, schema: Schema, derived: list[str]) -> Iterator[Relation]:
    recipe = source_recipe(source)
    if derived:
        typed = [[column.name, column.type] for column in schema[len(source.columns) :]]
        recipe = address("derived", recipe, derived, typed)
    rows = Relation(
        name=source.name + LANDED_SUFFIX if is_changing(source) else source.name,
        kind="source",
        place=source.place,
        recipe=recipe,
        inputs=(),
        schema=schema,
        declaration=source,
        split=_split(source, schema),
    )
    yield rows
    yield Relation(
        name=source.name + QUARANTINE_SUFFIX,
        kind="quarantine",
        place=source.place,
        recipe=address("quarantine", recipe),
        inputs=(rows.name,),
        schema=QUARANTINE_SCHEMA,
        declaration=source,
    )
    if is_changing(source):
        yield from changing_relations(source, rows)


def _split(source: Source, schema: Schema) -> Split | None:
    """What the rows of a source are told apart by: its partitions, else parts of its keys."""
    if source.partition is None and source.key and (source.cursor or source.mode == "snapshot"):
        names = {name.lower() for name in source.key}
        key = [column.type for column in schema if column.name.lower() in names]
        return Split(source.key, "bucket") if all(map(has_one_text, key)) else None
    return split_of(source.partition)


def _condition_problems(source: Source, schema: Schema, analysis: Analysis) -> Iterator[Problem]:
    """Why the condition of `deletes` is none."""
    if not source.deletes:
        return
    query = analysis.query(f"SELECT ({source.deletes}\n) AS gone FROM {quote(source.name)}")
    bound = query.mistakes[0] if query.mistakes else analysis.bind(query, {source.name: schema})
    if isinstance(bound, Mistake):
        yield Problem(source.place, f"`deletes`: {bound.found}", bound.expected, bound.fix)
    elif bound.volatile:
        yield Problem(source.place, f"`deletes`: {said(bound.volatile[0])}", _LASTING)
    elif bound.schema[0].type != "BOOLEAN":
        found = f"`deletes` is {bound.schema[0].type}"
        yield Problem(source.place, found, "a condition such as `op = 'D'`")


def _derived(
    source: Source, column: DerivedColumn, raw: Schema, analysis: Analysis
) -> tuple[str, Column] | Problem:
    """The canonical form of an expression and the column that it makes."""
    where = f"{source.name}.{column.name}"
    query = analysis.query(_derived_sql(source, column))
    if query.mistakes:
        return _refused(column, where, query.mistakes[0])
    others = [use.name for use in query.tables if use.name.lower() != source.name.lower()]
    others += [f"${use.name}" for use in query.parameters if use.name != FILE_PARAMETER]
    if others:
        return Problem(
            column.place,
            f"{where} reads {listed(others)}",
            "an expression over the source's own columns, and `$file`, the path of the raw file",
            _ELSEWHERE,
        )
    answer = analysis.answer(query, {source.name: raw}, {FILE_PARAMETER: "VARCHAR"})
    if isinstance(answer, tuple):
        return _refused(column, where, answer[0])
    if answer.bound.volatile:
        found = f"{where}: {said(answer.bound.volatile[0])}"
        return Problem(column.place, found, _LASTING, _ELSEWHERE)
    made = Column(column.name, stored_type(answer.bound.schema[-1].type))
    if hint := cast_hint(made.type):
        found = f"{where} is {made.type}, which Parquet cannot hold as it is"
        return Problem(column.place, found, fix=f"cast it to {hint}")
    return query.canonical, made


def _refused(column: DerivedColumn, where: str, mistake: Mistake) -> Problem:
    # Its place is one in our own query around the expression.
    return Problem(column.place, f"{where}: {mistake.found}", mistake.expected, mistake.fix)

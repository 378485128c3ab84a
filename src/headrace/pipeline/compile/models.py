"""Compiles models: takes a model and the columns of its inputs, gives its relation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.base.declarations import Model
from headrace.base.errors import Place, Problem
from headrace.base.hashing import Part, address
from headrace.base.moments import Moment
from headrace.base.names import listed, near_miss, quote
from headrace.base.partitions import split_of
from headrace.base.tables import Column, Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.cache import CompileCache, engine_version
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.localities import keyed_locality, model_locality
from headrace.pipeline.compile.partitioning import partition_problems
from headrace.pipeline.compile.pinning import needless, pinned_sql, volatile_problems
from headrace.pipeline.compile.python_code import broken_code, code_address
from headrace.pipeline.compile.queries import Bound, Mistake, Query, place_in, sql_of
from headrace.pipeline.compile.stored_types import cast_hint, stored_type
from headrace.pipeline.compile.tables import TableNames, read_tables


@dataclass(frozen=True, slots=True)
class Reading:
    """A model and the tables that it reads. `query` is None for a Python model."""

    model: Model
    inputs: tuple[str, ...]
    query: Query | None


def read_model(
    model: Model, names: TableNames, analysis: Analysis
) -> tuple[Reading, list[Problem]]:
    """What a model reads, and what is wrong with it before any column is looked at."""
    if model.function is not None:
        return _read_python(model, names)
    sql = sql_of(model)
    query = analysis.query(model.sql)
    problems = [mistake.problem(sql) for mistake in query.mistakes]
    problems += volatile_problems(query.volatile, model.volatile, sql)
    problems += [
        Problem(
            place_in(sql, use.line, use.column),
            f"a model has no parameters, and `${use.name}` is one",
            fix="write the value, or select it from a table",
        )
        for use in query.parameters
    ]
    inputs, unknown = read_tables(query, sql, names)
    return Reading(model, inputs, query), [*problems, *unknown]


def _read_python(model: Model, names: TableNames) -> tuple[Reading, list[Problem]]:
    assert model.function is not None
    found: list[str] = []
    problems: list[Problem] = []
    for parameter, _ in model.function.inputs:
        table = names.find(parameter)
        if table is None:
            problems.append(names.unknown(parameter, model.place))
        else:
            found.append(table)
    return Reading(model, tuple(sorted(found)), None), problems


def compile_sql_model(
    reading: Reading, inputs: Mapping[str, Relation], analysis: Analysis, moment: Moment
) -> Relation | list[Problem]:
    """The relation of a SQL model whose inputs' columns are known, or all that is wrong.

    Args:
        reading: the model.
        inputs: the relations that it reads, by name.
        analysis: what knows its query.
        moment: what it takes from the clock.
    """
    model, query = reading.model, reading.query
    assert query is not None
    tables = {name: relation.schema or () for name, relation in inputs.items()}
    bound = analysis.bind(query, tables)
    if isinstance(bound, Mistake):
        return [bound.problem(sql_of(model))]
    problems = volatile_problems(bound.volatile, model.volatile, sql_of(model))
    problems += needless(model.volatile, bound.volatile, model.place)
    problems += [*_output_problems(model, bound), *contract_problems(model, bound.schema)]
    if problems:
        return problems
    locality = model_locality(model, inputs, query, analysis)
    if isinstance(locality, list):
        return locality
    statement = pinned_sql(query.statement, bound, model.volatile, moment)
    schema = tuple(Column(column.name, stored_type(column.type)) for column in bound.schema)
    split = split_of(model.partition)
    if keyed := keyed_locality(model, schema, inputs, query, analysis):
        split, locality = keyed
    return Relation(
        name=model.name,
        kind="model",
        place=model.place,
        recipe=address("recipe", query.canonical, _typed(schema), engine_version()),
        inputs=reading.inputs,
        schema=schema,
        declaration=model,
        sql=_stored_sql(statement, bound.schema, schema),
        lineage=bound.lineage,
        moment=moment.text(model.volatile),
        split=split,
        locality=locality,
        copies=bound.copies,
    )


def deferred_model(reading: Reading) -> Relation:
    """A SQL model that waits for the columns of an input."""
    model = reading.model
    return Relation(model.name, "model", model.place, "", reading.inputs, None, model)


def compile_python_model(
    reading: Reading,
    inputs: Mapping[str, Relation],
    observed: Mapping[str, Schema],
    at: tuple[Path, Analysis],
) -> Relation | list[Problem]:
    """The relation of a Python model: its columns as declared, or as it last returned them.

    Args:
        reading: the model.
        inputs: the relations that it reads, by name; their columns need not be known.
        observed: recipe -> the columns that its function returned when it last ran.
        at: the project's folder, and what knows its files.
    """
    model, (root, analysis) = reading.model, at
    try:
        recipe = python_recipe(root, model, analysis.cache)
    except SyntaxError as exc:
        return [broken_code(root, model.name, exc)]
    schema = observed.get(recipe)
    if model.columns and all(column.type for column in model.columns):
        schema = tuple(Column(column.name, column.type) for column in model.columns)
    if schema is not None and (problems := list(contract_problems(model, schema))):
        return problems
    locality = model_locality(model, inputs, None, analysis)
    if isinstance(locality, list):
        return locality
    return Relation(
        name=model.name,
        kind="model",
        place=model.place,
        recipe=recipe,
        inputs=reading.inputs,
        schema=schema,
        declaration=model,
        split=split_of(model.partition),
        locality=locality,
    )


def with_declared_lineage(
    relation: Relation, tables: Mapping[str, Relation], names: TableNames
) -> Relation | list[Problem]:
    """A Python model with the lineage that it declares, or all that is wrong with that.

    Args:
        relation: the compiled model.
        tables: those that it reads, at least, by name.
        names: every table of the project.
    """
    model = relation.declaration
    assert isinstance(model, Model)
    assert model.function is not None
    read = {name: tables[name] for name in relation.inputs}
    problems: list[Problem] = []
    lineage: dict[str, tuple[str, ...]] = {}
    for declared in model.function.lineage:
        column = _column_of(relation, declared.column, declared.place)
        found = [_origin(text, place, read, names) for text, place in declared.origins]
        problems.extend(each for each in [column, *found] if isinstance(each, Problem))
        if not isinstance(column, Problem):
            lineage[column] = tuple(sorted({each for each in found if isinstance(each, str)}))
    return problems or replace(relation, lineage=lineage)


def _origin(
    text: str, place: Place, read: Mapping[str, Relation], names: TableNames
) -> str | Problem:
    """A declared "table.column" as the table spells it."""
    written, _, column = text.partition(".")
    table = names.find(written)
    if table is None or table not in read:
        fix = near_miss(written, read) or f"its inputs are {listed(read)}"
        fix = "take it as a parameter" if table else fix
        return Problem(place, f"lineage: the model does not read `{written}`", fix=fix)
    found = _column_of(read[table], column, place)
    return found if isinstance(found, Problem) else f"{table}.{found}"


def _column_of(relation: Relation, column: str, place: Place) -> str | Problem:
    """A column as its table spells it; as it is written while the table's are not known."""
    if relation.schema is None:
        return column
    names = {each.name.lower(): each.name for each in relation.schema}
    if column.lower() in names:
        return names[column.lower()]
    fix = near_miss(column, names.values()) or f"its columns are {listed(names.values())}"
    return Problem(place, f"lineage: `{relation.name}` has no column `{column}`", fix=fix)


def python_recipe(root: Path, model: Model, cache: CompileCache) -> str:
    """The address of what makes a Python model, by what its files say now.

    Raises:
        SyntaxError: one of its files is not Python.
    """
    assert model.function is not None
    code = code_address(root, model.place.file, cache)
    declared = [[column.name, column.type] for column in model.columns]
    frames = [list(each) for each in model.function.inputs]
    return address("recipe", code, declared, frames, engine_version())


def _typed(schema: Schema) -> Part:
    return [[column.name, column.type] for column in schema]


def _stored_sql(statement: str, bound: Schema, stored: Schema) -> str:
    """The SELECT to run: as the user wrote it, cast where Parquet cannot hold its types."""
    if [column.type for column in bound] == [column.type for column in stored]:
        return statement
    columns = ", ".join(
        quote(now.name)
        if now.type == then.type
        else f"CAST({quote(now.name)} AS {now.type}) AS {quote(now.name)}"
        for then, now in zip(bound, stored, strict=True)
    )
    return f"SELECT {columns} FROM (\n{statement}\n)"


def _output_problems(model: Model, bound: Bound) -> Iterator[Problem]:
    """Columns that a table cannot have."""
    place = Place(model.place.file, model.sql_line)
    yield from duplicate_columns(bound.schema, place)
    for column in bound.schema:
        if hint := cast_hint(stored_type(column.type)):
            yield Problem(
                place,
                f"{model.name}.{column.name} is {column.type}, which Parquet cannot hold as it is",
                fix=f"cast it to {hint}",
            )


def duplicate_columns(schema: Schema, place: Place) -> Iterator[Problem]:
    """A Problem for each column name that comes twice."""
    seen: set[str] = set()
    for column in schema:
        name = column.name.lower()
        if name in seen:
            yield Problem(
                place, f"two columns are named `{column.name}`", fix="name one of them with AS"
            )
        seen.add(name)


def contract_problems(model: Model, schema: Schema) -> Iterator[Problem]:
    """Where a model's columns are not those that its header declares."""
    types = {column.name.lower(): column.type for column in schema}
    for column in model.columns:
        found = types.get(column.name.lower())
        if found is None:
            yield _missing(model, column.name, schema, column.place)
        elif column.type and column.type != found:
            yield Problem(
                column.place,
                f"{model.name}.{column.name} is {found}",
                column.type,
                f"cast it in the query: CAST(… AS {column.type}) AS {column.name}",
            )
    if model.partition is not None and model.partition.column.lower() not in types:
        yield _missing(model, model.partition.column, schema, model.place)
    yield from partition_problems(model.name, model.partition, schema, model.place)


def _missing(model: Model, column: str, schema: Schema, place: Place) -> Problem:
    names = [each.name for each in schema]
    fix = near_miss(column, names) or f"its columns are {listed(names)}"
    return Problem(place, f"`{model.name}` has no column `{column}`", fix=fix)

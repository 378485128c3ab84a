"""Runs a Python model: hands its inputs over as the frames it asks for, takes its rows back."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headrace.base.declarations import Model
from headrace.base.errors import ModelError
from headrace.base.names import listed, quote
from headrace.base.tables import Column, Schema
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.models import python_recipe
from headrace.pipeline.compile.stored_types import cast_hint, stored_type
from headrace.pipeline.plan.versions import known_schema, shows_columns
from headrace.pipeline.run.frames import NoFrame, Returned, make_frames, take_back
from headrace.pipeline.run.importing import load_function

# What polars and pandas make of times. Only DuckDB has these types, and a user cannot ask for
# them; TIMESTAMP_NS is as common as TIMESTAMP.
_MICROSECONDS = {"TIME_NS": "TIME", "TIMESTAMPTZ_NS": "TIMESTAMP WITH TIME ZONE"}


@contextmanager
def returned_rows(
    engine: DuckDBEngine, root: Path, relation: Relation
) -> Iterator[tuple[str, Schema]]:
    """Call a model's function; gives a SELECT of the rows that it returned, and its columns.

    The SELECT can be run once, on this thread, until the end of the `with` statement: rows may be
    made while it runs.

    Args:
        engine: where the inputs are attached.
        root: the project's folder; its modules must be importable: see `project_modules`.
        relation: the model; its columns, where declared, are what must be returned.

    Raises:
        ModelError: the file cannot be imported or is not what was planned with, the function
            raises, or what it returns is no frame or has other columns than declared; also where
            the `with` statement ends, when the function's rows could not be made.
    """
    model = relation.declaration
    assert isinstance(model, Model)
    returned = _call(engine, model)
    _require_planned(root, relation, model)
    name = f"__returned_{model.name}"
    columns = _register(engine.cursor(), name, model, returned)
    try:
        sql = _select(name, columns, model)
        shown = shows_columns(relation)
        yield sql, described(engine.cursor(), sql) if shown else known_schema(relation)
    except duckdb.Error:
        if returned.errors:
            raise _user_error(model, returned.errors[0]) from returned.errors[0]
        raise
    finally:
        engine.cursor().unregister(name)


def _call(engine: DuckDBEngine, model: Model) -> Returned:
    """What the model's function returns for its inputs."""
    assert model.function is not None
    try:
        function = load_function(model.place.file, model.function.name)
        return take_back(function(**make_frames(engine, model.function.inputs)))
    except NoFrame as exc:
        raise ModelError(f"{model.place}: {model.name} returned {exc}") from exc.__cause__
    except BaseException as exc:  # sys.exit() and panics of extensions are no Exception
        raise _user_error(model, exc) from exc


def _require_planned(root: Path, relation: Relation, model: Model) -> None:
    """Make sure that what was imported is what the rows will be stored as the result of."""
    try:
        recipe = python_recipe(root, model, CompileCache())
    except (OSError, SyntaxError):
        recipe = ""
    if recipe != relation.recipe:
        raise ModelError(
            f"{model.place.file}: it, or a file that it imports, was edited during the run;"
            " expected the code that was planned with; run again"
        )


def _user_error(model: Model, exc: BaseException) -> ModelError:
    """The error with the last line of the user's own file that it passed."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(exc.__traceback__)
        if frame.filename.endswith(f"/{model.place.file}")
    ]
    line = lines[-1] if lines else model.place.line
    return ModelError(f"{model.place.file}:{line}: {type(exc).__name__}: {exc}")


def _register(
    cursor: duckdb.DuckDBPyConnection, name: str, model: Model, returned: Returned
) -> Schema:
    """Make the returned rows readable under a name; gives their columns in DuckDB's types."""
    try:
        cursor.register(name, returned.reader)
        found = described(cursor, f"SELECT * FROM {quote(name)}")
    except duckdb.Error as exc:
        types = ", ".join(f"{each.name} {each.type}" for each in returned.reader.schema)
        raise ModelError(
            f"{model.place}: {model.name} returned a column of a type that DuckDB does not know"
            f" ({exc}); its columns are: {types}; convert it before it is returned"
        ) from exc
    return tuple(
        Column(column.name, returned.types.get(column.name, column.type))
        for column in found
        if column.name in returned.names
    )


def _select(name: str, returned: Schema, model: Model) -> str:
    """A SELECT of the returned rows in the declared columns, in what Parquet can hold."""
    types = {column.name: column.type for column in returned}
    if model.columns:
        declared = [column.name for column in model.columns]
        if set(declared) != types.keys():
            raise ModelError(
                f"{model.place}: {model.name} returned the columns {listed(types)};"
                f" expected {listed(declared)}, as declared"
            )
        types = {column.name: column.type or types[column.name] for column in model.columns}
    columns = ", ".join(
        f"CAST({quote(column)} AS {_stored(model, column, found)}) AS {quote(column)}"
        for column, found in types.items()
    )
    return f"SELECT {columns} FROM {quote(name)}"


def _stored(model: Model, column: str, type_name: str) -> str:
    """The type that a column is stored as."""
    stored = stored_type(_MICROSECONDS.get(type_name, type_name))
    if hint := cast_hint(stored):
        raise ModelError(
            f"{model.place}: {model.name}.{column} is {stored}, which Parquet cannot hold as it is;"
            f" return it as {hint}"
        )
    return stored

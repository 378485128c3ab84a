"""Runs a Python model: hands its inputs over as the frames it asks for, takes its rows back."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import duckdb

from headrace.base.declarations import Frame, Model
from headrace.base.errors import ModelError
from headrace.base.names import listed, quote
from headrace.base.tables import Schema
from headrace.base.types import STORED_AS
from headrace.engines.duckdb import DuckDBEngine, described


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that exports the Arrow C stream interface: tables, readers, polars, pandas ≥ 2.2."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The stream as a PyCapsule."""
        ...


def run_python_model(
    engine: DuckDBEngine, root: Path, model: Model, inputs: Mapping[str, str]
) -> str:
    """Call the model's function and register what it returns; gives a SELECT that reads it.

    The SELECT holds for this thread until its next Python model.

    Args:
        engine: where the inputs are attached.
        root: the project's folder: on the import path while the function runs.
        model: the model; its columns, where declared, are what must be returned.
        inputs: parameter -> the table that it names.

    Raises:
        ModelError: the file cannot be imported, the function raises, or what it returns is no
            frame or has other columns than declared.
    """
    assert model.function is not None
    frames = {
        name: _frame(engine.cursor(), inputs[name], frame) for name, frame in model.function.inputs
    }
    with _importable(root):
        function = _load(root, model)
        try:
            returned = function(**frames)
        except Exception as exc:
            raise ModelError(_user_error(model, exc)) from exc
    name = f"__returned_{model.name}"
    _register(engine.cursor(), name, model, returned)
    return _select(name, described(engine.cursor(), f"SELECT * FROM {quote(name)}"), model)


def _frame(cursor: duckdb.DuckDBPyConnection, table: str, frame: Frame) -> object:
    return _FRAMES[frame](cursor.sql(f"SELECT * FROM {quote(table)}"))


def _polars(relation: duckdb.DuckDBPyRelation) -> object:
    import polars  # noqa: PLC0415 -- an extra, needed only by a model that asks for it

    return polars.from_arrow(relation.to_arrow_table())


def _polars_lazy(relation: duckdb.DuckDBPyRelation) -> object:
    import polars  # noqa: PLC0415 -- an extra, needed only by a model that asks for it

    return cast("polars.DataFrame", polars.from_arrow(relation.to_arrow_table())).lazy()


_FRAMES: dict[Frame, Callable[[duckdb.DuckDBPyRelation], object]] = {
    "relation": lambda relation: relation,
    "arrow": lambda relation: relation.to_arrow_table(),
    "arrow_stream": lambda relation: relation.to_arrow_reader(),
    "polars": _polars,
    "polars_lazy": _polars_lazy,
    "pandas": lambda relation: relation.df(),
}


def forget_modules(root: Path) -> None:
    """Forget the project's own modules, so that the next model imports them as they are now."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and root in Path(file).parents and ".venv" not in Path(file).parts:
            del sys.modules[name]


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """The project's folder at the head of the import path."""
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))


def _load(root: Path, model: Model) -> Callable[..., object]:
    assert model.function is not None
    path = root / model.place.file
    spec = importlib.util.spec_from_file_location(f"headrace_model_{model.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise ModelError(_user_error(model, exc)) from exc
    return cast("Callable[..., object]", getattr(module, model.function.name))


def _user_error(model: Model, exc: Exception) -> str:
    """The error with the last line of the user's own file that it passed."""
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if frame.filename.endswith(model.place.file)
    ]
    line = frames[-1].lineno if frames else model.place.line
    return f"{model.place.file}:{line}: {type(exc).__name__}: {exc}"


def _register(cursor: duckdb.DuckDBPyConnection, name: str, model: Model, returned: object) -> None:
    if isinstance(returned, duckdb.DuckDBPyRelation):
        cursor.register(name, returned.to_arrow_table())
        return
    if hasattr(returned, "collect"):  # a polars LazyFrame streams nothing until it is collected
        returned = returned.collect()
    if not isinstance(returned, ArrowStream):
        raise ModelError(
            f"{model.place}: {model.name} returned {type(returned).__name__}; expected a frame:"
            " a DuckDB relation, or anything with the Arrow stream interface"
            " (pyarrow Table or RecordBatchReader, polars or pandas DataFrame)"
        )
    cursor.register(name, returned)


def _select(name: str, returned: Schema, model: Model) -> str:
    """A SELECT of the returned rows in the declared columns, in what Parquet can hold."""
    types = {column.name: STORED_AS.get(column.type, column.type) for column in returned}
    if model.columns:
        declared = [column.name for column in model.columns]
        if set(declared) != types.keys():
            raise ModelError(
                f"{model.place}: {model.name} returned the columns {listed(types)};"
                f" expected {listed(declared)}, as declared"
            )
        types = {column.name: column.type or types[column.name] for column in model.columns}
    columns = ", ".join(f"CAST({quote(each)} AS {types[each]}) AS {quote(each)}" for each in types)
    return f"SELECT {columns} FROM {quote(name)}"

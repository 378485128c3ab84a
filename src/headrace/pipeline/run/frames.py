"""Frames: gives a table as the frame that a function asks for, takes a frame back as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast, runtime_checkable

import duckdb
import pyarrow as pa

from headrace.base.declarations import Frame
from headrace.engines.duckdb import DuckDBEngine

_FRAME = (
    "expected a frame: a DuckDB relation, or anything with the Arrow stream interface (pyarrow"
    " Table or RecordBatchReader, polars or pandas DataFrame)"
)


class NoFrame(Exception):
    """What a function returned is no table: the message says what it is, and what it must be."""


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that exports the Arrow C stream interface: tables, readers, polars, pandas ≥ 2.2."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The stream as a PyCapsule."""
        ...


@dataclass(frozen=True, slots=True)
class Returned:
    """A returned frame as a stream that can be read once.

    Attributes:
        reader: its rows.
        names: its columns, in order.
        types: column -> DuckDB's type, where Arrow does not know it (UUID, JSON).
        errors: what making the rows has raised since, as the user's code raised it.
    """

    reader: pa.RecordBatchReader
    names: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)


def make_frames(engine: DuckDBEngine, inputs: Iterable[tuple[str, Frame]]) -> dict[str, object]:
    """Table -> the frame that is asked for, by the name that `inputs` gives the table.

    Relations share a connection, so that they can be joined. A frame that is read bit by bit has
    its own: DuckDB runs one query at a time on each.

    Raises:
        ImportError: the library of a frame is not installed.
    """
    cursor = engine.cursor()
    relations = cursor.cursor()
    return {
        name: _FRAMES[frame](
            (relations if frame == "relation" else cursor.cursor()).sql(engine.read_sql(name))
        )
        for name, frame in inputs
    }


def take_back(returned: object) -> Returned:
    """A frame that a function returned, as a stream; a lazy one is computed here.

    Raises:
        NoFrame: it is none, or has no columns, or a name that is empty or comes twice.
        Exception: whatever a lazy frame raises when it is computed.
    """
    types: Mapping[str, str] = {}
    if isinstance(returned, duckdb.DuckDBPyRelation):
        types = dict(zip(returned.columns, map(str, returned.types), strict=True))
        reader = returned.to_arrow_reader()
    else:
        reader = _reader(_collected(returned))
    names = tuple(name for name in reader.schema.names if not _is_unnamed_index(name))
    _require_names(names)
    errors: list[Exception] = []
    watched = pa.RecordBatchReader.from_batches(reader.schema, _watched(reader, errors))
    return Returned(watched, names, types, errors)


def _collected(returned: object) -> object:
    """A lazy frame, which exports no stream, as a frame; anything else as it is."""
    collect = getattr(returned, "collect", None)
    return collect() if callable(collect) and not isinstance(returned, ArrowStream) else returned


def _reader(returned: object) -> pa.RecordBatchReader:
    if isinstance(returned, pa.RecordBatchReader):
        return returned
    found = type(returned).__name__
    if not isinstance(returned, ArrowStream):
        raise NoFrame(f"{found}; {_FRAME}")
    try:
        return pa.RecordBatchReader.from_stream(returned)
    except (pa.ArrowException, TypeError, ValueError) as exc:
        raise NoFrame(f"{found}, which cannot be read as a table ({exc}); {_FRAME}") from exc


def _is_unnamed_index(name: str) -> bool:
    # pandas adds an index to what it exports; one with a name is a column that somebody named.
    return name.startswith("__index_level_")


def _require_names(names: tuple[str, ...]) -> None:
    if not names:
        raise NoFrame("a frame without columns; expected one or more")
    seen: set[str] = set()
    for name in names:
        if not name:
            raise NoFrame("a frame with a column without a name; expected a name for each")
        if name.lower() in seen:
            raise NoFrame(
                f"a frame with two columns named `{name}`; expected names that differ in more than"
                " case"
            )
        seen.add(name.lower())


def _watched(reader: pa.RecordBatchReader, errors: list[Exception]) -> Iterator[pa.RecordBatch]:
    """The batches of a reader; what reading them raises is noted, before DuckDB rewords it."""
    try:
        yield from reader
    except Exception as exc:
        errors.append(exc)
        raise


def _polars(relation: duckdb.DuckDBPyRelation) -> object:
    import polars  # noqa: PLC0415 -- an extra, needed only by a model that asks for it

    return polars.from_arrow(relation.to_arrow_table())


def _polars_lazy(relation: duckdb.DuckDBPyRelation) -> object:
    import polars  # noqa: PLC0415 -- an extra, needed only by a model that asks for it

    return cast("polars.DataFrame", polars.from_arrow(relation.to_arrow_table())).lazy()


_FRAMES: Mapping[Frame, Callable[[duckdb.DuckDBPyRelation], object]] = {
    "relation": lambda relation: relation,
    "arrow": lambda relation: relation.to_arrow_table(),
    "arrow_stream": lambda relation: relation.to_arrow_reader(),
    "polars": _polars,
    "polars_lazy": _polars_lazy,
    "pandas": lambda relation: relation.df(),
}

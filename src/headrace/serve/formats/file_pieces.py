"""Formats that are files of columns: takes a SELECT, gives an Arrow stream or Parquet.

Types that these formats have are kept; values of all others are the texts that JSON has for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.engines.json_values import text_sql
from headrace.engines.sql_types import SqlType, sql_type
from headrace.engines.text_rows import Field
from headrace.serve.formats.selection import Cut, Selection, fields_of, select_sql
from headrace.serve.formats.sinks import Sink
from headrace.serve.formats.text_pieces import sized

# About a megabyte of usual rows.
_ARROW_ROWS = 8 * 2048
_GROUP_ROWS = 60 * 2048
_GROUP_BYTES = 16 * 1024 * 1024

_KEPT = frozenset(
    [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "VARCHAR",
        "BLOB",
        "DATE",
        "TIME",
        "TIME_NS",
        "TIMESTAMP",
        "TIMESTAMP_S",
        "TIMESTAMP_MS",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMPTZ_NS",
        '"NULL"',
    ]
)
_NESTED = frozenset(["LIST", "STRUCT", "MAP"])


def arrow_stream(selection: Selection) -> Iterator[bytes]:
    """An Arrow IPC stream."""
    schema, batches = _batches(selection, _KEPT | {"INTERVAL"})
    return sized(_arrow(schema, batches))


def _arrow(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    sink = Sink()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(_without_remains(batch))
            yield from sink.taken()
    yield from sink.taken()


def _without_remains(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows, and nothing where a NULL is.

    In those places DuckDB's batches have whatever was in memory before, such as the rows of
    somebody else's answer, and an Arrow stream has them as they are.
    """
    suspect = [column.null_count > 0 or pa.types.is_nested(column.type) for column in batch.columns]
    if not any(suspect):
        return batch
    every = pa.array(range(batch.num_rows), pa.int32())
    columns = [
        column.take(every) if is_suspect else column
        for column, is_suspect in zip(batch.columns, suspect, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def parquet_file(selection: Selection) -> Iterator[bytes]:
    """A Parquet file, with zstd; each group of rows goes out when it is full."""
    schema, batches = _batches(selection, _KEPT)
    return sized(_parquet(schema, batches))


def _parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    sink = Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=1) as writer:
        for group in _groups(batches):
            writer.write_table(pa.Table.from_batches(group, schema), _GROUP_ROWS)
            yield from sink.taken()
    yield from sink.taken()


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if (
            sum(each.num_rows for each in group) >= _GROUP_ROWS
            or sum(each.nbytes for each in group) >= _GROUP_BYTES
        ):
            yield group
            group = []
    if group:
        yield group


def _batches(
    selection: Selection, kept: frozenset[str]
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    columns = selection.columns
    expressions = [_column(each, kept) for each in fields_of(columns)]
    sql = select_sql(selection.sql, columns, expressions)
    with _duckdb_errors():
        relation = selection.cursor.sql(sql, params=dict(selection.parameters))
        reader = relation.to_arrow_reader(_ARROW_ROWS)
    # Two columns may have one name: it is given here, where nothing has to tell them apart.
    schema = pa.schema(
        field.with_name(each.name) for field, each in zip(reader.schema, columns, strict=True)
    )
    return schema, _read(reader, schema, selection.cut)


def _read(reader: pa.RecordBatchReader, schema: pa.Schema, cut: Cut) -> Iterator[pa.RecordBatch]:
    try:
        while not cut.more:
            with _duckdb_errors():
                batch = next(reader, None)
            if batch is None:
                return
            given = batch.slice(0, cut.taken(batch.num_rows))
            yield pa.RecordBatch.from_arrays(given.columns, schema=schema)
    finally:
        reader.close()


@contextmanager
def _duckdb_errors() -> Iterator[None]:
    """Arrow makes an OSError of what DuckDB raises, and keeps its text."""
    try:
        yield
    except (OSError, pa.ArrowException) as exc:
        kind = str(exc).partition(":")[0]
        raise _ERRORS.get(kind, duckdb.Error)(str(exc)) from exc


_ERRORS: dict[str, type[duckdb.Error]] = {
    "INTERRUPT Error": duckdb.InterruptException,
    "Conversion Error": duckdb.ConversionException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Range Error": duckdb.OutOfRangeException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
}


def _column(field: Field, kept: frozenset[str]) -> str:
    type_ = sql_type(field.type)
    if type_.kind in ("HUGEINT", "UHUGEINT"):
        # DuckDB gives Arrow 38 digits, whether they are enough or not; the cast refuses.
        return f"{field.expression}::DECIMAL(38,0)"
    if _is_kept(type_, kept):
        return field.expression
    return text_sql(field.expression, type_)


def _is_kept(type_: SqlType, kept: frozenset[str]) -> bool:
    if type_.kind in _NESTED:
        return all(_is_kept(each, kept) for _, each in type_.fields)
    return type_.kind in kept


WRITERS = {"arrow": arrow_stream, "parquet": parquet_file}

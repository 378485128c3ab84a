"""Rows as Arrow tables: takes rows of texts, gives what DuckDB reads many times as fast."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.base.tables import PART_COLUMN
from headrace.sources.landing import RawRow

_QUARANTINE = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("raw", pa.string()),
        ("column_name", pa.string()),
        ("reason", pa.string()),
        (PART_COLUMN, pa.int32()),
    ]
)


def text_batch(rows: Sequence[tuple[int, RawRow]]) -> pa.Table:
    """The fields of rows as `f0`, `f1`, …; with them their file's `__cell`, and `__row` from 0."""
    columns = list(zip(*(row.fields for _, row in rows), strict=True))
    arrays = [pa.array(values, pa.string()) for values in columns]
    names = [f"f{index}" for index in range(len(columns))]
    parts = pa.array([part for part, _ in rows], pa.int32())
    numbers = pa.array(range(len(rows)), pa.int32())
    return pa.table([*arrays, parts, numbers], names=[*names, PART_COLUMN, "__row"])


def quarantine_batch(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """Rows of a quarantine, each as long as its table has columns."""
    # Column by column: pyarrow makes rows of dicts only, which cost five times as much.
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(values, kind.type) for values, kind in zip(columns, _QUARANTINE, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=_QUARANTINE)

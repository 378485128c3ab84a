"""Partitions in DuckDB's SQL: takes a split and a table's columns, gives expressions over its rows.

An expression of the rows is cheap and typed; the label, which is text, is made of its value once
for each group of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headrace.base.names import quote, quote_text
from headrace.base.partitions import BUCKETS, TIME_GRAINS, Split, runs, shifted, start_of
from headrace.base.tables import Schema

_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
_ZONED = "TIMESTAMP WITH TIME ZONE"


def group_sql(split: Split, schema: Schema) -> str:
    """The expression whose value is the same for two rows just when their partition is."""
    if split.by == "bucket":
        return _bucket(split)
    [column] = split.columns
    kind = _type(split, schema)
    if split.by == "value":
        return quote(column)
    local = f"CAST({quote(column)} AS TIMESTAMP)" if kind == _ZONED else quote(column)
    if split.by == "day":
        return f"CAST({local} AS DATE)"
    return f"date_trunc('{split.by}', {local})"


def label_sql(split: Split, group: str) -> str:
    """The label, as text, of a value of `group_sql`; NULL where the partition is none.

    A time before the year 1 or after 9999, or an infinite one, has none.
    """
    if not split.is_time:
        return f"CAST({group} AS VARCHAR)"
    bounds = "TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'"
    label = f"strftime({group}, {quote_text(_FORMATS[split.by])})"
    # Not every strftime pads the year.
    padded = f"lpad({label}, {TIME_GRAINS[split.by]}, '0')"
    return f"CASE WHEN {group} BETWEEN {bounds} THEN {padded} END"


def within_sql(split: Split, schema: Schema, labels: Iterable[str]) -> str:
    """The condition that holds for the rows of the given partitions, and for no others.

    Of times and values it compares the bare column, so that Parquet's statistics can skip rows.
    """
    if not split.is_time:
        kind = "INTEGER" if split.by == "bucket" else _type(split, schema)
        values = ", ".join(_value(label, kind) for label in labels)
        return f"{group_sql(split, schema)} IN ({values})"
    column, literal = quote(split.columns[0]), _time_literal(_type(split, schema))
    spans = runs(labels, split.by)
    held = [_between(column, literal, span, split.by) for span in spans]
    if len(held) == 1:
        return held[0]
    # The hull in front: DuckDB passes one range on to the file, and not a long OR.
    hull = _between(column, literal, (spans[0][0], spans[-1][1]), split.by)
    return f"{hull} AND ({' OR '.join(held)})"


def _between(column: str, literal: Callable[[str], str], span: tuple[str, str], by: str) -> str:
    after = shifted(span[1], by, 1)
    lower = f"{column} >= {literal(span[0])}"
    return f"({lower} AND {column} < {literal(after)})" if after else f"({lower})"


def _time_literal(kind: str) -> Callable[[str], str]:
    if kind == "DATE":
        return lambda label: f"DATE '{start_of(label).date().isoformat()}'"
    zone = "+00" if kind == _ZONED else ""
    name = "TIMESTAMPTZ" if kind == _ZONED else "TIMESTAMP"
    return lambda label: f"{name} '{start_of(label).isoformat(sep=' ')}{zone}'"


def _value(label: str, kind: str) -> str:
    return quote_text(label) if kind == "VARCHAR" else f"CAST({quote_text(label)} AS {kind})"


def _bucket(split: Split) -> str:
    # MD5 and not DuckDB's hash(), which a later release may change: a key must keep its bucket.
    texts = ", ".join(f"CAST({quote(column)} AS VARCHAR)" for column in split.columns)
    return f"CAST(md5_number_lower(concat_ws(chr(31), {texts})) % {BUCKETS} AS INTEGER)"


def _type(split: Split, schema: Schema) -> str:
    [column] = split.columns
    return next(each.type for each in schema if each.name.lower() == column.lower())

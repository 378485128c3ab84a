"""Rows as text: takes columns, gives SQL expressions by which DuckDB itself writes each row.

It is the one encoder of everything that is read as text: answers, exports and keyed copies have
the same bytes for the same values. docs/serving.md lists what values look like.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from headrace.base.names import quote, quote_text
from headrace.base.tables import Schema
from headrace.engines.json_values import (
    JsonValues,
    Numbers,
    enclosed_sql,
    member_sql,
    text_sql,
)
from headrace.engines.sql_types import sql_type
from headrace.engines.text_values import NESTED, is_free_text

# What a spreadsheet takes for the start of a formula.
FORMULA_STARTS = r"=+\-@\t\r\x00"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a row: an expression that is a plain name, how it is called, and its type."""

    expression: str
    name: str
    type: str


def fields_of(columns: Schema) -> tuple[Field, ...]:
    """The columns of a query under their own names."""
    return tuple(Field(quote(each.name), each.name, each.type) for each in columns)


def json_row_sql(columns: Schema, *, numbers: Numbers = "digits") -> str:
    """An expression that gives each row as one JSON object, on one line; it is never NULL.

    Args:
        columns: what stands in the object, in order; the expression names them, quoted.
        numbers: how wide numbers are written.
    """
    return json_object_sql(fields_of(columns), JsonValues(numbers))


def json_object_sql(fields: Iterable[Field], values: JsonValues) -> str:
    """An expression that gives the fields of each row as one JSON object."""
    parts = []
    for is_native, run in _runs(fields, values):
        if is_native:
            pairs = (f"{quote_text(each.name)}, {_native(each, values)}" for each in run)
            parts.append(f"json_object({', '.join(pairs)})::VARCHAR")
        else:
            members = [member_sql(each.name, _value(each, values)) for each in run]
            parts.append(enclosed_sql("{}", members))
    return _merged("{}", parts)


def json_array_sql(fields: Iterable[Field], values: JsonValues) -> str:
    """An expression that gives the values of each row as one JSON array."""
    parts = []
    for is_native, run in _runs(fields, values):
        if is_native:
            items = ", ".join(_native(each, values) for each in run)
            parts.append(f"json_array({items})::VARCHAR")
        else:
            parts.append(enclosed_sql("[]", [_value(each, values) for each in run]))
    return _merged("[]", parts)


def json_value_sql(field: Field, values: JsonValues) -> str:
    """An expression that gives one field as JSON text; NULL is `null`."""
    if values.is_native(sql_type(field.type)):
        return f"coalesce(to_json({_native(field, values)})::VARCHAR, 'null')"
    return _value(field, values)


def csv_row_sql(fields: Sequence[Field], *, guard: bool) -> str:
    """An expression that gives each row as one line of CSV, without the end of the line.

    NULL is an empty field, the empty text a quoted one.

    Args:
        fields: what stands in the line, in order.
        guard: put a `'` in front of a text that a spreadsheet would run as a formula.
    """
    parts = [part for each in fields for part in ("','", _csv_sql(each, guard=guard))][1:]
    line = f"concat({', '.join(parts)})"
    # A lone NULL would be an empty line, which readers skip: a row would be lost.
    return line if len(fields) > 1 else f"coalesce(nullif({line}, ''), '\"\"')"


def csv_header(names: Iterable[str], *, guard: bool) -> str:
    """The first line of a CSV, without its end."""
    return ",".join(_csv_text(name, guard=guard) for name in names)


def _csv_text(text: str, *, guard: bool) -> str:
    if guard and text.startswith(("=", "+", "-", "@", "\t", "\r", "\0")):
        text = "'" + text
    if text and not any(each in text for each in '",\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def _csv_sql(field: Field, *, guard: bool) -> str:
    type_ = sql_type(field.type)
    text = text_sql(field.expression, type_)
    if not is_free_text(type_) and type_.kind not in NESTED:
        return text
    guarded = guard and is_free_text(type_)
    # What needs no quotes: most texts, and they are told by one look.
    start = rf"[^\s\",{FORMULA_STARTS if guarded else ''}]"
    plain = rf"{start}([^\",\r\n]*[^\s\",])?"
    whole = _guarded(text) if guarded else text
    in_quotes = f"'\"' || replace({whole}, '\"', '\"\"') || '\"'"
    return f"CASE WHEN regexp_full_match({text}, '{plain}') THEN {text} ELSE {in_quotes} END"


def _guarded(text: str) -> str:
    return rf"regexp_replace({text}, '^([{FORMULA_STARTS}])', '''\1')"


def _runs(fields: Iterable[Field], values: JsonValues) -> Iterable[tuple[bool, list[Field]]]:
    """Fields in a row that DuckDB's own functions write as we do, and those between them."""
    for is_native, run in groupby(fields, lambda each: values.is_native(sql_type(each.type))):
        yield is_native, list(run)


def _native(field: Field, values: JsonValues) -> str:
    return values.native_sql(field.expression, sql_type(field.type))


def _value(field: Field, values: JsonValues) -> str:
    return values.sql(field.expression, sql_type(field.type))


def _merged(brackets: str, parts: Sequence[str]) -> str:
    """One array or object of several, none of which is empty."""
    if len(parts) == 1:
        return parts[0]
    return enclosed_sql(brackets, [f"({part})[2:-2]" for part in parts])

"""Values as SQL: takes what a test says and a column's type, gives a literal, or the mistake."""

from __future__ import annotations

import msgspec

from headrace.base.names import near_miss, quote_text
from headrace.pipeline.compile.stored_types import type_field, type_parts
from headrace.pipeline.project.documents import Entries, Items, Node, Scalar
from headrace.pipeline.project.keys import Problems, report, unique_entries
from headrace.pipeline.project.values import has_values, typed

NULL = "NULL"

# Floats have values that no number of YAML or JSON is.
_NOT_FINITE = {
    "nan": "nan",
    ".nan": "nan",
    "inf": "inf",
    ".inf": "inf",
    "-inf": "-inf",
    "-.inf": "-inf",
}
_FLOATS = ("FLOAT", "DOUBLE")


def value_literal(node: Node, type_name: str, problems: Problems) -> str:
    """A value of DuckDB type `type_name` as SQL; NULL, with a problem, when it is none.

    Nothing may be lost: 1.5 is no INTEGER, and 1.239 no DECIMAL(12,2).
    """
    if isinstance(node, Scalar) and node.value is None:
        return NULL
    if type_name == "JSON":
        return _cast(quote_text(_json_text(node)), type_name)
    if type_name.endswith("]"):
        return _list(node, type_name, problems)
    kind, parts = type_parts(type_name)
    if kind == "STRUCT":
        return _struct(node, type_name, parts, problems)
    if kind == "MAP":
        return _map(node, type_name, parts, problems)
    return _scalar(node, type_name, problems)


def _scalar(node: Node, type_name: str, problems: Problems) -> str:
    if not isinstance(node, Scalar):
        report(problems, node, f"a value of type {type_name}")
        return NULL
    text = node.text
    if type_name in _FLOATS and text.lower() in _NOT_FINITE:
        return _cast(quote_text(_NOT_FINITE[text.lower()]), type_name)
    if type_name == "BOOLEAN":
        fits = text.lower() in {"true", "false"}
    else:
        # Of the other types, the engine says what is a value.
        fits = not has_values(type_name) or typed(node, type_name) is not None
    if not fits:
        quotes = type_name == "VARCHAR" and isinstance(node.value, bool)
        fix = "put it into quotes" if quotes else ""
        report(problems, node, f"a value of type {type_name}", fix)
        return NULL
    return _cast(quote_text(text), type_name)


def _list(node: Node, type_name: str, problems: Problems) -> str:
    if not isinstance(node, Items):
        report(problems, node, f"a list: it is {type_name}")
        return NULL
    inner = type_name[: type_name.rindex("[")]
    items = [value_literal(item, inner, problems) for item in node.items]
    return _cast(f"[{', '.join(items)}]", type_name)


def _struct(node: Node, type_name: str, parts: list[str], problems: Problems) -> str:
    if not isinstance(node, Entries):
        report(problems, node, f"a mapping: it is {type_name}")
        return NULL
    types = {_unquoted(name): inner for name, inner in map(type_field, parts)}
    values = dict.fromkeys(types, NULL)
    for key, value in unique_entries(node, problems):
        if key.text in types:
            values[key.text] = value_literal(value, types[key.text], problems)
        else:
            fix = near_miss(key.text, types)
            report(problems, key, f"a field of {type_name}", fix)
    return struct_literal(values, type_name)


def struct_literal(values: dict[str, str], type_name: str) -> str:
    """A struct of fields that are SQL already."""
    fields = ", ".join(f"{quote_text(name)}: {value}" for name, value in values.items())
    return _cast(f"{{{fields}}}", type_name)


def struct_fields(type_name: str) -> list[str]:
    """The names of a struct's fields."""
    return [_unquoted(type_field(part)[0]) for part in type_parts(type_name)[1]]


def _map(node: Node, type_name: str, parts: list[str], problems: Problems) -> str:
    if not isinstance(node, Entries):
        report(problems, node, f"a mapping: it is {type_name}")
        return NULL
    entries = [
        f"{value_literal(key, parts[0], problems)}: {value_literal(value, parts[1], problems)}"
        for key, value in unique_entries(node, problems)
    ]
    return _cast(f"MAP {{{', '.join(entries)}}}", type_name)


def plain(node: Node) -> object:
    """A value as JSON has it. A number keeps the digits that were written."""
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if isinstance(node, Entries):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return msgspec.Raw(node.text.lstrip("+").encode())
    return node.value


def _json_text(node: Node) -> str:
    """The JSON text of a mapping or list; a text is JSON already."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.text
    return msgspec.json.encode(plain(node)).decode()


def _cast(sql: str, type_name: str) -> str:
    return f"CAST({sql} AS {type_name})"


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name

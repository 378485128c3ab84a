"""The shape of a SQL type: takes DuckDB's spelling, gives a tree of kinds and fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_PIECE = re.compile(r"""("(?:[^"]|"")*"|'(?:[^']|'')*'|[(),\[\]]|[^"'(),\[\]]+)""")
_FIELD = re.compile(r'("(?:[^"]|"")*"|\S+)\s+(.+)', re.DOTALL)
_NESTED = ("STRUCT", "UNION", "MAP", "TUPLE")


@dataclass(frozen=True, slots=True)
class SqlType:
    """One type.

    Attributes:
        kind: its name without arguments: "BIGINT", "DECIMAL", "LIST" (of arrays too), "STRUCT".
        text: DuckDB's whole spelling.
        fields: (name, type) of what it is made of: of a list its items, of a map its keys and its
            values, of a struct, tuple or union their members. Only the members of structs and
            unions have names.
    """

    kind: str
    text: str
    fields: tuple[tuple[str, SqlType], ...] = ()


@lru_cache(maxsize=1024)
def sql_type(text: str) -> SqlType:
    """The tree of a type as DuckDB spells it ("STRUCT(a INTEGER, b VARCHAR[])[]")."""
    text = text.strip()
    if text.endswith("]"):
        return SqlType("LIST", text, (("", sql_type(text[: text.rindex("[")])),))
    kind, parenthesis, inner = text.partition("(")
    if not parenthesis:
        return SqlType(text, text)
    if kind not in _NESTED:
        return SqlType(kind, text)
    named = kind in ("STRUCT", "UNION")
    parts = _parts(inner.removesuffix(")"))
    return SqlType(
        kind, text, tuple(_named(each) if named else ("", sql_type(each)) for each in parts)
    )


def _named(text: str) -> tuple[str, SqlType]:
    match = _FIELD.fullmatch(text.strip())
    assert match is not None, text
    name, spelling = match.groups()
    if name.startswith('"'):
        name = name[1:-1].replace('""', '"')
    return name, sql_type(spelling)


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas that are in no parentheses and in no quotes."""
    depth, part = 0, ""
    for piece in _PIECE.findall(text):
        depth += (piece in "([") - (piece in ")]")
        if piece == "," and not depth:
            yield part
            part = ""
        else:
            part += piece
    yield part

"""Values as JSON: takes an expression and its type, gives the expression of its JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from headrace.base.names import quote_text
from headrace.base.types import INTEGER_TYPES
from headrace.engines.sql_types import SqlType
from headrace.engines.text_values import (
    NESTED,
    as_double,
    decimal_digits,
    is_free_text,
    scalar_sql,
    strict_json_sql,
)

Numbers: TypeAlias = Literal["digits", "text"]
"""Whether decimals and integers of 64 bits and more are numbers in JSON, or texts."""

# Those of which JavaScript's numbers do not hold every digit.
_WIDE = frozenset(["BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL", "BIGNUM"])
_BARE = INTEGER_TYPES | {"BOOLEAN", "DECIMAL", "BIGNUM"}
# What DuckDB's own JSON functions write as we do, inside of lists and structs, too.
_PLAIN = INTEGER_TYPES | {"BOOLEAN", "DATE", "TIME", "UUID", "VARCHAR", "ENUM", '"NULL"'}
_ODD = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|(NaN|-?Infinity)')


@dataclass(frozen=True, slots=True)
class JsonValues:
    """How values are written.

    Attributes:
        numbers: how wide numbers are.
        strict: otherwise, NaN and the infinities may stand without quotes, for `strict_json` to
            see to: DuckDB binds such a query in half the time.
        depth: of lists and maps around the value.
    """

    numbers: Numbers = "digits"
    strict: bool = True
    depth: int = 0

    def sql(self, x: str, type_: SqlType) -> str:
        """The JSON text of a value; `null` for NULL."""
        return f"coalesce({self.nullable_sql(x, type_)}, 'null')"

    def is_native(self, type_: SqlType) -> bool:
        """Whether `native_sql` knows the type."""
        kind = type_.kind
        if kind in ("FLOAT", "DOUBLE"):
            return not self.strict
        if kind == "DECIMAL":
            return self._is_text(kind) or decimal_digits(type_)[1] < 38
        if kind in NESTED:
            return self._is_plain(type_)
        return kind != "BIGNUM" or self._is_text(kind)

    def native_sql(self, x: str, type_: SqlType) -> str:
        """What DuckDB's own JSON functions are to be given so that they write `sql`."""
        kind = type_.kind
        if self._is_text(kind):
            return scalar_sql(x, type_)
        if kind == "FLOAT":
            return as_double(x)
        if kind == "DECIMAL":
            # Of a narrower type, they write what a DOUBLE holds of it.
            return f"{x}::DECIMAL(38,{decimal_digits(type_)[1]})"
        if kind in _BARE or kind == "DOUBLE" or self._is_plain(type_):
            return x
        return scalar_sql(x, type_)

    def nullable_sql(self, x: str, type_: SqlType) -> str:
        """The JSON text of a value; NULL for NULL."""
        if self._is_plain(type_):
            return f"to_json({x})::VARCHAR"
        composed = {
            "LIST": self._list,
            "MAP": self._map,
            "STRUCT": self._struct,
            "TUPLE": self._tuple,
            "UNION": self._union,
            "JSON": self._json,
            "VARIANT": self._variant,
        }
        return composed.get(type_.kind, self._scalar)(x, type_)

    def _scalar(self, x: str, type_: SqlType) -> str:
        text, kind = scalar_sql(x, type_), type_.kind
        if kind in ("FLOAT", "DOUBLE"):
            odd = f"WHEN {x} IS NOT NULL THEN {_in_quotes(text)}"
            return f"CASE WHEN isfinite({x}) THEN {text} {odd} END"
        if kind in _BARE and not self._is_text(kind):
            return text
        return f"to_json({text})::VARCHAR" if is_free_text(type_) else _in_quotes(text)

    def _is_text(self, kind: str) -> bool:
        return self.numbers == "text" and kind in _WIDE

    def _is_plain(self, type_: SqlType) -> bool:
        if type_.kind in ("LIST", "STRUCT", "TUPLE"):
            return all(self._is_plain(each) for _, each in type_.fields)
        if type_.kind == "DOUBLE":
            return not self.strict
        return type_.kind in _PLAIN and not self._is_text(type_.kind)

    def _list(self, x: str, type_: SqlType) -> str:
        [(_, item)] = type_.fields
        return self._joined(x, self._inner.sql(self._item, item), "[]")

    def _map(self, x: str, type_: SqlType) -> str:
        [(_, key), (_, value)] = type_.fields
        name = f"to_json({text_sql(f'{self._item}.key', key)})::VARCHAR"
        pair = f"concat({name}, ':', {self._inner.sql(f'{self._item}.value', value)})"
        return self._joined(f"map_entries({x})", pair, "{}")

    def _joined(self, items: str, each: str, brackets: str) -> str:
        texts = f"list_transform({items}, lambda {self._item}: {each})"
        return f"'{brackets[0]}' || array_to_string({texts}, ',') || '{brackets[1]}'"

    @property
    def _item(self) -> str:
        return f"__{self.depth}"

    @property
    def _inner(self) -> JsonValues:
        return replace(self, depth=self.depth + 1)

    def _struct(self, x: str, type_: SqlType) -> str:
        members = [
            member_sql(name, self.sql(f"struct_extract({x}, {quote_text(name)})", each))
            for name, each in type_.fields
        ]
        return f"CASE WHEN {x} IS NOT NULL THEN {enclosed_sql('{}', members)} END"

    def _tuple(self, x: str, type_: SqlType) -> str:
        items = [
            self.sql(f"struct_extract({x}, {position})", each)
            for position, (_, each) in enumerate(type_.fields, start=1)
        ]
        return f"CASE WHEN {x} IS NOT NULL THEN {enclosed_sql('[]', items)} END"

    def _union(self, x: str, type_: SqlType) -> str:
        """A union is the value that it holds."""
        cases = [
            f"WHEN {quote_text(name)} THEN"
            f" {self.sql(f'union_extract({x}, {quote_text(name)})', each)}"
            for name, each in type_.fields
        ]
        return f"CASE union_tag({x})::VARCHAR {' '.join(cases)} END"

    def _json(self, x: str, _: SqlType) -> str:
        return strict_json_sql(f"{x}::VARCHAR")

    def _variant(self, x: str, _: SqlType) -> str:
        return strict_json_sql(f"to_json({x})::VARCHAR")


def text_sql(x: str, type_: SqlType) -> str:
    """A value of any type as text, NULL for NULL: nested ones are JSON."""
    return JsonValues().nullable_sql(x, type_) if type_.kind in NESTED else scalar_sql(x, type_)


def member_sql(name: str, value: str) -> str:
    """The expression of an object's member, from that of its value."""
    return f"concat({quote_text(quoted(name) + ':')}, {value})"


def quoted(text: str) -> str:
    """A text as JSON."""
    return json.dumps(text, ensure_ascii=False)


def enclosed_sql(brackets: str, members: Sequence[str]) -> str:
    """The expression of an array or object, from those of its members, none of which is NULL."""
    glued = [part for member in members for part in ("','", member)][1:]
    return f"concat({', '.join([quote_text(brackets[0]), *glued, quote_text(brackets[1])])})"


def strict_json(text: bytes) -> bytes:
    """A JSON text with quotes around each NaN and infinity that has none."""
    return _ODD.sub(_with_quotes, text) if is_suspect(text) else text


def is_suspect(text: bytes) -> bool:
    """Whether a JSON text may hold NaN or an infinity."""
    return b"NaN" in text or b"Infinity" in text


def _with_quotes(match: re.Match[bytes]) -> bytes:
    return b'"' + match[1] + b'"' if match[1] else match[0]


def _in_quotes(text: str) -> str:
    # `||`, not `concat`: a NULL stays one.
    return f"'\"' || {text} || '\"'"

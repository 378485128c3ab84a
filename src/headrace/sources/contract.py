"""The contract of a row as SQL: takes a source's columns, gives values, misfits and reasons.

DuckDB's casts are lenient: '1.5' becomes the integer 2, '1_000' 1000, ' 7 ' 7, '1.239' the
DECIMAL(12,2) 1.24, and a date forgets its time. So every format is read as text, and a text is a
value of a type only if nothing is lost: it is what the value is written as, or it has the form
that `docs/sources.md` gives for the type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.base.declarations import ColumnContract
from headrace.base.names import quote, quote_text
from headrace.base.types import INTEGER_TYPES, literal, spelt

TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"

_DIGITS = "[0-9]"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6}0*)?)?"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_INTEGER = r"[+-]?[0-9]+"
_FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

# The form of a text of each type. The types that are not here are checked by a condition.
_FORMS: dict[str, str] = {
    "BOOLEAN": "(?i)(true|false|t|f|1|0)",
    "DATE": _DATE,
    "TIME": _CLOCK,
    "TIMESTAMP": f"{_DATE}([ T]{_CLOCK})?",
    TIMESTAMPTZ: f"{_DATE}[ T]{_CLOCK} ?{_ZONE}",
    "UUID": _UUID,
    "FLOAT": _FLOAT,
    "DOUBLE": _FLOAT,
} | dict.fromkeys(INTEGER_TYPES, _INTEGER)

# A text that is exactly what its value is written as has lost nothing: cheaper than its form.
_WRITTEN_ALIKE = INTEGER_TYPES | {"DATE", "TIMESTAMP", "FLOAT", "DOUBLE"}
_FINITE = frozenset({"DATE", "TIMESTAMP", "FLOAT", "DOUBLE"})
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")

# What a text that is no value of the type most often is -> what to do about it.
_HINTS: dict[str, tuple[tuple[str, str], ...]] = {
    "TIMESTAMP": ((f".*{_CLOCK} ?{_ZONE}", "it has a time zone: declare timestamptz"),),
    TIMESTAMPTZ: ((f"{_DATE}.*", "it has no time zone: declare timestamp"),),
    "DATE": ((f"{_DATE}[ T].*", "it has a time: declare timestamp"),),
}


@dataclass(frozen=True, slots=True)
class RowContract:
    """The contract of one row, over a relation with one VARCHAR column for each field.

    Attributes:
        columns: in the order of the table to make.
        nulls: texts that mean NULL.
        empty_is_null: whether the empty text is NULL in columns that are not text. It is in CSV,
            where quotes alone say nothing about the type.
        typed: the columns (by position) whose fields have the column's type already.
    """

    columns: Sequence[ColumnContract]
    nulls: Sequence[str] = ()
    empty_is_null: bool = False
    typed: frozenset[int] = frozenset()

    def converted(self, fields: Sequence[str], carried: Sequence[str], relation: str) -> str:
        """A SELECT of text (`t0` …), typed value (`v0` …, NULL if there is none) and `carried`.

        Args:
            fields: for each column, the SQL name of the VARCHAR column that holds its text.
            carried: SQL of further columns to pass on.
            relation: what to select from, as it stands after FROM.
        """
        inner, outer = [*carried], []
        for index, (column, name) in enumerate(zip(self.columns, fields, strict=True)):
            if index in self.typed:
                inner += [f"CAST({name} AS VARCHAR) AS t{index}", f"{name} AS v{index}"]
            else:
                inner.append(f"{self._text(column, name)} AS t{index}")
                outer.append(f"{typed_value(column.type, f't{index}')} AS v{index}")
        return f"SELECT {', '.join(['*', *outer])} FROM (SELECT {', '.join(inner)} FROM {relation})"

    @property
    def fits(self) -> str:
        """A condition over `converted` that is true exactly for the rows that fit."""
        wrong = [f"({misfit})" for misfit, _ in self._rules() if misfit]
        return f"NOT coalesce({' OR '.join(wrong)}, false)" if wrong else "true"

    @property
    def values(self) -> str:
        """The typed columns over `converted`, by their names."""
        return ", ".join(f"v{i} AS {quote(each.name)}" for i, each in enumerate(self.columns))

    @property
    def reason(self) -> str:
        """All reasons why a row does not fit, in words; "" for a row that fits."""
        whens = [f"CASE WHEN {misfit} THEN {words} END" for misfit, words in self._rules()]
        return f"concat_ws('; ', {', '.join(whens)})" if whens else "''"

    @property
    def first_column(self) -> str:
        """The name of the first column that does not fit; NULL for a row that fits."""
        whens = [
            f"WHEN {' OR '.join(f'({misfit})' for misfit, _ in rules)} THEN {quote_text(name)}"
            for name, rules in self._rules_by_column()
            if rules
        ]
        return f"CASE {' '.join(whens)} END" if whens else "CAST(NULL AS VARCHAR)"

    def _text(self, column: ColumnContract, name: str) -> str:
        nulls = set(self.nulls)
        if self.empty_is_null and column.type != "VARCHAR":
            nulls.add("")
        if not nulls:
            return name
        listed = ", ".join(map(quote_text, sorted(nulls)))
        return f"CASE WHEN {name} NOT IN ({listed}) THEN {name} END"

    def _rules(self) -> list[tuple[str, str]]:
        return [rule for _, rules in self._rules_by_column() for rule in rules]

    def _rules_by_column(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return [
            (column.name, self._column_rules(index, column))
            for index, column in enumerate(self.columns)
        ]

    def _column_rules(self, index: int, column: ColumnContract) -> list[tuple[str, str]]:
        rules = value_rules(column, f"t{index}", f"v{index}")
        return (
            rules
            if index in self.typed
            else [*type_rules(column, f"t{index}", f"v{index}"), *rules]
        )


def typed_value(type_name: str, text: str) -> str:
    """SQL of the value of a text, NULL when it is none of the type; it may still have lost."""
    if type_name == "VARCHAR":
        return text
    if is_nested(type_name):
        return f"TRY_CAST(TRY_CAST({text} AS JSON) AS {type_name})"
    if type_name == TIMESTAMPTZ:
        # DuckDB knows no blank before the zone.
        joined = f"regexp_replace({text}, ' ([Z+-])', '\\1')"
        return f"coalesce(TRY_CAST({text} AS {type_name}), TRY_CAST({joined} AS {type_name}))"
    return f"TRY_CAST({text} AS {type_name})"


def type_rules(column: ColumnContract, text: str, value: str) -> list[tuple[str, str]]:
    """What the type asks of a text: a condition that is true for a misfit, and the reason, as SQL.

    Args:
        column: the contract.
        text: SQL of the text, NULL when there is none.
        value: SQL of `typed_value` of the text.
    """
    misfit = _type_misfit(column.type, text, value)
    prefix = quote_text(f"{column.name}: ")
    reason = f"{prefix} || {_shown(text)} || {_not_of_type(column.type, text)}"
    return [(misfit, reason)] if misfit else []


def value_rules(column: ColumnContract, text: str, value: str) -> list[tuple[str, str]]:
    """What the column's rules ask of a value, in the form of `type_rules`."""
    prefix = quote_text(f"{column.name}: ")
    shown = f"{prefix} || {_shown(text)}"
    known = f"{value} IS NOT NULL"
    rules: list[tuple[str, str]] = []
    if column.not_null:
        rules.append((f"{text} IS NULL", f"{prefix} || 'it is empty, and must not be'"))
    if column.min is not None:
        low = f"{known} AND {value} < {literal(column.min, column.type)}"
        rules.append((low, f"{shown} || {quote_text(f' is less than {column.min}')}"))
    if column.max is not None:
        high = f"{known} AND {value} > {literal(column.max, column.type)}"
        rules.append((high, f"{shown} || {quote_text(f' is more than {column.max}')}"))
    if column.accepted:
        accepted = ", ".join(literal(each, column.type) for each in column.accepted)
        names = ", ".join(map(spelt, column.accepted))
        words = quote_text(f" is none of the accepted values: {names}")
        rules.append((f"{known} AND {value} NOT IN ({accepted})", f"{shown} || {words}"))
    if column.pattern:
        unlike = f"NOT regexp_full_match(CAST({value} AS VARCHAR), {quote_text(column.pattern)})"
        words = quote_text(f" does not match {column.pattern}")
        rules.append((f"{known} AND {unlike}", f"{shown} || {words}"))
    return rules


def misfit_sql(columns: Sequence[ColumnContract]) -> str:
    """A condition that is true for the rows that break a rule, where all columns are typed."""
    names = [quote(column.name) for column in columns]
    rules = [
        f"({misfit})"
        for column, name in zip(columns, names, strict=True)
        for misfit, _ in value_rules(column, name, name)
    ]
    return " OR ".join(rules) or "false"


def _type_misfit(type_name: str, text: str, value: str) -> str:
    """A condition that is true for a text that is no value of the type; "" if all texts are."""
    if type_name == "VARCHAR":
        return ""
    lost = _lossy(type_name, text, value)
    return f"{text} IS NOT NULL AND ({value} IS NULL{f' OR {lost}' if lost else ''})"


def _lossy(type_name: str, text: str, value: str) -> str:
    if is_nested(type_name):
        return _nested_loss(text, value)
    form = _form(type_name)
    if not form:
        return ""
    lost = f"NOT regexp_full_match({text}, {quote_text(form)})"
    if type_name in _WRITTEN_ALIKE or type_name.startswith("DECIMAL"):
        # CASE, unlike AND, is sure to leave the form alone where the cheap test has decided.
        lost = f"CASE WHEN CAST({value} AS VARCHAR) = {text} THEN false ELSE {lost} END"
    return f"NOT isfinite({value}) OR {lost}" if type_name in _FINITE else lost


def _form(type_name: str) -> str:
    if match := _DECIMAL.fullmatch(type_name):
        scale = int(match[2])
        some = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
        return rf"[+-]?([0-9]+(\.[0-9]{{0,{scale}}}0*)?{some})"
    return _FORMS.get(type_name, "")


def is_nested(type_name: str) -> bool:
    """Whether values of the type are lists, structs or maps, which text formats hold as JSON."""
    return type_name.endswith("[]") or type_name.startswith(("STRUCT(", "MAP("))


def _nested_loss(text: str, value: str) -> str:
    """Whether the value, written as JSON again, lacks a leaf of the text or has another one."""
    leaves = (
        "SELECT fullkey, type, atom FROM json_tree({json})"
        " WHERE atom IS NOT NULL AND type NOT IN ('NULL', 'OBJECT', 'ARRAY')"
    )
    given = leaves.format(json=f"TRY_CAST({text} AS JSON)")
    kept = leaves.format(json=f"to_json({value})")
    numeric = "('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')"
    alike = (
        "kept.fullkey = given.fullkey AND (CAST(kept.atom AS VARCHAR) = CAST(given.atom AS VARCHAR)"
        f" OR (kept.type IN {numeric} AND given.type IN {numeric}"
        " AND CAST(kept.atom AS DOUBLE) = CAST(given.atom AS DOUBLE)))"
    )
    return (
        f"EXISTS (SELECT 1 FROM ({given}) AS given"
        f" WHERE NOT EXISTS (SELECT 1 FROM ({kept}) AS kept WHERE {alike}))"
    )


def _shown(text: str) -> str:
    """SQL of a text as a reason shows it: in quotes, and not longer than a line."""
    return (
        f"'''' || CASE WHEN length({text}) > 100 THEN left({text}, 100) || '…' ELSE {text} END"
        " || ''''"
    )


def _not_of_type(type_name: str, text: str) -> str:
    shown = "TIMESTAMPTZ" if type_name == TIMESTAMPTZ else type_name
    article = "an" if shown[0] in "AEIO" else "a"
    plain = quote_text(f" is not {article} {shown}")
    whens = [
        f"WHEN regexp_full_match({text}, {quote_text(form)}) THEN {quote_text(f' ({hint})')}"
        for form, hint in _HINTS.get(type_name, ())
    ]
    return f"{plain} || CASE {' '.join(whens)} ELSE '' END" if whens else plain

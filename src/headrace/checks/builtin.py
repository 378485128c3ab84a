"""The built-in checks: takes what a header declares, gives queries that return the wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from headrace.base.declarations import CheckDeclaration, ColumnContract, DeclaredSeverity
from headrace.base.errors import Place
from headrace.base.names import quote, quote_text
from headrace.base.tables import Schema
from headrace.base.types import literal, spelt
from headrace.checks.figures import (
    change_figures,
    distribution_sql,
    figures_rule,
    figures_sql,
    mean_figures,
    nulls_figures,
    row_count_figures,
)

Form: TypeAlias = Literal["rows", "figures", "newest"]


@dataclass(frozen=True, slots=True)
class CheckQuery:
    """One built-in check, written as SQL.

    Attributes:
        name: "orders.amount: min 0", "orders: key order_id".
        table: the table that it gates.
        tables: every table that it reads, sorted.
        sql: a SELECT of the wrong rows; for unique and key, of the keys that occur twice or are
            NULL, with their number of rows; for a check of the table as a whole, of one row of
            figures, if they are wrong.
        condition: true for a wrong row, where one row at a time decides; else "".
        aggregate: a SQL aggregate over the table, so that its checks share one scan; "" where
            there is none. What it gives is by `form`:
        form: "rows": the number of wrong rows; "figures": true when they are wrong; "newest":
            microseconds since 1970, or a date as text.
        compared: None, or the columns that the published version must have to be compared with.
        columns: the columns of the table that it looks at.
    """

    name: str
    kind: str
    table: str
    tables: tuple[str, ...]
    severity: DeclaredSeverity
    sql: str
    condition: str
    place: Place
    aggregate: str = ""
    form: Form = "rows"
    compared: Schema | None = None
    within_seconds: float = 0.0
    columns: tuple[str, ...] = ()


def declared_checks(
    columns: tuple[ColumnContract, ...],
    key: tuple[str, ...],
    checks: tuple[CheckDeclaration, ...],
    place: Place,
) -> tuple[CheckDeclaration, ...]:
    """Everything that a header asks to be checked: its key, its columns' rules, its `checks:`."""
    keyed = [CheckDeclaration("key", key, place)] if key else []
    ruled = [check for column in columns for check in _column_checks(column)]
    return (*keyed, *ruled, *checks)


def _column_checks(column: ColumnContract) -> list[CheckDeclaration]:
    names, place = (column.name,), column.place
    found: list[CheckDeclaration] = []
    if column.not_null:
        found.append(CheckDeclaration("not_null", names, place))
    if column.unique:
        found.append(CheckDeclaration("unique", names, place))
    if column.accepted:
        found.append(CheckDeclaration("accepted", names, place, accepted=column.accepted))
    if column.min is not None:
        found.append(CheckDeclaration("min", names, place, bound=column.min))
    if column.max is not None:
        found.append(CheckDeclaration("max", names, place, bound=column.max))
    if column.pattern:
        found.append(CheckDeclaration("pattern", names, place, pattern=column.pattern))
    return found


def check_query(
    table: str, schema: Schema, check: CheckDeclaration, key: tuple[str, ...] = ()
) -> CheckQuery:
    """A built-in check of `table` as SQL.

    Args:
        table: the table that it gates; it must have every column of `check.columns`.
        schema: the table's columns: bounds and accepted values are cast to their types.
        check: what was declared.
        key: columns that tell one row from another: they come first in the wrong rows.
    """
    subject = f"{table}.{check.columns[0]}" if len(check.columns) == 1 else table
    query = CheckQuery(
        name=f"{subject}: {rule(check)}",
        kind=check.kind,
        table=table,
        tables=tuple(sorted({table, check.to_table or table})),
        severity=check.severity,
        sql="",
        condition="",
        place=check.place,
        columns=check.columns,
    )
    return _FORMS[check.kind](query, schema, check, key)


def rule(check: CheckDeclaration) -> str:
    """The check in words, without its table: "min 0", "key store_id, day"."""
    listed = ", ".join(check.columns)
    words = {
        "not_null": "not_null" if len(check.columns) == 1 else f"not_null {listed}",
        "unique": "unique" if len(check.columns) == 1 else f"unique {listed}",
        "key": "key" if len(check.columns) == 1 else f"key {listed}",
        "accepted": f"accepted {', '.join(map(spelt, check.accepted))}",
        "min": f"min {check.bound}",
        "max": f"max {check.bound}",
        "pattern": f"pattern {check.pattern}",
        "references": f"references {check.to_table}.{', '.join(check.to_columns)}",
    }
    return words.get(check.kind) or figures_rule(check)


# Checks of rows


def row_condition(check: CheckDeclaration, schema: Schema) -> str:
    """The SQL condition that is true for a row that breaks a check; "" when no row alone does."""
    types = {column.name: column.type for column in schema}
    return _ROW_CONDITIONS[check.kind](check, types) if check.kind in _ROW_CONDITIONS else ""


def _null_condition(check: CheckDeclaration, _types: dict[str, str]) -> str:
    return " OR ".join(f"{quote(column)} IS NULL" for column in check.columns)


def _accepted_condition(check: CheckDeclaration, types: dict[str, str]) -> str:
    [column] = check.columns
    values = ", ".join(literal(value, types[column]) for value in check.accepted)
    return f"{quote(column)} NOT IN ({values})"


def _min_condition(check: CheckDeclaration, types: dict[str, str]) -> str:
    [column] = check.columns
    return f"{quote(column)} < {literal(check.bound, types[column])}"


def _max_condition(check: CheckDeclaration, types: dict[str, str]) -> str:
    [column] = check.columns
    return f"{quote(column)} > {literal(check.bound, types[column])}"


def _pattern_condition(check: CheckDeclaration, _types: dict[str, str]) -> str:
    [column] = check.columns
    pattern = quote_text(check.pattern)
    return f"NOT regexp_full_match(CAST({quote(column)} AS VARCHAR), {pattern})"


def _of_rows(
    query: CheckQuery, schema: Schema, check: CheckDeclaration, key: tuple[str, ...]
) -> CheckQuery:
    condition = row_condition(check, schema)
    return replace(
        query,
        sql=f"SELECT {_listed(schema, key, check)} FROM {quote(query.table)} WHERE {condition}",
        condition=condition,
        aggregate=f"count(*) FILTER (WHERE {condition})",
    )


def _listed(schema: Schema, key: tuple[str, ...], check: CheckDeclaration) -> str:
    """The table's columns: first those that tell which row it is, then those that are wrong."""
    names = [column.name for column in schema]
    by_lower = {name.lower(): name for name in names}
    first = [by_lower[name.lower()] for name in (*key, *check.columns)]
    return ", ".join(quote(name) for name in dict.fromkeys([*first, *names]))


# Checks of keys, and of values in another table: a query each. A count of distinct keys in the
# shared scan costs what the GROUP BY does, and holds the keys of every such check at once.


def _unique(
    query: CheckQuery, _schema: Schema, check: CheckDeclaration, _key: tuple[str, ...]
) -> CheckQuery:
    columns = ", ".join(quote(column) for column in check.columns)
    present = " AND ".join(f"{quote(column)} IS NOT NULL" for column in check.columns)
    sql = (
        f'SELECT {columns}, count(*) AS "rows" FROM {quote(query.table)} WHERE {present}'
        f" GROUP BY {columns} HAVING count(*) > 1"
    )
    return replace(query, sql=sql)


def _keyed(
    query: CheckQuery, _schema: Schema, check: CheckDeclaration, _key: tuple[str, ...]
) -> CheckQuery:
    columns = ", ".join(quote(column) for column in check.columns)
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in check.columns)
    sql = (
        f'SELECT {columns}, count(*) AS "rows" FROM {quote(query.table)}'
        f" GROUP BY {columns} HAVING count(*) > 1 OR {missing}"
    )
    return replace(query, sql=sql)


def _references(
    query: CheckQuery, schema: Schema, check: CheckDeclaration, key: tuple[str, ...]
) -> CheckQuery:
    columns = _listed(schema, key, check)
    condition = unreferenced(check, "child")
    sql = f"SELECT {columns} FROM {quote(query.table)} AS child WHERE {condition}"
    return replace(query, sql=sql)


def unreferenced(check: CheckDeclaration, child: str) -> str:
    """The condition that no row of the other table has the columns of a row of `child`."""
    pairs = list(zip(check.columns, check.to_columns, strict=True))
    present = " AND ".join(f"{child}.{quote(column)} IS NOT NULL" for column, _ in pairs)
    equal = " AND ".join(f"parent.{quote(to)} = {child}.{quote(column)}" for column, to in pairs)
    return (
        f"{present} AND NOT EXISTS (SELECT 1 FROM {quote(check.to_table)} AS parent WHERE {equal})"
    )


# Checks of a table as a whole


def _of_figures(figures: Callable[[CheckDeclaration, str], tuple[dict[str, str], str]]) -> _Form:
    """A check whose figures are aggregates, in the shared scan."""

    def form(
        query: CheckQuery, schema: Schema, check: CheckDeclaration, _key: tuple[str, ...]
    ) -> CheckQuery:
        shown, wrong = figures(check, query.table)
        compared = _compared(schema, check) if check.kind == "change" else None
        sql = figures_sql(query.table, shown, wrong)
        return replace(query, sql=sql, aggregate=wrong, form="figures", compared=compared)

    return form


def _distribution(
    query: CheckQuery, schema: Schema, check: CheckDeclaration, _key: tuple[str, ...]
) -> CheckQuery:
    compared = _compared(schema, check)
    sql = distribution_sql(check, query.table, compared[0].type)
    return replace(query, sql=sql, form="figures", compared=compared)


def _compared(schema: Schema, check: CheckDeclaration) -> Schema:
    return tuple(column for column in schema if column.name in check.columns)


def _freshness(
    query: CheckQuery, schema: Schema, check: CheckDeclaration, _key: tuple[str, ...]
) -> CheckQuery:
    [column] = check.columns
    newest = f"max({quote(column)})"
    is_date = any(each.type == "DATE" for each in schema if each.name == column)
    aggregate = f"CAST({newest} AS VARCHAR)" if is_date else f"epoch_us({newest})"
    sql = f'SELECT {newest} AS "newest" FROM {quote(query.table)}'
    seconds = check.within_seconds
    return replace(query, sql=sql, aggregate=aggregate, form="newest", within_seconds=seconds)


_Form: TypeAlias = Callable[[CheckQuery, Schema, CheckDeclaration, tuple[str, ...]], CheckQuery]
# NULL passes every one of these but not_null: a comparison with NULL is not true.
_ROW_CONDITIONS: dict[str, Callable[[CheckDeclaration, dict[str, str]], str]] = {
    "not_null": _null_condition,
    "accepted": _accepted_condition,
    "min": _min_condition,
    "max": _max_condition,
    "pattern": _pattern_condition,
}
_FORMS: dict[str, _Form] = {
    **dict.fromkeys(_ROW_CONDITIONS, _of_rows),
    "unique": _unique,
    "key": _keyed,
    "references": _references,
    "row_count": _of_figures(row_count_figures),
    "mean": _of_figures(mean_figures),
    "nulls": _of_figures(nulls_figures),
    "freshness": _freshness,
    "change": _of_figures(change_figures),
    "distribution": _distribution,
}
KINDS: tuple[str, ...] = tuple(_FORMS)

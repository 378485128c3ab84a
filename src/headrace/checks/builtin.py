"""The built-in checks: takes what a header declares, gives queries that return the wrong rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.base.declarations import CheckDeclaration, ColumnContract, Severity
from headrace.base.errors import Place
from headrace.base.names import quote, quote_text
from headrace.base.tables import Schema
from headrace.base.types import literal, spelt


@dataclass(frozen=True, slots=True)
class CheckQuery:
    """One built-in check, written as SQL.

    Attributes:
        name: "orders.amount: min 0", "orders: key order_id".
        table: the table that it gates.
        tables: every table that it reads, sorted.
        sql: a SELECT of the wrong rows; for unique and key, of the keys that occur twice or are
            NULL, with their number of rows.
        condition: true for a wrong row, where one row at a time decides; else "".
    """

    name: str
    kind: str
    table: str
    tables: tuple[str, ...]
    severity: Severity
    sql: str
    condition: str
    place: Place


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


def check_query(table: str, schema: Schema, check: CheckDeclaration) -> CheckQuery:
    """A built-in check of `table` as SQL.

    Args:
        table: the table that it gates; it must have every column of `check.columns`.
        schema: the table's columns: bounds and accepted values are cast to their types.
        check: what was declared.
    """
    types = {column.name: column.type for column in schema}
    condition = _ROW_CONDITIONS[check.kind](check, types) if check.kind in _ROW_CONDITIONS else ""
    if condition:
        sql = f"SELECT * FROM {quote(table)} WHERE {condition}"
    else:
        sql = _TABLE_QUERIES[check.kind](table, check)
    subject = f"{table}.{check.columns[0]}" if len(check.columns) == 1 else table
    return CheckQuery(
        name=f"{subject}: {_rule(check)}",
        kind=check.kind,
        table=table,
        tables=tuple(sorted({table, check.to_table or table})),
        severity=check.severity,
        sql=sql,
        condition=condition,
        place=check.place,
    )


def _rule(check: CheckDeclaration) -> str:
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
        "row_count": f"row_count {_range(check)}",
    }
    return words[check.kind]


def _range(check: CheckDeclaration) -> str:
    low = "" if check.min_rows is None else f"min {check.min_rows}"
    high = "" if check.max_rows is None else f"max {check.max_rows}"
    return " ".join(bound for bound in (low, high) if bound)


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


def _unique_sql(table: str, check: CheckDeclaration) -> str:
    columns = ", ".join(quote(column) for column in check.columns)
    present = " AND ".join(f"{quote(column)} IS NOT NULL" for column in check.columns)
    return (
        f'SELECT {columns}, count(*) AS "rows" FROM {quote(table)} WHERE {present}'
        f" GROUP BY {columns} HAVING count(*) > 1"
    )


def _key_sql(table: str, check: CheckDeclaration) -> str:
    columns = ", ".join(quote(column) for column in check.columns)
    missing = " OR ".join(f"{quote(column)} IS NULL" for column in check.columns)
    return (
        f'SELECT {columns}, count(*) AS "rows" FROM {quote(table)}'
        f" GROUP BY {columns} HAVING count(*) > 1 OR {missing}"
    )


def _references_sql(table: str, check: CheckDeclaration) -> str:
    pairs = list(zip(check.columns, check.to_columns, strict=True))
    present = " AND ".join(f"child.{quote(column)} IS NOT NULL" for column, _ in pairs)
    equal = " AND ".join(f"parent.{quote(to)} = child.{quote(column)}" for column, to in pairs)
    return (
        f"SELECT child.* FROM {quote(table)} AS child WHERE {present}"
        f" AND NOT EXISTS (SELECT 1 FROM {quote(check.to_table)} AS parent WHERE {equal})"
    )


def _row_count_sql(table: str, check: CheckDeclaration) -> str:
    low = "" if check.min_rows is None else f"count(*) < {check.min_rows}"
    high = "" if check.max_rows is None else f"count(*) > {check.max_rows}"
    wrong = " OR ".join(bound for bound in (low, high) if bound)
    return f'SELECT count(*) AS "rows" FROM {quote(table)} HAVING {wrong}'


# NULL passes every one of these but not_null: a comparison with NULL is not true.
_ROW_CONDITIONS: dict[str, Callable[[CheckDeclaration, dict[str, str]], str]] = {
    "not_null": _null_condition,
    "accepted": _accepted_condition,
    "min": _min_condition,
    "max": _max_condition,
    "pattern": _pattern_condition,
}
_TABLE_QUERIES: dict[str, Callable[[str, CheckDeclaration], str]] = {
    "unique": _unique_sql,
    "key": _key_sql,
    "references": _references_sql,
    "row_count": _row_count_sql,
}
KINDS: tuple[str, ...] = (*_ROW_CONDITIONS, *_TABLE_QUERIES)

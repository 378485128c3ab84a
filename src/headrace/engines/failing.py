"""Whether a query may fail by a value of a row: takes its tree, or plan; says no where it cannot.

Where a policy leaves rows out, DuckDB may evaluate an expression of the query before it has done
so. One that cannot fail tells nothing of those rows; one that fails tells that there are such rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb

from headrace.engines.trees import Node, walk

# What gives a value, or NULL, of whatever it is given.
_TOTAL = frozenset(
    {"BETWEEN", "CASE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "PARAMETER"}
    | {"STAR", "SUBQUERY", "TYPE"}
)
_OPERATORS = frozenset(
    {"COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE", "OPERATOR_IS_NOT_NULL"}
    | {"OPERATOR_IS_NULL", "OPERATOR_NOT", "OPERATOR_NULLIF"}
)
# Aggregates and window functions see the rows that are left; what they are given is looked at.
_AGGREGATES = "any_value arbitrary avg bool_and bool_or count count_star first last max min sum"
_WINDOWS = """
cume_dist dense_rank first_value lag last_value lead ntile percent_rank rank row_number
"""
_SCALARS = """
!~~ !~~* ~~ ~~* || concat contains day dayofweek dayofyear ends_with greatest hour isodow isoyear
lcase least len length list_contains lower ltrim minute month nullif prefix quarter rtrim second
starts_with suffix trim ucase upper week weekday weekofyear year
"""
_FUNCTIONS = frozenset(f"{_AGGREGATES} {_WINDOWS} {_SCALARS}".split())
_OF_A_PART = frozenset({"date_part", "date_trunc", "datepart", "datetrunc"})


def may_fail(tree: Node) -> bool:
    """Whether a value of a row may make a query fail, by what is written in it.

    A comparison counts as one of values of one type: where a text is compared with a number,
    DuckDB adds a cast that no tree shows, see `casts_values`.
    """
    return any(node.get("type") == "TABLE_FUNCTION" or _is_partial(node) for node in walk(tree))


def casts_values(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    """Whether DuckDB casts anything but constants for a SELECT, written there or not.

    Args:
        connection: to an instance that has the tables, be they empty.
        sql: one SELECT, whose parameters are cast to their types.
    """
    try:
        [statement] = duckdb.extract_statements(sql)
        values: Mapping[str, object] = dict.fromkeys(statement.named_parameters)
        connection.execute("SET explain_output = 'all'")
        explained = f"EXPLAIN (FORMAT JSON) {sql}"
        rows = connection.execute(explained, dict(values) or None).fetchall()
    except (duckdb.Error, ValueError):
        return True
    # As it is bound, before the optimizer has taken away what empty tables need not.
    plans = [text for name, text in rows if name == "logical_plan"]
    return len(plans) != 1 or _CAST_OF_A_VALUE.search(plans[0]) is not None


# A plan says constants as they are written; names that look like one are in quotes.
_CAST_OF_A_VALUE = re.compile(
    r"(?<!TRY_)\bCAST\((?!'|-?[0-9]|NULL\b|true\b|false\b|(?:TRY_)?CAST\()"
)


def _is_partial(node: Node) -> bool:
    kind = node.get("class")
    if kind is None or kind in _TOTAL:
        return False
    if kind == "CAST":
        return not (node.get("try_cast") or _is_typed(node["child"]) or _is_literal(node))
    if kind == "OPERATOR":
        return node["type"] not in _OPERATORS
    if kind in ("FUNCTION", "WINDOW"):
        return not (_is_total(node) or _is_literal(node))
    return True


def _is_typed(node: Node) -> bool:
    """Whether a value has the type that it is cast to: a request's parameters are read before."""
    return node.get("class") == "PARAMETER"


def _is_total(node: Node) -> bool:
    name = str(node["function_name"]).lower()
    if name in _OF_A_PART:
        # Of a part that is written there: a column might hold the name of none.
        return bool(node["arguments"][0]["expression"]["class"] == "CONSTANT")
    return name in _FUNCTIONS


def _is_literal(node: Node) -> bool:
    """Whether a value is written in the query, such as `DATE '2024-01-31' - INTERVAL 1 MONTH`."""
    for each in walk(node):
        kind = each.get("class")
        is_written = kind in (None, "CAST", "CONSTANT", "TYPE")
        if not (is_written or (kind == "FUNCTION" and _writes(each["function_name"]))):
            return False
    return True


def _writes(function: str) -> bool:
    return function.lower() in ("+", "-", "*", "list_value", "trunc") or function.startswith("to_")

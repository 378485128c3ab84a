"""Reads a rule of rows: takes the text of a predicate, gives it as a query with parameters.

A rule decides each row by that row and by who asks, and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb

from headrace.base.names import quote
from headrace.engines.tree_texts import as_statement, serialized, spelled
from headrace.engines.trees import Node, canonical, is_query, parents, walk
from headrace.pipeline.compile.pinning import CLOCK_FUNCTIONS
from headrace.pipeline.compile.queries import ALLOWED, AUTH, Mistake, Predicate
from headrace.pipeline.compile.refusals import SESSION_FUNCTIONS, VOLATILE_FUNCTIONS

# Of a claim, only what can be no other parameter of a scope.
_CLAIM = re.compile(r"(?!(?:case_\d+|mask_\d+|salt)$)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)
_ROW = "a condition over the columns of its own table and `$auth.<claim>`"
_CHANGING = VOLATILE_FUNCTIONS | CLOCK_FUNCTIONS | SESSION_FUNCTIONS


def read_predicate(
    connection: duckdb.DuckDBPyConnection, text: str, table: str, aggregates: frozenset[str]
) -> Predicate | Mistake:
    """A rule as `SELECT <rule> AS allowed FROM <table>`; its names are not looked up yet.

    Args:
        connection: of any instance: it only parses.
        text: as the user wrote it.
        table: the table whose rows it is for.
        aggregates: the names of all functions over several rows.
    """
    read = _expression(connection, text, table)
    if isinstance(read, Mistake):
        return read
    statement, expression = read
    for mistake in (*_claims(expression), *_beyond_the_row(expression, aggregates)):
        return mistake
    _name_parameters(expression)
    names = tuple(dict.fromkeys(_columns(expression, table)))
    sql = spelled(connection, as_statement(statement["node"]))
    if sql is None:
        return Mistake(1, 0, "DuckDB cannot write this rule again", _ROW)
    return Predicate(sql, names)


def _expression(
    connection: duckdb.DuckDBPyConnection, text: str, table: str
) -> tuple[Node, Node] | Mistake:
    """The statement around a rule, and the one expression that is the rule."""
    # On lines of its own, so that a comment at its end hides nothing.
    answer = serialized(connection, f"SELECT (\n{text}\n) AS {ALLOWED} FROM {quote(table)}")
    frame = serialized(connection, f"SELECT NULL AS {ALLOWED} FROM {quote(table)}")
    if answer["error"]:
        return Mistake(1, 0, str(answer["error_message"]), _ROW)
    [expected] = frame["statements"]
    first: Node = answer["statements"][0]
    around = {**first["node"], "select_list": expected["node"]["select_list"]}
    columns = first["node"].get("select_list", [])
    if len(answer["statements"]) > 1 or canonical(around) != canonical(expected["node"]):
        return Mistake(1, 0, "it is not one condition", _ROW)
    if len(columns) != 1 or columns[0]["alias"] != ALLOWED:
        return Mistake(1, 0, "it is not one condition", _ROW)
    return first, columns[0]


def _claims(expression: Node) -> Iterator[Mistake]:
    """What is wrong with the parameters of a rule."""
    above = parents({"rule": expression})
    for node in walk(expression):
        if node.get("class") != "PARAMETER":
            continue
        name = node["identifier"]
        claim = _claim(above[id(node)]) if name.lower() == AUTH else ""
        if name.lower() != AUTH:
            hint = "a rule takes `$auth.<claim>` from who asks, and nothing else"
            yield Mistake(1, 0, f"`${name}` is no claim", _ROW, hint)
        elif not claim:
            yield Mistake(1, 0, "`$auth` alone is no value", "`$auth.<claim>`")
        elif claim.lower() == "roles":
            fix = "write a rule for each role: rows: {store_manager: …, head_office: all}"
            yield Mistake(1, 0, "`$auth.roles` cannot be compared", fix=fix)
        elif _CLAIM.fullmatch(claim) is None:
            expected = "letters, digits and underscores, and no `salt`, `case_0` or `mask_0`"
            yield Mistake(1, 0, f"`$auth.{claim}` is not the name of a claim", expected)


def _claim(node: Node) -> str:
    """The claim that `$auth.<claim>` names; "" for any other node around `$auth`."""
    if node.get("type") != "STRUCT_EXTRACT":
        return ""
    constant = node["children"][1]
    literal = constant.get("literal") or {}
    return str(literal.get("text", "")) if literal.get("kind") == "STRING" else ""


def _beyond_the_row(expression: Node, aggregates: frozenset[str]) -> Iterator[Mistake]:
    """What in a rule looks beyond its row and who asks."""
    for node in walk(expression):
        name = str(node.get("function_name", "")).lower()
        kind = node.get("class")
        if is_query(node):
            fix = "put what it needs into a column of the table, in a model"
            yield Mistake(1, 0, "a rule has no subquery", _ROW, fix)
        elif kind == "WINDOW" or name in aggregates or name == "unnest":
            yield Mistake(1, 0, f"`{name}()` is not over one row", _ROW)
        elif name in _CHANGING and not (name == "age" and len(node["arguments"]) > 1):
            yield Mistake(1, 0, f"`{name}()` gives another value each time", _ROW)
        elif kind == "STAR":
            yield Mistake(1, 0, "a rule has no `*`", _ROW)
        elif name == "contains" and _is_claim(node["arguments"][0]["expression"]):
            fix = "write list_contains($auth.<claim>, column), or starts_with, or LIKE"
            yield Mistake(1, 0, "whether a claim is a list or a text cannot be told here", fix=fix)


def _columns(expression: Node, table: str) -> Iterator[str]:
    """The names that a rule uses as columns, without the table's own before them.

    The rule also holds for what is kept beside the table, `<table>__history` for one.
    """
    for node in walk(expression):
        if node.get("class") == "COLUMN_REF":
            parts: list[str] = node["column_names"]
            if len(parts) > 1 and parts[0].lower() == table.lower():
                node["column_names"] = parts[1:]
            yield node["column_names"][0]


def _is_claim(node: Node) -> bool:
    return bool(_claim(node)) and node["children"][0].get("identifier", "").lower() == AUTH


def _name_parameters(expression: Node) -> None:
    """Make each `$auth.<claim>` the parameter `$auth_<claim>`, where it stands."""
    for node in walk(expression):
        if _is_claim(node):
            name, alias = f"{AUTH}_{_claim(node)}", node["alias"]
            parameter = {**node["children"][0], "identifier": name, "alias": alias}
            node.clear()
            node.update(parameter)

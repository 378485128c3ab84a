"""Narrows what a SELECT sees: takes SQL and a SELECT for each table, gives SQL that reads those.

Each reference to a table becomes a subquery under the same name, so that nothing in the query, a
filter, a join or a subquery, can be pushed past what the table's own SELECT lets through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import count

import duckdb

from headrace.base.errors import UsageError
from headrace.base.names import listed
from headrace.engines.harmless_functions import HARMLESS, HARMLESS_TABLES
from headrace.engines.tree_texts import as_statement, serialized, spelled
from headrace.engines.trees import Node, base_tables, canonical, ctes, is_query, walk

_CATALOGS, _SCHEMAS = frozenset({"", "memory"}), frozenset({"", "main"})
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
# Table functions that read a table by a name that is a value: no tree shows which.
_BY_TEXT = frozenset({"query", "query_table", "histogram", "histogram_values", "seq_scan"})


def scoped_sql(connection: duckdb.DuckDBPyConnection, sql: str, selects: Mapping[str, str]) -> str:
    """A SELECT in which every reference to a table of `selects` reads that SELECT instead.

    Args:
        connection: of any instance: it only parses.
        sql: one SELECT; its parameters stay.
        selects: name of a table -> one SELECT whose only FROM is that table.

    Raises:
        UsageError: the text is not one SELECT, or reads a table in a way that cannot be narrowed.
    """
    tree = _query(connection, sql)
    if walls := [*_unreadable(tree), *_unscopable(tree)]:
        raise UsageError(walls[0])
    inner = {name.lower(): _query(connection, text) for name, text in selects.items()}
    found = [node for node in base_tables(tree) if node["table_name"].lower() in inner]
    _rename_ctes(tree, inner.keys(), {id(node) for node in found})
    for node in found:
        _replace(node, deepcopy(inner[node["table_name"].lower()]))
    if found:
        _shorten(tree, inner.keys())
    text = spelled(connection, as_statement(tree))
    if text is None or _plain(canonical(_query(connection, text))) != _plain(canonical(tree)):
        raise UsageError(
            "DuckDB cannot write this query again as it was read; "
            "expected a simpler one, above all in what it says beside its tables"
        )
    return text


def tables_read(connection: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    """The tables that a SELECT reads, in lower case; it looks up none of them.

    Raises:
        UsageError: the text is not one SELECT.
    """
    return frozenset(node["table_name"].lower() for node in base_tables(_query(connection, sql)))


def require_known(
    connection: duckdb.DuckDBPyConnection, sql: str, tables: Iterable[str]
) -> tuple[str, ...]:
    """Make sure that a SELECT of somebody who is not trusted reads the `tables` and nothing else.

    It is a wall beside the engine's own, which keeps a query from files outside of the store.

    Returns:
        the tables that it reads, as `tables` spells them, sorted.

    Raises:
        UsageError: the text is not one SELECT, or what else it reads or calls.
    """
    tree = _query(connection, sql)
    known = {name.lower(): name for name in tables}
    walls = [*_unreadable(tree), *_unscopable(tree), *_calls(tree)]
    if walls:
        raise UsageError(walls[0])
    names = [node["table_name"] for node in base_tables(tree)]
    if unknown := sorted({name for name in names if name.lower() not in known}):
        # Those that are there and not for the asker are said no differently.
        raise UsageError(
            f"there is no table {listed(unknown)} here; expected one of {listed(sorted(tables))}"
        )
    return tuple(sorted({known[name.lower()] for name in names}))


def _query(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    """The tree of the one SELECT in a text."""
    answer = serialized(connection, sql)
    statements = [] if answer["error"] else answer["statements"]
    if len(statements) != 1:
        found = answer.get("error_message") or f"{len(statements)} statements"
        raise UsageError(f"the query is not one SELECT; expected exactly one SELECT; {found}")
    tree: Node = statements[0]["node"]
    return tree


def _unreadable(tree: Node) -> Iterator[str]:
    """What no query over a snapshot may do."""
    for node in walk(tree):
        kind = str(node.get("type"))
        if is_query(node) and kind not in _QUERIES:
            yield "the query changes a table; expected one that reads"
        if kind == "SHOW_REF":
            yield "DESCRIBE, SHOW and SUMMARIZE are not queries over rows; expected a SELECT"


def _unscopable(tree: Node) -> Iterator[str]:
    """The ways to read a table that a policy of its rows cannot follow."""
    for node in base_tables(tree):
        path = ".".join(node["qualified_name"]["path"])
        catalog, schema = node["catalog_name"].lower(), node["schema_name"].lower()
        if catalog not in _CATALOGS or schema not in _SCHEMAS:
            yield f"`{path}` is outside of the snapshot; expected a table of it by its own name"
        if node["at_clause"]:
            yield f"`{path} AT (…)` asks for an older version; a query reads the newest one"
    for node in walk(tree):
        name = _table_function(node)
        if name in _BY_TEXT:
            yield f"`{name}()` reads a table by a text; expected the table itself"


def _calls(tree: Node) -> Iterator[str]:
    """The functions that may read more than their arguments."""
    tables = {id(node["function"]) for node in walk(tree) if _table_function(node)}
    for node in walk(tree):
        name = _table_function(node)
        if name and name not in HARMLESS_TABLES:
            yield f"`{name}()` is not for ad-hoc queries; expected one of {listed(HARMLESS_TABLES)}"
        elif "function_name" in node and id(node) not in tables:
            yield from _called(node)


def _called(node: Node) -> Iterator[str]:
    name = str(node["function_name"]).lower()
    places = {str(node.get("schema", "")).lower(), str(node.get("catalog", "")).lower()}
    if name not in HARMLESS or not places <= {"", "main", "system"}:
        yield f"`{name}()` is not for ad-hoc queries; expected a function of its arguments alone"


def _table_function(node: Node) -> str:
    """The name of the function that a FROM clause calls; "" for any other node."""
    if node.get("type") != "TABLE_FUNCTION":
        return ""
    return str(node["function"].get("function_name", "?")).lower()


def _rename_ctes(tree: Node, names: Collection[str], tables: Collection[int]) -> None:
    """Give each WITH query with the name of a table another one, and what refers to it, too.

    Then no reference by that name is left: one that were taken for a WITH query's by mistake would
    name nothing, and would not read the table past its policy.

    Args:
        tree: of the query.
        names: of the tables, in lower case.
        tables: the ids of the nodes that are references to tables.
    """
    taken = {str(value).lower() for node in walk(tree) for value in _table_names(node)}
    others = {name: _free(name, taken) for name in names}
    for node in walk(tree):
        if is_query(node):
            for entry in node["cte_map"].get("map", []):
                entry["key"] = others.get(entry["key"].lower(), entry["key"])
        if "cte_name" in node:
            node["cte_name"] = others.get(node["cte_name"].lower(), node["cte_name"])
        if node.get("type") == "BASE_TABLE" and id(node) not in tables:
            name = others.get(node["table_name"].lower(), node["table_name"])
            if name != node["table_name"]:
                node["alias"] = node["alias"] or node["table_name"]
                node["table_name"], node["qualified_name"] = name, {"path": [name]}


def _table_names(node: Node) -> Iterator[str]:
    yield from (node[key] for key in ("table_name", "cte_name") if key in node)
    if is_query(node):
        yield from (name for name, _ in ctes(node))


def _free(name: str, taken: Collection[str]) -> str:
    """A name for a WITH query that nothing else in a query has."""
    numbers = (f"{name}_with_{number}" for number in count(1))
    return next(each for each in numbers if each not in taken)


def _replace(node: Node, select: Node) -> None:
    """Make a BASE_TABLE node a subquery of the same name, columns and sample."""
    own = [each for each in base_tables(select) if each is select["from_table"]]
    assert len(own) == 1, "a policy's SELECT reads its table and nothing else"
    for key in ("table_name", "schema_name", "catalog_name", "qualified_name"):
        own[0][key] = node[key]
    outside = {
        "type": "SUBQUERY",
        "alias": node["alias"] or node["table_name"],
        "sample": node["sample"],
        "query_location": node["query_location"],
        "query_location_length": node["query_location_length"],
        "subquery": {"node": select, "named_param_map": []},
        "column_name_alias": node["column_name_alias"],
    }
    node.clear()
    node.update(outside)


def _shorten(tree: Node, names: Collection[str]) -> None:
    """Take `main.` and `memory.main.` from columns of the tables: a subquery has no schema."""
    for node in walk(tree):
        parts = node.get("column_names")
        if isinstance(parts, list) and node.get("class") == "COLUMN_REF":
            lower = [part.lower() for part in parts]
            start = 2 if lower[:2] == ["memory", "main"] else 1 if lower[:1] == ["main"] else 0
            if len(lower) > start + 1 and lower[start] in names:
                node["column_names"] = parts[start:]


def _plain(part: object) -> object:
    """A canonical tree to compare, without what the parser says once more of its own output.

    That is a subquery around each VALUES, and the alias of an argument that has a name.
    """
    if isinstance(part, list):
        return [_plain(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = _only_values(part) or part
    if kept.keys() == {"name", "expression"} and kept["name"]:
        kept = {**kept, "expression": {**kept["expression"], "alias": ""}}
    return {key: _plain(value) for key, value in kept.items()}


def _only_values(node: Node) -> Node | None:
    """The VALUES of a subquery that is nothing but those; None for any other node."""
    if node.get("type") != "SUBQUERY" or node.get("alias") != "valueslist":
        return None
    inner: Node = node["subquery"]["node"]
    values: Node = inner.get("from_table") or {}
    return values if values.get("type") == "EXPRESSION_LIST" else None

"""Turns SQL into DuckDB's parse trees and back: takes a text or a tree, gives the other."""

from __future__ import annotations

import duckdb
import msgspec

from headrace.engines.trees import Node, canonical, parameters


def serialized(connection: duckdb.DuckDBPyConnection, text: str) -> Node:
    """DuckDB's answer to json_serialize_sql."""
    [(answer,)] = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    decoded: Node = msgspec.json.decode(answer)
    return decoded


def spelled(connection: duckdb.DuckDBPyConnection, statement: Node) -> str | None:
    """A tree as SQL on one line; None when DuckDB cannot write it."""
    tree = msgspec.json.encode({"error": False, "statements": [statement]}).decode()
    try:
        [(text,)] = connection.execute("SELECT json_deserialize_sql(?::JSON)", [tree]).fetchall()
    except duckdb.Error:
        return None
    return str(text)


def faithful(connection: duckdb.DuckDBPyConnection, statement: Node) -> str | None:
    """A tree as SQL; None when DuckDB would not read that as the same tree.

    It does not for VALUES lists, which its parser rewrites.
    """
    text = spelled(connection, statement)
    if text is None:
        return None
    again = serialized(connection, text)
    same = not again["error"] and canonical(again["statements"]) == canonical([statement])
    return text if same else None


def as_statement(tree: Node) -> Node:
    """A query's tree as a statement: DuckDB wants its parameters numbered beside it."""
    names = dict.fromkeys(each["identifier"] for each in parameters(tree))
    numbered = [{"key": name, "value": number} for number, name in enumerate(names, start=1)]
    return {"node": tree, "named_param_map": numbered}

"""Reads SQL with DuckDB's own parser: takes a text, gives its parse tree, or why it has none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import msgspec

from headrace.engines.trees import Node, line_and_column
from headrace.pipeline.compile.queries import Mistake

_PIVOT = re.compile(r"\bpivot\b", re.IGNORECASE)


def read_statement(connection: duckdb.DuckDBPyConnection, text: str) -> Node | Mistake:
    """The tree of the one SELECT that a text holds."""
    [statement] = read_statements(connection, [text])
    return statement


def read_statements(
    connection: duckdb.DuckDBPyConnection, texts: Sequence[str]
) -> list[Node | Mistake]:
    """Of each text the tree of its one SELECT, in order.

    One query for all, as most of its cost is fixed. DuckDB's parser and no other: what it reads is
    what the engine will run, in every construct that the engine knows, with the byte at which each
    name stands.
    """
    sql = "SELECT json_serialize_sql(text) FROM (SELECT unnest(?::VARCHAR[]) AS text)"
    answers = connection.execute(sql, [list(texts)]).fetchall()
    return [
        _read(text, msgspec.json.decode(answer))
        for text, (answer,) in zip(texts, answers, strict=True)
    ]


def _read(text: str, answer: Node) -> Node | Mistake:
    if answer["error"]:
        return _unread(text, answer)
    statements: list[Node] = answer["statements"]
    if not statements:
        return Mistake(1, 1, "there is no query here", "one SELECT")
    if len(statements) > 1:
        place = line_and_column(text, _second_statement(text))
        return Mistake(*place, "a second statement starts here", "one SELECT a file")
    return statements[0]


def without_semicolon(text: str) -> str:
    """A text of one statement up to its semicolon, if it has one."""
    ends = _semicolons(text) if ";" in text else []
    return text.encode()[: ends[0]].decode() if ends else text


def _semicolons(text: str) -> list[int]:
    data = text.encode()
    return [
        at
        for at, kind in duckdb.tokenize(text)
        if kind == duckdb.token_type.operator and data[at : at + 1] == b";"
    ]


def _second_statement(text: str) -> int:
    """The byte at which the second statement starts."""
    ends = _semicolons(text)
    starts = (
        at
        for at, kind in duckdb.tokenize(text)
        if at > ends[0] and at not in ends and kind != duckdb.token_type.comment
    )
    return next(starts, ends[0])


def _unread(text: str, answer: Node) -> Mistake:
    """Why DuckDB gave no tree."""
    message = str(answer["error_message"])
    if "position" in answer:
        return Mistake(*line_and_column(text, int(answer["position"])), message, "one SELECT")
    if answer["error_type"] == "parser":
        return Mistake(1, 1, message, "one SELECT")
    if "Mixing named" in message:
        return Mistake(0, 0, "named and positional parameters are mixed", "`$name` throughout")
    if (found := _PIVOT.search(text)) is not None:
        place = line_and_column(text, len(text[: found.start()].encode()))
        return Mistake(
            *place,
            "the columns of this PIVOT depend on the data",
            fix="list its values: PIVOT … ON column IN ('a', 'b') …",
        )
    return Mistake(1, 1, "this is not a query", "one SELECT")

"""The user's own words for a part of a query: takes its text and a node, gives an excerpt."""

from __future__ import annotations

from headrace.engines.trees import Node, line_and_column, location, walk

_LONGEST = 72


def excerpt(text: str, node: Node) -> str:
    """A clause on one line, as it is written; cut where it is long, "" where no text is its own."""
    span = _span(node)
    if span is None:
        return ""
    data = text.encode()
    words = " ".join(data[_opened(data, *span) : span[1]].decode(errors="ignore").split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1].rstrip() + "…"


def spelled(text: str, node: Node) -> str:
    """The same of a clause that may be none of the text's own, as that of a row policy."""
    written = excerpt(text, node)
    if written or node.get("class") != "COLUMN_REF":
        return written or "an expression"
    return ".".join(node["column_names"])


def place_of(text: str, node: Node | None) -> tuple[int, int]:
    """Line and column at which a clause begins, from 1; that of the text where none is known."""
    span = None if node is None else _span(node)
    return (1, 0) if span is None else line_and_column(text, span[0])


def _span(node: Node) -> tuple[int, int] | None:
    """The bytes from the first to the last of a node and all below it.

    DuckDB places an operator at its sign or word, and its left side before that.
    """
    found = [
        (at, at + int(each["query_location_length"]))
        for each in walk(node)
        if (at := location(each)) is not None
    ]
    return (min(at for at, _ in found), max(end for _, end in found)) if found else None


def _opened(data: bytes, start: int, end: int) -> int:
    """Where a stretch begins with the parentheses that are closed in it."""
    depth = lowest = 0
    for byte in data[start:end]:
        depth += (byte == ord("(")) - (byte == ord(")"))
        lowest = min(lowest, depth)
    for _ in range(-lowest):
        start = data.rfind(b"(", 0, start)
    return start

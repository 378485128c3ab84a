"""Finds what changes from run to run: takes a parse tree, gives its functions of clock and dice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.engines.trees import Node, line_and_column, location, walk
from headrace.pipeline.compile.pinning import BARE_CLOCK, CLOCK_FUNCTIONS, DICE_FUNCTIONS
from headrace.pipeline.compile.queries import VolatileUse


def volatile_functions(text: str, tree: Node) -> tuple[VolatileUse, ...]:
    """The functions of clock and dice that are written with parentheses."""
    found = [(node, name) for node in walk(tree) if (name := _function(node))]
    # Most queries have none: what is named is looked for only then.
    unnamed = _unnamed(tree) if found else set()
    return tuple(
        _use(text, node, name, "" if name == "age" or id(node) not in unnamed else f"{name}()")
        for node, name in found
    )


def volatile_names(text: str, tree: Node, unresolved: Iterable[Node]) -> tuple[VolatileUse, ...]:
    """The names among `unresolved` column references that are functions of the clock."""
    # By their ids: the tracer may come to one reference by two ways.
    found = {
        id(node): node
        for node in unresolved
        if len(node["column_names"]) == 1 and node["column_names"][0].lower() in BARE_CLOCK
    }
    unnamed = _unnamed(tree) if found else set()
    uses = []
    for node in found.values():
        written = node["column_names"][0]
        name = written if id(node) in unnamed else ""
        uses.append(_use(text, node, written.lower(), name))
    return tuple(uses)


def _function(node: Node) -> str:
    """The name of a function of clock or dice; "" for any other node."""
    if node.get("type") != "FUNCTION":
        return ""
    name = str(node["function_name"]).lower()
    if name == "age":
        return name if len(node["arguments"]) == 1 else ""
    return name if name in CLOCK_FUNCTIONS | DICE_FUNCTIONS else ""


def _use(text: str, node: Node, name: str, column_name: str) -> VolatileUse:
    at = location(node)
    line, column = (0, 0) if at is None else line_and_column(text, at)
    start = at or 0
    end = start if at is None else start + int(node["query_location_length"])
    return VolatileUse(name, line, column, name not in DICE_FUNCTIONS, start, end, column_name)


def _unnamed(tree: Node) -> set[int]:
    """The ids of the expressions that are a column of a SELECT, and are named by their text."""
    return {id(each) for node in walk(tree) for each in _columns(node) if not each.get("alias")}


def _columns(node: Node) -> Iterator[Node]:
    yield from node.get("select_list") or ()

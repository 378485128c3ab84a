"""What no query of a project may hold: takes a parse tree, gives what it holds of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headrace.base.names import is_name
from headrace.engines.trees import Node, line_and_column, location, walk
from headrace.pipeline.compile.pinning import CLOCK_FUNCTIONS, DICE_FUNCTIONS
from headrace.pipeline.compile.queries import Mistake

# Table functions whose rows follow from their arguments alone.
PURE_TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
# Functions whose value does not follow from their arguments, nor from the clock alone.
VOLATILE_FUNCTIONS = (
    CLOCK_FUNCTIONS
    | DICE_FUNCTIONS
    | {"nextval", "currval", "setval", "txid_current", "current_query_id"}
    | {"current_transaction_id", "current_connection_id"}
)
# Functions that read the session, the catalog or the machine, or act on them.
SESSION_FUNCTIONS = frozenset(
    {"getvariable", "getenv", "current_setting", "current_query", "current_database", "user"}
    | {"current_schema", "current_schemas", "in_search_path", "current_role", "current_user"}
    | {"session_user", "sleep_ms", "write_log", "stats", "vector_type", "current_catalog"}
)
# What is a function without its parentheses, unless there is a column of that name.
_BARE_SESSION = frozenset(
    {"current_user", "session_user", "current_role", "current_catalog", "current_schema", "user"}
)
_SOURCE_FIX = "declare a source for it in sources/ and read that"


def refused(text: str, tree: Node) -> list[Mistake]:
    """Everything in a query that reads outside the project, changes data or cannot be repeated."""
    return [
        Mistake(*position(text, node), found, fix=fix)
        for node in walk(tree)
        for found, fix in _reasons(node)
    ]


def refused_names(text: str, unresolved: Sequence[Node]) -> list[Mistake]:
    """The names among `unresolved` column references that are no value of a row."""
    found: list[Mistake] = []
    for node in unresolved:
        name = node["column_names"][0].lower()
        if name in _BARE_SESSION:
            why, fix = f"`{name}` reads the session, not the project", "write the value itself"
            found.append(Mistake(*position(text, node), why, fix=fix))
        elif node["column_names"][-1].lower() == "rowid":
            why = "`rowid` is a row's place in a file, not a value of it"
            found.append(Mistake(*position(text, node), why, fix="use a column that names the row"))
    return found


def position(text: str, node: Node) -> tuple[int, int]:
    """Line and column at which a node of a text's tree starts; (0, 0) when the tree has none."""
    at = location(node)
    if at is None:
        at = next((found for each in walk(node) if (found := location(each)) is not None), None)
    return (0, 0) if at is None else line_and_column(text, at)


def _reasons(node: Node) -> Iterator[tuple[str, str]]:
    check = _CHECKS.get(str(node.get("type")))
    if check is not None:
        yield from check(node)
    if node.get("sample"):
        yield "a sample differs from run to run", "filter by a hash of the key instead"


def _function(node: Node) -> Iterator[tuple[str, str]]:
    name = str(node["function_name"]).lower()
    if name in VOLATILE_FUNCTIONS - CLOCK_FUNCTIONS - DICE_FUNCTIONS:
        yield f"`{name}()` gives another value at every run", "derive the value from the data"
    elif name in SESSION_FUNCTIONS:
        yield f"`{name}()` reads the session, not the project", "write the value itself"


def _table(node: Node) -> Iterator[tuple[str, str]]:
    name, schema = node["table_name"], node["schema_name"]
    if node.get("at_clause"):
        yield f"`{name} AT (…)` asks for an older version", "a query reads the newest version"
    if node["catalog_name"] or schema.lower() not in {"", "main"}:
        full = ".".join(node["qualified_name"]["path"])
        yield f"`{full}` is outside the project", _SOURCE_FIX
    elif not is_name(name):
        yield f"{name!r} is read from outside the project", _SOURCE_FIX


def _table_function(node: Node) -> Iterator[tuple[str, str]]:
    name = str(node["function"]["function_name"]).lower()
    if name not in PURE_TABLE_FUNCTIONS:
        yield f"`{name}()` reads outside the project", _SOURCE_FIX


def _show(_node: Node) -> Iterator[tuple[str, str]]:
    yield "DESCRIBE, SHOW and SUMMARIZE are not queries over rows", "write a SELECT"


def _change(_node: Node) -> Iterator[tuple[str, str]]:
    yield "a query of a project reads, and changes nothing", "write a SELECT"


_CHECKS: dict[str, Callable[[Node], Iterator[tuple[str, str]]]] = {
    "FUNCTION": _function,
    "BASE_TABLE": _table,
    "TABLE_FUNCTION": _table_function,
    "SHOW_REF": _show,
    "INSERT_QUERY_NODE": _change,
    "UPDATE_QUERY_NODE": _change,
    "DELETE_QUERY_NODE": _change,
    "MERGE_QUERY_NODE": _change,
}

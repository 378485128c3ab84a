"""What no query of a project may hold: takes a parse tree, gives what it holds of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headrace.base.names import is_name
from headrace.pipeline.compile.queries import Mistake
from headrace.pipeline.compile.trees import Node, line_and_column, location, walk

# Table functions whose rows follow from their arguments alone.
PURE_TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
# Functions whose value does not follow from their arguments: an address could not name the result.
# DuckDB calls `current_localtimestamp` consistent; it is not.
VOLATILE_FUNCTIONS = frozenset(
    {"now", "get_current_timestamp", "transaction_timestamp", "get_current_time", "today"}
    | {"current_localtime", "current_localtimestamp", "current_date", "random", "setseed"}
    | {"uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval", "setval"}
    | {"txid_current", "current_query_id", "current_transaction_id", "current_connection_id"}
)
# Functions that read the session, the catalog or the machine, or act on them.
SESSION_FUNCTIONS = frozenset(
    {"getvariable", "getenv", "current_setting", "current_query", "current_database", "user"}
    | {"current_schema", "current_schemas", "in_search_path", "current_role", "current_user"}
    | {"session_user", "sleep_ms", "write_log", "stats", "vector_type", "current_catalog"}
)
# What is a function without its parentheses, unless there is a column of that name.
_BARE_VOLATILE = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
_BARE_SESSION = frozenset(
    {"current_user", "session_user", "current_role", "current_catalog", "current_schema", "user"}
)
BARE_FUNCTIONS = _BARE_VOLATILE | _BARE_SESSION
_CLOCK_FIX = (
    "an address must determine the content: read the value from a source's column,"
    " or derive it from the data, as in (SELECT max(ordered_at) FROM orders)"
)
_SOURCE_FIX = "declare a source for it in sources/ and read that"


def refused(text: str, tree: Node) -> list[Mistake]:
    """Everything in a query that reads outside the project, changes data or cannot be repeated."""
    return [
        Mistake(*_position(text, node), found, fix=fix)
        for node in walk(tree)
        for found, fix in _reasons(node)
    ]


def refused_names(text: str, unresolved: Sequence[Node]) -> list[Mistake]:
    """The names among `unresolved` column references that are functions of clock or session."""
    found: list[Mistake] = []
    for node in unresolved:
        name = node["column_names"][0].lower()
        if name in _BARE_VOLATILE:
            why, fix = f"`{name}` gives another value at every run", _CLOCK_FIX
        elif name in _BARE_SESSION:
            why, fix = f"`{name}` reads the session, not the project", "write the value itself"
        else:
            continue
        found.append(Mistake(*_position(text, node), why, fix=fix))
    return found


def _position(text: str, node: Node) -> tuple[int, int]:
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
    if name in VOLATILE_FUNCTIONS:
        yield f"`{name}()` gives another value at every run", _CLOCK_FIX
    elif name in SESSION_FUNCTIONS:
        yield f"`{name}()` reads the session, not the project", "write the value itself"
    elif name == "age" and len(node["arguments"]) == 1:
        yield "`age()` of one argument reads the clock", "give it both times"


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

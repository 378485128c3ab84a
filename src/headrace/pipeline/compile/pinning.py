"""Stops the clock in a query: takes its text and a time, gives the text with the time written out.

Nothing here needs an engine: which bytes to replace was learned when the query was bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from headrace.base.errors import Place, Problem
from headrace.base.moments import Moment, Volatile
from headrace.base.names import listed, quote
from headrace.base.tables import Schema
from headrace.pipeline.compile.queries import Bound, SqlText, VolatileUse, place_in

# What each function of the clock gives. All are in UTC, as every instance of DuckDB is.
_TYPES = {
    "now": "TIMESTAMP WITH TIME ZONE",
    "get_current_timestamp": "TIMESTAMP WITH TIME ZONE",
    "transaction_timestamp": "TIMESTAMP WITH TIME ZONE",
    "current_timestamp": "TIMESTAMP WITH TIME ZONE",
    "current_localtimestamp": "TIMESTAMP",
    "localtimestamp": "TIMESTAMP",
    "today": "DATE",
    "current_date": "DATE",
    "get_current_time": "TIME WITH TIME ZONE",
    "current_time": "TIME WITH TIME ZONE",
    "current_localtime": "TIME",
    "localtime": "TIME",
}
# Written without parentheses, these are functions unless there is a column of that name.
BARE_CLOCK = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
# DuckDB calls `current_localtimestamp` consistent; it is not.
CLOCK_FUNCTIONS = frozenset(_TYPES)
DICE_FUNCTIONS = frozenset({"random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"})

_PREFIX = r'(?:"?\w+"?\s*\.\s*)*'
_AGE = re.compile(rf'{_PREFIX}"?age"?\s*\(', re.IGNORECASE)
_CLOCK_FIX = (
    "say in the header how long its value holds, as in `volatile: day`,"
    " or derive it from the data, as in (SELECT max(ordered_at) FROM orders)"
)
_DICE_FIX = "say `volatile: run` in the header, and every run builds it anew"


def pinned(statement: str, uses: Iterable[VolatileUse], at: datetime) -> str | None:
    """A query in which every function of the clock is the literal of the time `at`.

    Args:
        statement: the text that `uses` were found in.
        uses: all functions of clock and dice that it holds; those of dice stay.
        at: aware.

    Returns:
        None when one of them cannot be replaced where it stands.
    """
    data = statement.encode()
    clocks = {use.start: use for use in uses if use.clock}
    for start in sorted(clocks, reverse=True):
        use = clocks[start]
        edited = _edited(data[start : use.end].decode(), use, at)
        if edited is None:
            return None
        data = data[:start] + edited.encode() + data[use.end :]
    return data.decode()


def _edited(text: str, use: VolatileUse, at: datetime) -> str | None:
    if use.name == "age":
        found = _AGE.match(text)
        return found and f"{found[0]}{_literal('TIMESTAMP', _midnight(at))}, {text[found.end() :]}"
    parentheses = r"(?:\s*\(\s*\))?"
    if not re.fullmatch(rf'{_PREFIX}"?{use.name}"?{parentheses}', text, re.IGNORECASE):
        return None
    literal = f"({_literal(_TYPES[use.name], at)})"
    return f"{literal} AS {quote(use.column_name)}" if use.column_name else literal


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _literal(type_name: str, at: datetime) -> str:
    local = at.astimezone(UTC).replace(tzinfo=None)
    zone = "+00" if type_name.endswith("ZONE") else ""
    texts = {"D": local.date().isoformat(), "T": local.time().isoformat()}
    text = texts[type_name[0]]
    if type_name.startswith("TIMESTAMP"):
        text = local.isoformat(" ")
    return f"CAST('{text}{zone}' AS {type_name})"


def pinned_sql(statement: str, bound: Bound, volatile: Volatile, moment: Moment) -> str:
    """The SELECT to run for a query that `volatile_problems` has nothing to say about.

    Its columns keep their names, which DuckDB takes from the text where the user gives none.
    """
    if not any(use.clock for use in bound.volatile):
        return statement
    text = pinned(statement, bound.volatile, moment.start(volatile))
    assert text is not None, "a query that binds can be pinned"
    return f"SELECT * FROM (\n{text}\n) AS pinned({_names(bound.schema)})"


def _names(schema: Schema) -> str:
    return ", ".join(quote(column.name) for column in schema)


def volatile_problems(
    uses: Iterable[VolatileUse], volatile: Volatile, sql: SqlText
) -> list[Problem]:
    """Functions of clock and dice that a header's `volatile` does not allow."""
    return [
        Problem(place_in(sql, use.line, use.column), said(use), fix=fix)
        for use in uses
        if (fix := _fix(use, volatile))
    ]


def _fix(use: VolatileUse, volatile: Volatile) -> str:
    """What to do about a function; "" when it may stand."""
    if use.clock:
        return "" if volatile else _CLOCK_FIX
    return "" if volatile == "run" else _DICE_FIX


def said(use: VolatileUse) -> str:
    """What is wrong with a function of clock or dice where none may be."""
    if use.name == "age":
        return "`age()` of one argument reads the clock"
    bare = use.end - use.start == len(use.name)
    shown = use.name if bare else f"{use.name}()"
    return f"`{shown}` gives another value at every run"


def endpoint_problems(uses: Iterable[VolatileUse], sql: SqlText) -> Iterator[Problem]:
    """Functions of clock and dice in an endpoint, whose answer must follow from its snapshot."""
    for use in uses:
        word = "day" if use.clock else "run"
        yield Problem(
            place_in(sql, use.line, use.column),
            said(use),
            "an answer that follows from its snapshot",
            f"select it in a model with `volatile: {word}` in its header, and read that",
        )


def needless(volatile: Volatile, uses: Iterable[VolatileUse], place: Place) -> list[Problem]:
    """A header's `volatile` that nothing in the query asks for: it would be built for nothing."""
    if not volatile or list(uses):
        return []
    known = listed(("now()", "current_date", "random()"))
    found = f"`volatile: {volatile}`, and the query reads neither clock nor dice"
    return [Problem(place, found, f"a function such as {known}", "take `volatile` out")]

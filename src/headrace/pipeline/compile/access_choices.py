"""Chooses an endpoint's access path: takes what is known of its query, gives path and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from headrace.base.declarations import Endpoint
from headrace.base.errors import Problem
from headrace.pipeline.compile.queries import Access, SqlText, place_in
from headrace.store.snapshots import KeyedQuery, Parameter

# Answers of one endpoint that are few enough to keep all of them.
MOST_CACHED = 64
_PAGING = frozenset({"limit", "offset"})


@dataclass(frozen=True, slots=True)
class Choice:
    """How an endpoint is answered; as the fields of an `EndpointContract`."""

    path: Literal["cache", "keyed", "columnar"]
    reason: str
    advice: str = ""
    keyed: KeyedQuery | None = None


def choose_path(
    endpoint: Endpoint,
    sql: SqlText,
    parameters: Sequence[Parameter],
    access: Access,
    *,
    scoped: bool = False,
) -> Choice | Problem:
    """The access path of an endpoint; a Problem when its header asks for one that it cannot have.

    Args:
        sql: its query, at its place.
        parameters: of the query.
        access: whether rows in the order of a key answer it.
        scoped: whether the answer depends on who asks: of such answers there may be any number.
    """
    asked = [each for each in parameters if each.name not in _PAGING]
    answers = prod(map(_values, asked))
    if endpoint.serve == "columnar":
        return Choice("columnar", "its header says `serve: columnar`")
    if endpoint.serve == "keyed" and access.keyed is None:
        place = place_in(sql, access.line, access.column)
        found = f"this cannot be served by key (`serve: keyed`): {_clause(access)} {access.says}"
        return Problem(place, found, fix=access.advice)
    if not asked and endpoint.serve != "keyed" and not scoped:
        paging = " but those that page" if parameters else ""
        return Choice("cache", f"it has no parameters{paging}, so its answers are kept")
    if access.keyed is not None:
        return Choice("keyed", access.says, keyed=access.keyed)
    if 0 < answers <= MOST_CACHED and not scoped:
        return Choice("cache", f"its parameters allow {answers} answers, so all of them are kept")
    line = place_in(sql, access.line, access.column).line
    where = f" (line {line})" if access.clause else ""
    return Choice("columnar", f"{_clause(access)}{where} {access.says}", access.advice)


def _clause(access: Access) -> str:
    return f"`{access.clause}`" if access.clause else "the query"


def _values(parameter: Parameter) -> int:
    """How many values a parameter may have; 0 when that is not bounded."""
    known = len(set(parameter.enum)) or (2 if parameter.type == "BOOLEAN" else 0)
    optional = not parameter.required and parameter.default is None
    return known + 1 if known and optional else known

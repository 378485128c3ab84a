"""Applies policies to an endpoint: takes its query and the policies, gives the query to serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headrace.base.access import Access
from headrace.base.declarations import Endpoint
from headrace.base.errors import Problem, UsageError
from headrace.base.names import listed
from headrace.base.tables import Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.policies import Policies, is_let_in
from headrace.pipeline.compile.queries import AUTH, Mistake, Query, SqlText, place_in
from headrace.store.policies import Narrowing, narrowing
from headrace.store.snapshots import Scope, TablePolicy


@dataclass(frozen=True, slots=True)
class Scoped:
    """An endpoint's query as it is served.

    Attributes:
        sql: the query over what the policies let through.
        scope: what it takes from whoever asks; None when everybody gets the same.
        policies: those of its tables as they hold for who may ask: without masks of columns that
            all of those see.
        is_narrowed: whether any policy changed the query.
    """

    sql: str
    scope: Scope | None = None
    policies: Mapping[str, TablePolicy] = field(default_factory=dict)
    is_narrowed: bool = False


def claim_problems(query: Query, sql: SqlText) -> Iterator[Problem]:
    """Parameters of a user's query that have a name of serving's own."""
    for use in query.parameters:
        if use.name.lower() == AUTH or use.name.lower().startswith(f"{AUTH}_"):
            yield Problem(
                place_in(sql, use.line, use.column),
                f"`${use.name}` is not a parameter that a request may give",
                "another name",
                f"say `rows:` of the tables that it reads: there, `${AUTH}.<claim>` is of who asks",
            )


def endpoint_policies(
    tables: Sequence[str], access: Access | None, policies: Policies
) -> dict[str, TablePolicy]:
    """The policies of an endpoint's tables, as they hold for those who may ask."""
    found = {name: policies.tables[name] for name in tables if name in policies.tables}
    return {
        name: replace(
            policy, masks=tuple(mask for mask in policy.masks if not is_let_in(access, mask))
        )
        for name, policy in found.items()
    }


def without_absent(
    schemas: Mapping[str, Schema], policies: Mapping[str, TablePolicy]
) -> dict[str, Schema]:
    """The columns of tables without those that are absent for who may ask."""
    return {name: _present(schema, policies.get(name)) for name, schema in schemas.items()}


def _present(schema: Schema, policy: TablePolicy | None) -> Schema:
    masks = policy.masks if policy else ()
    absent = {mask.column for mask in masks if mask.hide == "absent"}
    return tuple(column for column in schema if column.name not in absent)


def absent_problem(
    mistake: Mistake, sql: SqlText, policies: Mapping[str, TablePolicy]
) -> Problem | None:
    """Why a query does not bind, when that is a column that is absent; else None."""
    for table, policy in policies.items():
        for mask in policy.masks:
            if mask.hide == "absent" and f'"{mask.column.lower()}"' in mistake.found.lower():
                return Problem(
                    place_in(sql, mistake.line, mistake.column),
                    f"`{table}.{mask.column}` is absent for some of those who may ask",
                    "a column that all of them have",
                    f"let in only who may see it: access: [{', '.join(mask.roles)}]",
                )
    return None


def access_problems(
    endpoint: Endpoint, access: Access | None, tables: Sequence[str], policies: Policies
) -> Iterator[Problem]:
    """Tables that an endpoint cannot read, or that would answer nothing to anybody."""
    for table in tables:
        restriction = policies.restrictions.get(table)
        if restriction is not None and restriction.sealed:
            yield Problem(
                endpoint.place,
                f"`{table}` holds raw rows of a table that not everybody sees all of",
                "a table with `rows:` of its own",
                "derive a model from it, say its `rows:`, and read that",
            )
        elif access is not None and access.kind == "public" and _is_by_asker(policies, table):
            yield Problem(
                endpoint.place,
                f"the endpoint is public, and who has shown no credential sees no row of `{table}`",
                "an `access` of somebody who is known",
                "write `access: authenticated`, or the roles that may ask",
            )


def _is_by_asker(policies: Policies, table: str) -> bool:
    """Whether every row of a table needs a role or a claim of who asks."""
    rows = policies.tables[table].rows if table in policies.tables else None
    return bool(rows) and all(row.role or row.claims for row in rows or ())


def scoped(
    answer_sql: str,
    schemas: Mapping[str, Schema],
    policies: Mapping[str, TablePolicy],
    analysis: Analysis,
    endpoint: Endpoint,
) -> Scoped | Problem:
    """An endpoint's typed query over what the policies of its tables let through."""
    try:
        made: Narrowing = narrowing(policies)
    except UsageError as exc:
        found, _, _ = str(exc).partition("; ")
        fix = f"change one of the rules of {listed(policies)}: a cast gives a claim its type"
        return Problem(endpoint.place, found, "one spelling and one type of each claim", fix)
    if not made.selects:
        return Scoped(answer_sql, None, policies)
    sql = analysis.scoped(answer_sql, schemas, made.selects)
    if isinstance(sql, Mistake):
        return Problem(endpoint.place, sql.found)
    return Scoped(sql, made.scope, policies, is_narrowed=True)

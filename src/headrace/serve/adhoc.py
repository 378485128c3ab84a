"""Queries that are no endpoint's: takes a SELECT and a principal, gives what to run for them.

Row policies and masks hold for each of them. Whose SQL it is decides the rest: a router is code of
the project, an ad-hoc query is somebody's who may only read the tables that are open to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb

from headrace.base.access import Principal
from headrace.base.errors import UsageError
from headrace.base.names import listed
from headrace.engines.scoped_sql import require_known, scoped_sql, tables_read
from headrace.serve.asking.parameters import Bound
from headrace.serve.scoping import Scoping
from headrace.store.policies import narrowing, seen_by
from headrace.store.scopes import PREFIX
from headrace.store.snapshots import Manifest, Scope, TablePolicy


@dataclass(frozen=True, slots=True)
class Seen:
    """A SELECT that sees what somebody may see, and the values of its `auth_…` parameters."""

    sql: str
    values: Mapping[str, Bound]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A SELECT with the policies of its tables; `scope` is what it takes from whoever asks."""

    sql: str
    scope: Scope | None

    def seen_by(self, principal: Principal, salt: str) -> Seen:
        """What to run for somebody; `salt` is what masked values are hashed with."""
        if self.scope is None:
            return Seen(self.sql, {})
        return Seen(self.sql, Scoping(self.scope, salt).bind(principal).values)


def of_the_project(connection: duckdb.DuckDBPyConnection, sql: str, manifest: Manifest) -> Narrowed:
    """A SELECT of the project's own code, for anybody: a column that is absent is NULL for others.

    Args:
        connection: of any instance: it only parses.
        sql: one SELECT.
        manifest: of the snapshot that it reads.

    Raises:
        UsageError: it is not one SELECT, or cannot be narrowed.
    """
    _refuse_taken_names(sql)
    if not any(each.rows is not None or each.masks for each in manifest.tables.values()):
        return Narrowed(sql, None)
    read = tables_read(connection, sql)
    # Of the others, nothing may be bound: DuckDB refuses values that a query does not ask for.
    policies = {name: each for name, each in manifest.tables.items() if name.lower() in read}
    # The types of its parameters are those that the router gives: whether a value of a row can make
    # it fail, nobody knows before.
    narrowed = narrowing({name: _masked(each) for name, each in policies.items()}, barrier=True)
    return Narrowed(scoped_sql(connection, sql, narrowed.selects), narrowed.scope)


def of_somebody(
    connection: duckdb.DuckDBPyConnection, sql: str, manifest: Manifest, principal: Principal
) -> Narrowed:
    """A SELECT that somebody has written, over the tables that are open to them.

    Nothing of it is evaluated for a row that they may not see: not even what fails with a message
    that shows it.

    Args:
        connection: of any instance: it only parses.
        sql: one SELECT.
        manifest: of the snapshot that it reads.
        principal: whose it is.

    Raises:
        UsageError: it is not one SELECT, or reads something else, or nothing is open to them.
    """
    _refuse_taken_names(sql)
    tables = open_tables(manifest, principal)
    if not tables:
        has = (
            f"with the role {listed(sorted(principal.roles))}"
            if principal.roles
            else "without a role"
        )
        raise UsageError(
            f"no table is open to {principal.id or 'nobody known'}, {has}; expected an `access:` of"
            " a model or a source that names one"
        )
    read = require_known(connection, sql, tables)
    policies = {name: seen_by(tables[name], principal.roles) for name in read}
    narrowed = narrowing(policies, barrier=True)
    return Narrowed(scoped_sql(connection, sql, narrowed.selects), narrowed.scope)


def open_tables(manifest: Manifest, principal: Principal) -> dict[str, TablePolicy]:
    """The tables that somebody may query ad hoc, with their policies."""
    return {name: each for name, each in manifest.tables.items() if each.access.allows(principal)}


def _masked(policy: TablePolicy) -> TablePolicy:
    """A policy under which each query has the same columns for everybody."""
    masks = tuple(
        replace(mask, hide="masked") if mask.hide == "absent" else mask for mask in policy.masks
    )
    return replace(policy, masks=masks)


def _refuse_taken_names(sql: str) -> None:
    """Raises UsageError for a query that names parameters of ours."""
    try:
        names = {name for each in duckdb.extract_statements(sql) for name in each.named_parameters}
    except duckdb.Error as exc:
        raise UsageError(f"the query cannot be parsed; expected one SELECT; {exc}") from exc
    if taken := sorted(name for name in names if name.lower().startswith(PREFIX)):
        raise UsageError(f"the query has a parameter `${taken[0]}`; expected another name")

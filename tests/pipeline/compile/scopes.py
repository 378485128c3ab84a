"""Row policies by hand: takes predicates as texts, gives those of tables, and how copies answer."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.base.tables import Schema
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Access, Answer
from headrace.store.snapshots import Case, Claim, RowCase, Scope, TablePolicy

ALL = "all"
CLAIMS = {
    "store_id": "INTEGER",
    "region": "VARCHAR",
    "since": "DATE",
    "score": "DOUBLE",
    "stores": "INTEGER[]",
}


def rows(**cases: str) -> TablePolicy:
    """Role, or `everybody`, -> predicate with `auth_<claim>` parameters."""
    return TablePolicy(
        rows=tuple(
            RowCase(
                "" if role == "everybody" else role,
                "" if text == ALL else text,
                tuple(name for name in CLAIMS if f"$auth_{name}" in text),
            )
            for role, text in cases.items()
        )
    )


def scope_of(policies: Mapping[str, TablePolicy]) -> Scope | None:
    """What some policies take from whoever asks, numbered in the order in which they say it."""
    found = [Case(row.role, row.claims) for each in policies.values() for row in each.rows or ()]
    cases = tuple(dict.fromkeys(case for case in found if case != Case("")))
    names = {name for case in cases for name in case.claims}
    claims = tuple(Claim(*each) for each in CLAIMS.items() if each[0] in names)
    return Scope(claims, cases) if cases else None


def planned(
    analyst: DuckDBAnalyst,
    sql: str,
    tables: Mapping[str, Schema],
    policies: Mapping[str, TablePolicy],
    types: Mapping[str, str] | None = None,
) -> tuple[Answer, Access]:
    """A query as it is without its policies, and how it is answered by key under them."""
    answer = analyst.answer(sql, tables, types or {})
    assert isinstance(answer, Answer), answer
    return answer, analyst.access(sql, tables, answer, policies, scope_of(policies))

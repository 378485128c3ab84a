"""Keyed answers under row policies are, byte for byte, DuckDB's to the query over scoped tables.

Random rows, queries, policies and askers, over a real store; the scoped SQL is written by hand.
`HEADRACE_SOAK=2000` (`make soak`) asks for another number of endpoints.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from random import Random

import pytest

from headrace.base.tables import Schema, Version
from headrace.engines.text_rows import json_row_sql
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.serve.keyed.limits import NotByKey
from headrace.serve.keyed.reader import KeyedReader
from headrace.store.snapshots import Case, EndpointContract, Scope, Snapshot, TablePolicy
from tests.keyed import Shelf
from tests.pipeline.compile.projects import schema
from tests.pipeline.compile.scopes import ALL, CLAIMS, planned, rows, scope_of

ENDPOINTS = int(os.environ.get("HEADRACE_SOAK", "40"))
ENDPOINTS_A_STORE = 20
REQUESTS = 12

TABLES: dict[str, Schema] = {
    "sales": schema(
        {
            "store_id": "INTEGER",
            "region": "VARCHAR",
            "day": "DATE",
            "product": "VARCHAR",
            "items": "INTEGER",
        }
    ),
    "stores": schema({"store_id": "INTEGER", "region": "VARCHAR", "city": "VARCHAR"}),
}
LITERALS = {
    "INTEGER": ["1", "2", "3", "NULL"],
    "VARCHAR": ["'n'", "'s'", "'N'", "'é'", "NULL"],
    "DATE": ["'2024-01-01'", "'2024-01-31'", "'2024-02-10'", "NULL"],
}
PREDICATES = [
    *["store_id = $auth_store_id", "region = $auth_region", ALL] * 4,
    "$auth_store_id = store_id AND region = $auth_region",
    "items_or_city AND store_id = $auth_store_id",
    "store_id = $auth_store_id OR region = $auth_region",
    "store_id >= $auth_store_id",
    "items_or_city",
]
# What stands for `items_or_city` in a policy of either table.
FIXED = {"sales": "items > 1", "stores": "city IS NOT NULL"}
ROW = "store_id, region, day, product, items"
BY_ROW = "ORDER BY day, store_id, region, product, items"
BY_DAY_DOWN = "ORDER BY day DESC, store_id, region, product, items"
BOTH = "s.store_id, s.day, s.items, t.city"
BY_BOTH = "ORDER BY s.day, s.store_id, s.items, t.city"
QUERIES = [
    # Points, lists and ranges.
    f"SELECT {ROW} FROM {{sales}} WHERE store_id = $store {BY_ROW}",
    f"SELECT {ROW} FROM {{sales}} WHERE region = $region AND store_id = $store {BY_ROW}",
    f"SELECT {ROW} FROM {{sales}} WHERE product = $product {BY_ROW}",
    f"SELECT {ROW} FROM {{sales}} WHERE day >= $since {BY_ROW}",
    (
        f"SELECT {ROW} FROM {{sales}} WHERE region = $region AND day BETWEEN $since AND $until"
        f" {BY_DAY_DOWN}"
    ),
    f"SELECT {ROW} FROM {{sales}} WHERE store_id = $store AND day < $until {BY_DAY_DOWN}",
    f"SELECT {ROW} FROM {{sales}} {BY_DAY_DOWN}",
    f"SELECT {ROW} FROM {{sales}} WHERE items = 2 AND region = $region {BY_ROW} LIMIT 3 OFFSET 1",
    f"SELECT {ROW} FROM {{sales}} WHERE store_id = $store {BY_ROW} LIMIT $limit OFFSET $offset",
    # Groups, of which some are whole for each key and some are merged.
    (
        "SELECT product, count(*) AS n, sum(items) AS total FROM {sales} WHERE store_id = $store"
        " GROUP BY product ORDER BY product"
    ),
    (
        "SELECT store_id, count(*) AS n FROM {sales} WHERE region = $region GROUP BY ALL"
        " HAVING count(*) > 1 ORDER BY store_id DESC"
    ),
    (
        "SELECT product, sum(items) AS total, avg(items) AS mean FROM {sales} WHERE day >= $since"
        " GROUP BY ALL ORDER BY product"
    ),
    (
        "SELECT date_trunc('month', day) AS month, count(*) AS n FROM {sales}"
        " WHERE store_id = $store AND day >= $since GROUP BY ALL ORDER BY month"
    ),
    (
        "SELECT date_trunc('month', day) AS month, sum(items) AS n FROM {sales}"
        " WHERE day BETWEEN $since AND $until GROUP BY ALL ORDER BY month DESC"
    ),
    (
        "SELECT count(*) AS n, sum(items) AS total, max(day) AS last FROM {sales}"
        " WHERE region = $region"
    ),
    "SELECT count(*) AS n, min(product) AS first FROM {sales} WHERE day < $until",
    "SELECT count(*) AS n FROM {sales}",
    "SELECT DISTINCT product, region FROM {sales} WHERE store_id = $store ORDER BY ALL",
    "SELECT DISTINCT product FROM {sales} WHERE day >= $since ORDER BY product",
    # Two tables, in all ways that keep or pad rows.
    (
        f"SELECT {BOTH} FROM {{sales AS s}} JOIN {{stores AS t}} USING (store_id)"
        f" WHERE store_id = $store {BY_BOTH}"
    ),
    (
        f"SELECT {BOTH} FROM {{sales AS s}} JOIN {{stores AS t}} ON s.store_id = t.store_id"
        f" WHERE t.region = $region {BY_BOTH}"
    ),
    (
        f"SELECT {BOTH} FROM {{stores AS t}}, {{sales AS s}} WHERE s.store_id = t.store_id"
        f" AND s.region = t.region AND t.store_id = $store AND t.region = $region {BY_BOTH}"
    ),
    (
        f"SELECT {BOTH} FROM {{sales AS s}} LEFT JOIN {{stores AS t}} ON s.store_id = t.store_id"
        f" WHERE s.store_id = $store {BY_BOTH}"
    ),
    (
        f"SELECT {BOTH} FROM {{sales AS s}} RIGHT JOIN {{stores AS t}} USING (store_id)"
        f" WHERE t.region = $region {BY_BOTH}"
    ),
    (
        f"SELECT {BOTH} FROM {{sales AS s}} FULL JOIN {{stores AS t}} ON s.store_id = t.store_id"
        f" WHERE s.store_id = $store {BY_BOTH}"
    ),
    (
        "SELECT count(*) AS n FROM {stores AS t} LEFT JOIN {sales AS s} USING (region)"
        " WHERE t.store_id = $store"
    ),
    (
        f"SELECT {ROW} FROM {{sales}} SEMI JOIN {{stores}} USING (store_id) WHERE region = $region"
        f" {BY_ROW}"
    ),
    (
        f"SELECT {ROW} FROM {{sales}} ANTI JOIN {{stores}} USING (store_id) WHERE store_id = $store"
        f" {BY_ROW}"
    ),
    (
        "SELECT a.store_id, b.items FROM {sales AS a} JOIN {sales AS b} USING (day)"
        " WHERE a.store_id = $store ORDER BY ALL"
    ),
    (
        f"SELECT {ROW} FROM {{sales}} WHERE store_id = $store"
        f" AND region IN (SELECT region FROM {{stores}}) {BY_ROW}"
    ),
    (
        "WITH own AS (SELECT store_id, sum(items) AS n FROM {sales} GROUP BY ALL)"
        " SELECT store_id, n FROM own WHERE store_id = $store ORDER BY ALL"
    ),
    (
        "SELECT city, count(*) AS n, sum(items) AS total FROM {sales AS s} JOIN {stores AS t}"
        " USING (store_id) WHERE day >= $since GROUP BY city ORDER BY city"
    ),
]
TYPES = {
    "store": "INTEGER",
    "region": "VARCHAR",
    "product": "VARCHAR",
    "since": "DATE",
    "until": "DATE",
    "limit": "BIGINT",
    "offset": "BIGINT",
}
VALUES: dict[str, list[object]] = {
    "INTEGER": [1, 1, 2, 2, 3, 4, None],
    "VARCHAR": ["n", "n", "s", "N", "é", "e\u0301", "", None],
    "DATE": [date(2024, 1, 1), date(2024, 1, 15), date(2024, 2, 10), date(2030, 1, 1), None],
    "BIGINT": [0, 1, 2, 50],
}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path / "store") as shelf:
        yield shelf


@dataclass(frozen=True)
class Drawn:
    """An endpoint's query, and the policies of its tables."""

    template: str
    policies: Mapping[str, TablePolicy]

    @classmethod
    def of(cls, rng: Random) -> Drawn:
        template = rng.choice(QUERIES)
        roles = ["everybody"] if rng.random() < 0.3 else ["manager", "deputy", "head"]
        read = [table for table in TABLES if f"{{{table}" in template]
        scoped = rng.sample(read, rng.randint(1, len(read)))
        return cls(template, {table: _policy(rng, table, roles) for table in sorted(scoped)})

    @property
    def scope(self) -> Scope | None:
        return scope_of(self.policies)

    @property
    def sql(self) -> str:
        return self._written(dict.fromkeys(TABLES, ""))

    @property
    def scoped_sql(self) -> str:
        scope = self.scope or Scope()
        return self._written(
            {table: _seen(table, policy, scope) for table, policy in self.policies.items()}
        )

    def _written(self, selects: Mapping[str, str]) -> str:
        def read(match: re.Match[str]) -> str:
            table, name = match[1], match[2] or f" AS {match[1]}"
            return (selects.get(table) or table) + name

        return re.sub(r"\{(\w+)( AS \w+)?\}", read, self.template)

    @property
    def parameters(self) -> list[str]:
        return [name for name in TYPES if f"${name}" in self.template]


def _policy(rng: Random, table: str, roles: Sequence[str]) -> TablePolicy:
    chosen = sorted(rng.sample(roles, rng.randint(1, len(roles))))
    cases = {role: rng.choice(PREDICATES).replace("items_or_city", FIXED[table]) for role in chosen}
    return rows(**cases)


def _seen(table: str, policy: TablePolicy, scope: Scope) -> str:
    """What stands for a table: the rows of any case that holds."""
    parts = []
    for row in policy.rows or ():
        case = Case(row.role, row.claims)
        held = "true"
        if case != Case(""):
            held = f"CAST($auth_case_{scope.cases.index(case)} AS BOOLEAN)"
        parts.append(f"({held} AND ({_typed(row.sql) or 'true'}))")
    return f"(SELECT * FROM {table} WHERE {' OR '.join(parts) or 'false'})"


def _typed(text: str) -> str:
    for name, type_name in CLAIMS.items():
        text = text.replace(f"$auth_{name}", f"CAST($auth_{name} AS {type_name})")
    return text


def _versions(shelf: Shelf, rng: Random) -> list[Version]:
    return [shelf.version(table, _rows(rng, table, columns)) for table, columns in TABLES.items()]


def _rows(rng: Random, table: str, columns: Schema) -> str:
    count = rng.choice([3, 30, 60]) if table == "sales" else rng.choice([1, 4, 8])
    rows = [
        f"({', '.join(rng.choice(LITERALS[column.type]) for column in columns)})"
        for _ in range(count)
    ]
    casts = ", ".join(f"CAST({each.name} AS {each.type}) AS {each.name}" for each in columns)
    names = ", ".join(each.name for each in columns)
    return f"SELECT {casts} FROM (VALUES {', '.join(rows)}) AS v({names})"


def _request(rng: Random, drawn: Drawn) -> dict[str, object]:
    """Parameters, and what is bound of whoever asks; often what fits together."""
    scope = drawn.scope or Scope()
    values: dict[str, object] = {name: rng.choice(VALUES[TYPES[name]]) for name in drawn.parameters}
    claims = {f"auth_{each.name}": rng.choice(VALUES[each.type]) for each in scope.claims}
    for claim, parameter in (("auth_store_id", "store"), ("auth_region", "region")):
        if claim in claims and parameter in values and rng.random() < 0.6:
            claims[claim] = values[parameter]
    roles = {"", *rng.sample(["manager", "deputy", "head"], rng.choice([0, 1, 1, 1, 2]))}
    cases = {
        f"auth_case_{number}": case.role in roles
        and all(claims[f"auth_{name}"] is not None for name in case.claims)
        for number, case in enumerate(scope.cases)
    }
    return {**values, **claims, **cases}


def _asked(shelf: Shelf, contract: EndpointContract, sql: str, values: object) -> list[bytes]:
    assert isinstance(values, dict)
    text = f"SELECT {json_row_sql(contract.columns)} FROM ({sql}\n)"
    cursor = shelf.engine.cursor().execute(text, values or None)
    return [row.encode() for (row,) in cursor.fetchall()]


class Comparison:
    """One endpoint over one store: how its keyed copy answers, and how its query does."""

    def __init__(self, shelf: Shelf, drawn: Drawn, contract: EndpointContract) -> None:
        self.shelf = shelf
        self.drawn = drawn
        self.contract = contract

    def run(self, rng: Random, snapshot: Snapshot, kinds: Counter[str]) -> None:
        self.shelf.build(snapshot)
        versions = list(snapshot.tables.values())
        with (
            self.shelf.reader(snapshot) as reader,
            self.shelf.engine.attached(versions, self.shelf.store.data_root),
        ):
            for _ in range(REQUESTS):
                self._compare(rng, reader, kinds)

    def _compare(self, rng: Random, reader: KeyedReader, kinds: Counter[str]) -> None:
        values = _request(rng, self.drawn)
        limit, offset = rng.choice([(0, 0), (0, 0), (2, 0), (3, 1), (0, 2)])
        try:
            found = reader.rows(values, limit, offset)
        except NotByKey:
            kinds["by query"] += 1
            return
        sql = f"SELECT * FROM ({self.drawn.scoped_sql}) LIMIT {limit or 'NULL'} OFFSET {offset}"
        expected = _asked(self.shelf, self.contract, sql, values)
        assert found == expected, (self.drawn, values, self.contract.keyed)
        kinds["by key"] += 1
        kinds["with rows"] += bool(found)
        rows, mark = reader.page(values, 2, None)
        while mark is not None:
            more, mark = reader.page(values, 2, mark)
            rows += more
        assert rows == reader.rows(values, 0, 0), (self.drawn, values, self.contract.keyed)


def test_a_keyed_answer_is_that_of_the_scoped_query(shelf: Shelf) -> None:
    rng, analyst = Random(31), DuckDBAnalyst()
    kinds: Counter[str] = Counter()
    versions: list[Version] = []
    for number in range(ENDPOINTS):
        if number % ENDPOINTS_A_STORE == 0:
            versions = _versions(shelf, rng)
        drawn = Drawn.of(rng)
        types = {name: TYPES[name] for name in drawn.parameters}
        answer, access = planned(analyst, drawn.sql, TABLES, drawn.policies, types)
        if access.keyed is None:
            kinds["columnar"] += 1
            continue
        guarded = any(case.guards for case in access.keyed.cases)
        kinds["guarded"] += guarded
        kinds["by claim"] += any(name.startswith("auth_") for name in access.keyed.equal)
        kinds["merged"] += access.keyed.rollup is not None
        read = [each for each in versions if f"{{{each.table}" in drawn.template]
        contract = shelf.contract(read, access.keyed, answer.bound.schema, drawn.scoped_sql)
        contract = shelf.with_parameters(contract, drawn.parameters)
        contract = replace(contract, scope=drawn.scope)
        comparison = Comparison(shelf, drawn, contract)
        comparison.run(rng, shelf.snapshot(read, contract), kinds)
    wanted = ("columnar", "guarded", "by claim", "merged", "by query", "by key", "with rows")
    assert all(kinds[kind] for kind in wanted), kinds

"""Narrowed queries against what DuckDB computes without the other rows: random queries and tables.

`HEADRACE_SOAK=50000` (`make soak`) asks for another number of queries.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import duckdb

from headrace.engines.duckdb import DuckDBEngine
from headrace.engines.scoped_sql import scoped_sql
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Bound
from headrace.store.policies import narrowing
from headrace.store.snapshots import Claim, RowCase, TablePolicy
from tests.pipeline.compile.random_models import WORLDS, Maker, World, rows
from tests.pipeline.compile.test_locality_property import tables_of

QUERIES = int(os.environ.get("HEADRACE_SOAK", "400"))
QUERIES_A_DATA_SET = 40
OWN = 1
POLICY = TablePolicy(
    rows=(RowCase("", "k = CAST($auth_k AS INTEGER)", ("k",)),),
    claims=(Claim("k", "INTEGER"),),
    columns=("p", "q", "k", "v"),
)


def make(cursor: duckdb.DuckDBPyConnection, rng: Random, world: World) -> None:
    """Tables in the schema `main`, and those of their rows that are seen in the schema `own`."""
    cursor.execute("CREATE SCHEMA IF NOT EXISTS own")
    kind = world.kind
    typed = f"SELECT p::{kind} AS p, q::{kind} AS q, k::INTEGER AS k, v::INTEGER AS v"
    for table in "abw":
        values = ", ".join(rows(rng, world, rng.randint(1, 12)))
        made = f"{typed} FROM (VALUES {values}) AS t(p, q, k, v)"
        cursor.execute(f"CREATE OR REPLACE TABLE main.{table} AS {made}")
        seen = f"SELECT * FROM main.{table} WHERE k = {OWN}"
        cursor.execute(f"CREATE OR REPLACE TABLE own.{table} AS {seen}")


def test_a_random_query_answers_as_if_the_other_rows_were_not_there(analyst: DuckDBAnalyst) -> None:
    cursor = DuckDBEngine(threads=1).cursor()
    made = narrowing(dict.fromkeys("abw", POLICY))
    compared = unlike = 0
    for number in range(max(QUERIES // QUERIES_A_DATA_SET, 1)):
        rng, world = Random(number), WORLDS[number % len(WORLDS)]
        make(cursor, rng, world)
        for _ in range(QUERIES_A_DATA_SET):
            sql = Maker(rng, world).model()
            if not isinstance(analyst.bind(sql, tables_of(world)), Bound):
                continue
            cursor.execute("SET schema = 'main'")
            everything = Counter(cursor.execute(sql).fetchall())
            narrowed = scoped_sql(cursor, sql, made.selects)
            bound = {"auth_case_0": True, "auth_k": OWN}
            used = {name: value for name, value in bound.items() if f"${name}" in narrowed}
            found = Counter(cursor.execute(narrowed, used).fetchall())
            cursor.execute("SET schema = 'own'")
            expected = Counter(cursor.execute(sql).fetchall())
            assert found == expected, f"{world.kind}, {number}\n{sql}\n{found}\n{expected}"
            compared += 1
            unlike += expected != everything
    print(f"\n{compared} queries compared; {unlike} answer otherwise when everything is seen")
    assert compared > QUERIES * 0.8
    assert unlike > compared / 2

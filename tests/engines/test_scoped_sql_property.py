"""Narrowed queries whose WITH queries, recursions and aliases have the names of the tables.

`HEADRACE_SOAK=50000` (`make soak`) asks for another number of queries.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from random import Random

import duckdb

from headrace.engines.duckdb import open_duckdb
from headrace.engines.scoped_sql import scoped_sql

QUERIES = int(os.environ.get("HEADRACE_SOAK", "600"))
MOST_ROWS = 20_000
OWN = "k = CAST($auth_k AS INTEGER)"
SELECTS = {name: f"SELECT k, v FROM {name} WHERE {OWN}" for name in "ab"}


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes queries of the columns k and v."""

    rng: Random

    def read(self) -> str:
        """What a FROM reads: a table in one of its spellings, or a WITH query."""
        return self.rng.choice(("a", "b", "a", "b", "main.a", '"B"', "memory.main.b", "c"))

    def name(self) -> str:
        """The name of a WITH query, or an alias."""
        return self.rng.choice(("a", "b", "A", "c"))

    def query(self, depth: int) -> str:
        """A SELECT of some depth; not all of them bind."""
        if depth <= 0:
            return f"SELECT k, v FROM {self.read()}"
        one, two = self.query(depth - 1), self.query(depth - 1)
        name, table, joined = self.name(), self.read(), self.rng.choice("ab")
        operator = self.rng.choice(("UNION ALL", "UNION", "EXCEPT", "INTERSECT"))
        kept = self.rng.choice(("", "MATERIALIZED ", "NOT MATERIALIZED "))
        last = f"SELECT k, v FROM ({two}) AS q" if two.startswith("WITH") else two
        grown = f"SELECT k, v + 1 FROM {name} WHERE v < 3"
        return self.rng.choice(
            (
                f"(({one}) {operator} ({two}))",
                f"WITH {name} AS {kept}({one}) {last}",
                f"WITH {name} AS {kept}({one}) {last}",
                f"WITH RECURSIVE {name}(k, v) AS (({one}) UNION ({grown})) {last}",
                f"WITH RECURSIVE {name} AS (({one}) UNION ({grown})) {last}",
                f"SELECT x.k, y.v FROM {table} AS x, ({one}) AS y",
                f"SELECT k, v FROM ({one}) AS q WHERE EXISTS ({two})",
                f"SELECT k, v FROM ({one}) AS {name} WHERE v IN (SELECT v FROM ({two}) AS z)",
                f"SELECT k, (SELECT max(v) FROM {self.read()}) AS v FROM {table}",
                f"SELECT {joined}.k, {joined}.v FROM {joined} JOIN ({one}) AS q USING (k)",
                f"SELECT k, v FROM {table} AS {name}, LATERAL ({one}) AS l(k2, v2)",
                f"SELECT q.* FROM ({one}) AS q NATURAL JOIN ({two}) AS p",
            )
        )


def instance(condition: str) -> duckdb.DuckDBPyConnection:
    """An instance with the rows of both tables for which a condition holds."""
    connection = open_duckdb({"threads": 1})
    for number, table in enumerate("ab"):
        rows = f"SELECT i % 2 AS k, (i + {number}) % 4 AS v FROM range(8) AS r(i)"
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM ({rows}) WHERE {condition}")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Counter[tuple[object, ...]] | None:
    """The rows of a query; None of one that does not bind, or has too many to compare."""
    values = {"auth_k": 1} if "$auth_k" in sql else {}
    try:
        found = connection.execute(sql, values).fetchmany(MOST_ROWS)
    except (duckdb.BinderException, duckdb.CatalogException):
        return None
    return Counter(found) if len(found) < MOST_ROWS else None


def test_a_name_means_what_it_meant_and_no_row_of_others_is_seen() -> None:
    everything, own = instance("true"), instance("k = 1")
    compared = unlike = 0
    for number in range(QUERIES):
        rng = Random(number)
        sql = Maker(rng).query(rng.choice((1, 2, 2, 3, 3, 4)))
        expected = answer(own, sql)
        if expected is None:
            continue
        narrowed = scoped_sql(everything, sql, SELECTS)
        assert answer(everything, narrowed) == expected, f"{number}\n{sql}\n{narrowed}"
        compared += 1
        unlike += answer(everything, sql) != expected
    print(f"\n{compared} queries compared; {unlike} answer otherwise when everything is seen")
    assert compared > QUERIES / 3
    assert unlike > compared / 3

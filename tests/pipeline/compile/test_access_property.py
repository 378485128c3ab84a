"""Keyed copies against the queries that they answer: random queries, random rows, all by DuckDB.

`HEADRACE_SOAK=50000` (`make soak`) asks for another number of queries.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import duckdb

from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Answer
from headrace.store.snapshots import KeyedQuery
from tests.pipeline.compile.keyed_answers import Asked, difference, run
from tests.pipeline.compile.random_queries import TABLES, VALUES, draw, rows

QUERIES = int(os.environ.get("HEADRACE_SOAK", "300"))
QUERIES_A_DATA_SET = 50
REQUESTS = 4


def fill(cursor: duckdb.DuckDBPyConnection, rng: Random) -> None:
    """New rows for every table."""
    for table, columns in TABLES.items():
        made = rows(rng, table, rng.choice([0, 3, 12, 40]))
        names = ", ".join(f"{each.name} {each.type}" for each in columns)
        cursor.execute(f"CREATE OR REPLACE TABLE {table} ({names})")
        if made:
            cursor.execute(f"INSERT INTO {table} VALUES {', '.join(made)}")


def values(answer: Answer, rng: Random, cursor: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """One request's parameters."""
    found: dict[str, object] = {}
    for name, type_name in answer.types.items():
        if name in {"limit", "offset"}:
            found[name] = rng.randint(0, 5)
        else:
            text = rng.choice(VALUES.get(type_name, ["1", "2", "NULL"]))
            [(found[name],)] = cursor.execute(f"SELECT CAST({text} AS {type_name})").fetchall()
    return found


def has_twins(answer: Answer) -> bool:
    """Whether two fields have one name, which no endpoint may have."""
    names = [column.name.lower() for column in answer.bound.schema]
    return len(set(names)) < len(names)


def is_by_cell(keyed: KeyedQuery, cursor: duckdb.DuckDBPyConnection, rng: Random) -> bool:
    """Whether halves of the table give the copy's rows each for itself."""
    whole = Counter(run(cursor, keyed.sql))
    cursor.execute("BEGIN")
    cursor.execute(f"CREATE TABLE kept AS SELECT *, random() < 0.5 AS here FROM {keyed.by_cell}")
    found: Counter[object] = Counter()
    for half in ("here", "NOT here"):
        cursor.execute(f"DELETE FROM {keyed.by_cell}")
        cursor.execute(
            f"INSERT INTO {keyed.by_cell} SELECT * EXCLUDE (here) FROM kept WHERE {half}"
        )
        found.update(run(cursor, keyed.sql))
    cursor.execute("ROLLBACK")
    return found == whole


def test_a_keyed_copy_gives_what_its_query_gives(analyst: DuckDBAnalyst) -> None:
    rng = Random(20)
    cursor = DuckDBEngine(threads=1).cursor()
    kinds: Counter[str] = Counter()
    for number in range(QUERIES):
        if number % QUERIES_A_DATA_SET == 0:
            fill(cursor, rng)
        drawn = draw(rng)
        answer = analyst.answer(drawn.sql, TABLES, drawn.types)
        if not isinstance(answer, Answer) or has_twins(answer):
            kinds["no query"] += 1
            continue
        keyed = answer.access.keyed
        if keyed is None:
            kinds["columnar"] += 1
            continue
        kinds["rolled up" if keyed.rollup else "rows"] += 1
        kinds["by cell"] += bool(keyed.by_cell)
        assert not keyed.by_cell or is_by_cell(keyed, cursor, rng), drawn.sql
        for _ in range(REQUESTS):
            given = values(answer, rng, cursor)
            asked = Asked(cursor, answer.sql, answer.bound.schema, keyed, drawn.order_items, given)
            wrong = difference(asked)
            assert not wrong, f"{drawn.sql}\n{given}\n{keyed.sql}\n{wrong}"
    assert all(kinds[kind] > QUERIES // 60 for kind in ("rolled up", "rows", "by cell")), kinds

"""The locality proof against what DuckDB computes: random models, built at once and cell by cell.

`HEADRACE_SOAK=50000` (`make soak`) asks for another number of models.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import duckdb

from headrace.base.tables import Schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Bound
from tests.pipeline.compile.projects import schema
from tests.pipeline.compile.random_models import WORLDS, Maker, World, rows

MODELS = int(os.environ.get("HEADRACE_SOAK", "2000"))
# Models over one set of tables: making tables costs as much as some ten models.
MODELS_A_DATA_SET = 40
REFUSED_LOOKED_AT = 10
Rows = Counter[tuple[object, ...]]


@dataclass
class Built:
    """Random tables: all of their rows in the schema `whole`, those of some cells in others."""

    cursor: duckdb.DuckDBPyConnection
    world: World
    data: dict[str, list[str]]
    subsets: dict[str, frozenset[str]] = field(default_factory=dict)

    def make(self, rng: Random) -> None:
        """Create every schema's tables."""
        self._create("whole", None)
        found = self.cursor.execute(
            f"SELECT DISTINCT {self.world.cell()} FROM (FROM whole.a UNION FROM whole.b)"
        ).fetchall()
        cells = sorted(str(cell) for (cell,) in found)
        chosen = [frozenset({cell}) for cell in cells]
        chosen += [frozenset(rng.sample(cells, rng.randint(0, len(cells) // 2)))]
        for number, subset in enumerate([*chosen, frozenset()]):
            self._create(f"part{number}", subset)
            self.subsets[f"part{number}"] = subset

    def _create(self, name: str, cells: frozenset[str] | None) -> None:
        kind = self.world.kind
        self.cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        for table, values in self.data.items():
            rows = f"(VALUES {', '.join(values)}) AS t(p, q, k, v)"
            typed = f"SELECT p::{kind} AS p, q::{kind} AS q, k::INTEGER AS k, v::INTEGER AS v"
            held = "true"
            if cells is not None and table != "w":
                wanted = ", ".join(f"'{cell}'" for cell in sorted(cells))
                held = f"{self.world.cell()} IN ({wanted})" if cells else "false"
            made = f"SELECT * FROM ({typed} FROM {rows}) WHERE {held}"
            self.cursor.execute(f"CREATE OR REPLACE TABLE {name}.{table} AS {made}")

    def rows(self, name: str, sql: str) -> Rows:
        """The rows of a model over the tables of a schema, each with its cell in front."""
        self.cursor.execute(f"SET schema = '{name}'")
        return Counter(
            self.cursor.execute(f"SELECT {self.world.cell()}, * FROM ({sql})").fetchall()
        )

    def difference(self, sql: str) -> str:
        """Where a model built from some cells is not those cells of the model; "" for nowhere."""
        whole = self.rows("whole", sql)
        for name, cells in self.subsets.items():
            expected = Counter({row: n for row, n in whole.items() if row[0] in cells})
            found = self.rows(name, sql)
            if found != expected:
                wrong = f"{found - expected} too many, {expected - found} missing"
                return f"cells {sorted(cells)}: {wrong}"
        return ""


def tables_of(world: World) -> dict[str, Schema]:
    """The columns of every table."""
    columns = {"p": world.kind, "q": world.kind, "k": "INTEGER", "v": "INTEGER"}
    return dict.fromkeys(("a", "b", "w"), schema(columns))


def data_sets(count: int) -> Iterator[tuple[Random, Built]]:
    """As many random sets of tables, over all worlds in turn."""
    cursor = DuckDBEngine(threads=1).cursor()
    for number in range(count):
        rng = Random(number)
        world = WORLDS[number % len(WORLDS)]
        data = {
            name: rows(rng, world, rng.randint(0, 9)) or ["(NULL, NULL, 1, 1)"] for name in "abw"
        }
        built = Built(cursor, world, data)
        built.make(rng)
        yield rng, built


def spelled(built: Built, sql: str, difference: str) -> str:
    """What a failure needs to be repeated by hand."""
    world = built.world
    tables = "\n".join(f"{name}: {', '.join(values)}" for name, values in built.data.items())
    return f"{world.kind} by {world.inputs} -> {world.result}\n{sql}\n{tables}\n{difference}"


def test_a_model_that_is_proved_local_is_the_same_cell_by_cell(analyst: DuckDBAnalyst) -> None:
    accepted = refused = looked_at = same = unbound = 0
    for rng, built in data_sets(max(MODELS // MODELS_A_DATA_SET, 1)):
        world = built.world
        splits = dict.fromkeys(("a", "b"), world.split(world.inputs))
        for _ in range(MODELS_A_DATA_SET):
            sql = Maker(rng, world).model()
            tables = tables_of(world)
            assert not analyst.parse(sql).mistakes, sql
            if not isinstance(analyst.bind(sql, tables), Bound):
                unbound += 1
                continue
            if analyst.prove(sql, tables, splits, world.split(world.result)).is_local:
                accepted += 1
                difference = built.difference(sql)
                assert not difference, spelled(built, sql, difference)
            else:
                refused += 1
                if refused % REFUSED_LOOKED_AT == 0:
                    looked_at += 1
                    same += not built.difference(sql)
    print(
        f"\n{accepted} models proved local, {refused} refused, {unbound} do not bind;"
        f" of {looked_at} refused ones, {same} did not differ on the one data set tried"
    )
    assert unbound < MODELS / 10
    assert accepted > MODELS / 6
    assert refused > MODELS / 6

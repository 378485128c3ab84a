"""Computes models in memory: takes given rows, gives tables in a DuckDB that is nobody else's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import duckdb

from headrace.base.declarations import Model, Project
from headrace.base.errors import ModelError
from headrace.base.moments import EPOCH, Moment
from headrace.base.names import quote
from headrace.base.tables import Schema
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.compiling import compile_project
from headrace.pipeline.compile.graph import Graph, Relation
from headrace.testing.filling import Given

_ReturnedRows: TypeAlias = Callable[
    [DuckDBEngine, Path, Relation], AbstractContextManager[tuple[str, Schema]]
]


class Sandbox:
    """One DuckDB in memory for any number of tests, and the graph of the project.

    Every table that a test reads is made anew for it: nothing of another test is seen.
    """

    def __init__(self, project: Project, cache: CompileCache) -> None:
        """Compile the project; columns of Python models that are not declared come as they run.

        Raises:
            ProjectError: the project does not compile.
        """
        self._project = project
        self._cache = cache
        self._observed: dict[str, Schema] = {}
        self._graphs: dict[Moment, Graph] = {}
        self._moment = EPOCH
        self._compiled()
        self.engine = DuckDBEngine(threads=1)
        # What a query of the project may read is checked when it is compiled. This is for the
        # queries of routers, which are not; when they are served, they can read no file either.
        self.engine.cursor().execute("SET enable_external_access = false")

    def close(self) -> None:
        """Close the engine."""
        self.engine.close()

    @property
    def graph(self) -> Graph:
        """The graph of the project at the time that the clock shows, as far as it is known."""
        return self._compiled()

    def set_clock(self, at: datetime | None) -> None:
        """What the clock shows from now on: an aware time; None where no model looks at it."""
        self._moment = EPOCH if at is None else Moment(at)

    def volatile(self, tables: Iterable[str], given: Iterable[str]) -> list[Relation]:
        """The models that would be computed for `tables` and whose SQL asks for the time."""
        needed = set(self._needed(tables, given)).difference(given)
        return [each for each in self.graph.relations if each.name in needed and _is_volatile(each)]

    def compute(self, tables: Callable[[], Iterable[str]], given: Mapping[str, Given]) -> set[str]:
        """Make tables, and what they are made from as far as it is not given.

        Args:
            tables: names them; asked again whenever the graph has changed.
            given: table -> its rows. Sources without any are empty.

        Returns:
            the sources that were empty because nothing was given.

        Raises:
            ModelError: a model failed; the message says where.
            ProjectError: what reads a Python model does not compile over the columns it returned.
        """
        made: set[str] = set()
        while remaining := self._remaining(tables(), given, made):
            graph = self.graph
            for relation in remaining:
                self._fill(relation, given)
                made.add(relation.name)
                if self.graph is not graph:
                    break
        return {
            # What was read of a changing source is a table that its file does not name.
            each.declaration.name if each.declaration.name not in given else each.name
            for each in self.graph.relations
            if each.kind == "source" and each.name in made - given.keys()
        }

    def create(self, table: str, schema: Schema) -> None:
        """Make an empty table."""
        columns = ", ".join(f"{quote(column.name)} {column.type}" for column in schema)
        self.engine.cursor().execute(f"CREATE OR REPLACE TABLE {quote(table)} ({columns})")

    def _remaining(
        self, tables: Iterable[str], given: Mapping[str, Given], made: set[str]
    ) -> list[Relation]:
        """The tables that are needed and not made yet, in the order in which to make them."""
        needed = set(self._needed(tables, given)) - made
        return [relation for relation in self.graph.relations if relation.name in needed]

    def tables(self) -> set[str]:
        """The tables that the engine has, whichever test they were made for."""
        rows = self.engine.cursor().execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {name for (name,) in rows}

    def _fill(self, relation: Relation, given: Mapping[str, Given]) -> None:
        place = relation.place
        try:
            if relation.name in given:
                place = next(iter(given[relation.name].places), place)
                self._insert(given[relation.name])
            elif relation.kind == "model":
                self._make(relation)
            else:
                self.create(relation.name, relation.schema or ())
        except duckdb.Error as exc:
            raise ModelError(f"{place}: {exc}") from exc

    def _needed(self, tables: Iterable[str], given: Iterable[str]) -> Iterator[str]:
        waiting, seen = list(tables), set[str]()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            yield name
            relation = self.graph.relation(name)
            if name not in given and relation.kind == "model":
                waiting.extend(relation.inputs)

    def _insert(self, given: Given) -> None:
        relation = given.relation
        schema = relation.schema or ()
        self.create(relation.name, schema)
        rows = ", ".join(
            f"({', '.join(row[column.name].sql for column in schema)})" for row in given.rows
        )
        if rows:
            self.engine.cursor().execute(f"INSERT INTO {quote(relation.name)} VALUES {rows}")

    def _make(self, relation: Relation) -> None:
        if relation.sql:
            self._store(relation.name, relation.sql)
            return
        # The columns that are not declared may differ with each input.
        asked = relation if relation.schema is not None else replace(relation, schema=())
        with _load_returned_rows()(self.engine, self._project.root, asked) as (sql, schema):
            self._store(relation.name, sql)
        if schema != relation.schema:
            self._observed[relation.recipe] = schema
            self._graphs.clear()

    def _compiled(self) -> Graph:
        if self._moment not in self._graphs:
            graph = compile_project(self._project, self._cache, self._observed, self._moment)
            self._graphs[self._moment] = graph
        return self._graphs[self._moment]

    def _store(self, table: str, sql: str) -> None:
        self.engine.cursor().execute(f"CREATE OR REPLACE TABLE {quote(table)} AS {sql}\n")


def _is_volatile(relation: Relation) -> bool:
    model = relation.declaration
    # A Python model reads the clock by itself: no time of ours reaches it.
    return isinstance(model, Model) and model.volatile != "" and model.function is None


# Lazy, for it imports pyarrow, which costs 0.2 s of CPU that tests of SQL models do not need.
def _load_returned_rows() -> _ReturnedRows:
    module = importlib.import_module("headrace.pipeline.run.python_models")
    rows: _ReturnedRows = module.returned_rows
    return rows

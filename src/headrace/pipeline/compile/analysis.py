"""Asks the cache first and the engine last: takes SQL, gives what is known of it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from headrace.base.hashing import Part, address
from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.queries import (
    Analyst,
    Answer,
    Bound,
    Mistake,
    Predicate,
    Proof,
    Query,
)
from headrace.store.snapshots import Scope, TablePolicy


class Analysis:
    """Queries, read and bound; the engine is imported when the cache does not know one."""

    def __init__(self, cache: CompileCache) -> None:
        """Read through `cache`."""
        self.cache = cache
        self._analyst: Analyst | None = None

    def read_ahead(self, texts: Iterable[str]) -> None:
        """Learn what `query` will be asked for: read together, texts cost a quarter."""
        new = [sql for sql in dict.fromkeys(texts) if self.cache.query(_text_key(sql)) is None]
        if new:
            for sql, query in zip(new, self.analyst().parse_all(new), strict=True):
                self.cache.keep_query(_text_key(sql), query)

    def query(self, sql: str) -> Query:
        """What a text alone says. A text that does not parse is a Query with its mistake."""
        self.read_ahead([sql])
        known = self.cache.query(_text_key(sql))
        assert known is not None, "it has been read just now"
        return known

    def bind(self, query: Query, tables: Mapping[str, Schema]) -> Bound | Mistake:
        """The columns of a query over tables of known columns, or why it has none."""
        # By the text: `AS Day` and `AS day` are one canonical query with two names of a column.
        key = address("bound", query.statement, _columns(tables))
        if (known := self.cache.bound(key)) is not None:
            return known
        found = self.analyst().bind(query.statement, tables)
        return found if isinstance(found, Mistake) else self.cache.keep_bound(key, found)

    def answer(
        self, query: Query, tables: Mapping[str, Schema], types: Mapping[str, str]
    ) -> Answer | tuple[Mistake, ...]:
        """An endpoint's query, typed; `types` are the parameter types that the header gives."""
        key = address("answer", query.statement, _columns(tables), types)
        if (known := self.cache.answer(key)) is not None:
            return known
        found = self.analyst().answer(query.statement, tables, types)
        return found if isinstance(found, tuple) else self.cache.keep_answer(key, found)

    def predicate(self, text: str, table: str) -> Predicate | Mistake:
        """A rule of a table's rows as a query, or why it is none."""
        key = address("predicate", text, table)
        if (known := self.cache.predicate(key)) is not None:
            return known
        found = self.analyst().predicate(text, table)
        return found if isinstance(found, Mistake) else self.cache.keep_predicate(key, found)

    def scoped(
        self, sql: str, tables: Mapping[str, Schema], selects: Mapping[str, str]
    ) -> str | Mistake:
        """A typed query that reads, of each table in `selects`, what its SELECT lets through."""
        key = address("scoped behind a barrier", sql, _columns(tables), selects)
        if (known := self.cache.scoped(key)) is not None:
            return known
        found = self.analyst().scoped(sql, tables, selects)
        return found if isinstance(found, Mistake) else self.cache.keep_scoped(key, found)

    def under(
        self,
        query: Query,
        tables: Mapping[str, Schema],
        answer: Answer,
        policies: Mapping[str, TablePolicy],
        scope: Scope | None,
    ) -> Answer:
        """An endpoint's query with its access under policies; see `Analyst.access`."""
        rules = [msgspec.to_builtins(each) for each in (policies, scope)]
        key = address("under", query.statement, _columns(tables), answer.types, *rules)
        if (known := self.cache.answer(key)) is not None:
            return known
        access = self.analyst().access(query.statement, tables, answer, policies, scope)
        return self.cache.keep_answer(key, replace(answer, access=access))

    def prove(
        self,
        query: Query,
        tables: Mapping[str, Schema],
        splits: Mapping[str, Split],
        result: Split,
    ) -> Proof:
        """Whether a query that binds can be built cell by cell.

        Args:
            tables: the columns of every table that it reads.
            splits: those tables of which a cell is to need the same cells only.
            result: what the cells of the result are told apart by. A partition of time may be
                coarser than that of a table; keys are compared column by column.
        """
        asked = {name: [split.by, *split.columns] for name, split in splits.items()}
        wanted: list[Part] = [result.by, *result.columns]
        key = address("proof", query.statement, _columns(tables), asked, wanted)
        if (known := self.cache.proof(key)) is not None:
            return known
        found = self.analyst().prove(query.statement, tables, splits, result)
        return self.cache.keep_proof(key, found)

    def analyst(self) -> Analyst:
        """The engine's side, made at the first call."""
        if self._analyst is None:
            self._analyst = _load_analyst()
        return self._analyst


def _text_key(sql: str) -> str:
    return address("text", sql)


def _load_analyst() -> Analyst:
    # The one lazy import of the compiler: DuckDB costs 0.15 to 0.3 s of CPU to import, and a
    # project in which nothing changed, the usual one, must be planned in less than 0.5 s.
    module = importlib.import_module("headrace.pipeline.compile.duckdb_analyst")
    analyst: Analyst = module.DuckDBAnalyst()
    return analyst


def _columns(tables: Mapping[str, Schema]) -> dict[str, list[list[str]]]:
    return {
        name: [[column.name, column.type] for column in schema] for name, schema in tables.items()
    }

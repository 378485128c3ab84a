"""What was learned about texts before: takes a file, gives results by the hash of what made them.

Nothing here is ever wrong for being old: a key holds everything that its result depends on, the
version of DuckDB included. Losing the file costs one compilation.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path

import msgspec

from headrace.pipeline.compile.queries import Answer, Bound, ModuleFacts, Predicate, Proof, Query

# Part of every file: raise it when the compiler learns more, or something else, from a text.
_FORMAT = 6


class _Entries(msgspec.Struct):
    """The file: results by key, by what they are."""

    made_by: str = ""
    queries: dict[str, Query] = {}
    bindings: dict[str, Bound] = {}
    answers: dict[str, Answer] = {}
    proofs: dict[str, Proof] = {}
    modules: dict[str, ModuleFacts] = {}
    predicates: dict[str, Predicate] = {}
    scoped: dict[str, str] = {}


class CompileCache:
    """Results by key. Only those that a compilation asks for are kept when it is saved."""

    def __init__(self, path: Path | None = None, found: _Entries | None = None) -> None:
        """Open with what a file held; without a path it lives in memory only."""
        self._path = path
        self._found = found or _Entries()
        self._used = _Entries(made_by=made_by())

    @classmethod
    def load(cls, path: Path) -> CompileCache:
        """The cache in a file; an empty one when there is none that this version can read."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Entries)
        except (FileNotFoundError, msgspec.MsgspecError):
            return cls(path)
        return cls(path, found if found.made_by == made_by() else None)

    def save(self) -> None:
        """Write what was used, if it is not what the file holds already."""
        if self._path is None or self._used == self._found:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(self._used))
        Path(name).replace(self._path)
        self._found = self._used

    def query(self, key: str) -> Query | None:
        """What a text says, if that is known."""
        found = self._used.queries.get(key) or self._found.queries.get(key)
        return found and self.keep_query(key, found)

    def keep_query(self, key: str, query: Query) -> Query:
        """Remember what a text says."""
        self._used.queries[key] = query
        return query

    def bound(self, key: str) -> Bound | None:
        """A query's columns, if they are known."""
        found = self._used.bindings.get(key) or self._found.bindings.get(key)
        return found and self.keep_bound(key, found)

    def keep_bound(self, key: str, bound: Bound) -> Bound:
        """Remember a query's columns."""
        self._used.bindings[key] = bound
        return bound

    def answer(self, key: str) -> Answer | None:
        """An endpoint's query, if it is known."""
        found = self._used.answers.get(key) or self._found.answers.get(key)
        return found and self.keep_answer(key, found)

    def keep_answer(self, key: str, answer: Answer) -> Answer:
        """Remember an endpoint's query."""
        self._used.answers[key] = answer
        return answer

    def proof(self, key: str) -> Proof | None:
        """Whether a query is partition-local, if that is known."""
        found = self._used.proofs.get(key) or self._found.proofs.get(key)
        return found and self.keep_proof(key, found)

    def keep_proof(self, key: str, proof: Proof) -> Proof:
        """Remember whether a query is partition-local."""
        self._used.proofs[key] = proof
        return proof

    def module(self, key: str) -> ModuleFacts | None:
        """What a Python file says, if that is known."""
        found = self._used.modules.get(key) or self._found.modules.get(key)
        return found and self.keep_module(key, found)

    def keep_module(self, key: str, facts: ModuleFacts) -> ModuleFacts:
        """Remember what a Python file says."""
        self._used.modules[key] = facts
        return facts

    def predicate(self, key: str) -> Predicate | None:
        """What a rule of rows says, if that is known."""
        found = self._used.predicates.get(key) or self._found.predicates.get(key)
        return found and self.keep_predicate(key, found)

    def keep_predicate(self, key: str, predicate: Predicate) -> Predicate:
        """Remember what a rule of rows says."""
        self._used.predicates[key] = predicate
        return predicate

    def scoped(self, key: str) -> str | None:
        """A query over what policies let through, if that is known."""
        found = self._used.scoped.get(key) or self._found.scoped.get(key)
        return found and self.keep_scoped(key, found)

    def keep_scoped(self, key: str, sql: str) -> str:
        """Remember a query over what policies let through."""
        self._used.scoped[key] = sql
        return sql


@cache
def engine_release() -> str:
    """The release of DuckDB that is installed: "2.0.0". Does not import it."""
    return metadata.version("duckdb")


def engine_version() -> str:
    """What enters every recipe, as `DuckDBEngine.version`: "duckdb-2". Does not import it."""
    return f"duckdb-{engine_release().split('.', maxsplit=1)[0]}"


def made_by() -> str:
    """What a cache file must have been made by to be of use."""
    return f"{_FORMAT}, duckdb {engine_release()}"

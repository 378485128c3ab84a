"""Runs unit tests: takes a project's folder, gives the outcome of each test in tests/."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import duckdb

from headrace.base.access import Principal
from headrace.base.errors import HeadraceError, ModelError, Problem, ProjectError
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.compile.tables import project_tables
from headrace.pipeline.project.keys import Problems
from headrace.pipeline.project.loading import load_project
from headrace.pipeline.run.importing import project_modules
from headrace.pipeline.workspace import compile_cache
from headrace.testing.answers import AnswerDifference, Answered, compare_answer
from headrace.testing.binding import bind_expected, bind_given, check_expected
from headrace.testing.comparing import TableDifference, compare
from headrace.testing.declarations import Request, Rows, UnitTest
from headrace.testing.filling import Given
from headrace.testing.reading import read_tests
from headrace.testing.sandbox import Sandbox

Difference: TypeAlias = TableDifference | AnswerDifference


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended.

    Attributes:
        test: the test.
        seconds: what it took.
        differences: what is not as expected.
        error: why there is nothing to compare; "" when there was.
        empty: the sources that were read although nothing was given of them.
    """

    test: UnitTest
    seconds: float
    differences: tuple[Difference, ...] = ()
    error: str = ""
    empty: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.differences and not self.error


class _Finding(Protocol):
    """What knows the tables behind an address: `asking.Finding`."""

    def tables(self, target: str) -> tuple[str, ...]: ...


class _Asking(Protocol):
    """What answers requests: `asking.Asking`."""

    graph: Graph

    def get(self, target: str, principal: Principal) -> Answered: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Bound:
    """A test, its given rows, and the models that it expects rows of."""

    test: UnitTest
    given: Mapping[str, Given]
    models: tuple[str, ...]


@dataclass
class Suite:
    """The tests of a project, ready to run; `close` it."""

    root: Path
    tests: Sequence[Bound]
    _sandbox: Sandbox
    _cache: CompileCache
    _asking: _Asking | None = field(default=None, init=False)

    def run(self, tests: Iterable[Bound]) -> Iterator[Outcome]:
        """Run tests one after another; none of them sees anything of another."""
        with project_modules(self.root):
            for test in tests:
                yield self._outcome(test)

    def close(self) -> None:
        """Give everything back."""
        if self._asking is not None:
            self._asking.close()
        self._sandbox.close()

    def _outcome(self, bound: Bound) -> Outcome:
        started = time.monotonic()
        differences: tuple[Difference, ...] = ()
        empty: set[str] = set()
        error = ""
        try:
            self._sandbox.set_clock(bound.test.at)
            if bound.test.request is not None:
                differences, empty = self._answer(bound, bound.test.request)
            else:
                empty = self._sandbox.compute(lambda: bound.models, bound.given)
                differences = tuple(self._table_differences(bound))
        except (HeadraceError, duckdb.Error) as exc:
            error = str(exc)
        seconds = time.monotonic() - started
        return Outcome(bound.test, seconds, differences, error, tuple(sorted(empty)))

    def _table_differences(self, bound: Bound) -> Iterator[TableDifference]:
        for rows, name in zip(bound.test.expected, bound.models, strict=True):
            found = self._table_difference(rows, name, ordered=bound.test.ordered)
            if found.pairs:
                yield found

    def _table_difference(self, rows: Rows, name: str, *, ordered: bool) -> TableDifference:
        relation = self._sandbox.graph.relation(name)
        problems: Problems = []
        expected = bind_expected(rows, relation, relation.schema or (), problems)
        if problems:
            # Only of a Python model whose columns could not be told before it has run.
            raise ProjectError(problems)
        cursor = self._sandbox.engine.cursor()
        try:
            # Of a history, and of what landed, a key is there more than once.
            is_keyed = name == relation.declaration.name
            key = relation.declaration.key if is_keyed else ()
            return compare(cursor, expected, key, ordered=ordered)
        except duckdb.Error as exc:
            raise ModelError(f"{rows.place}: {exc}") from exc

    def _answer(
        self, bound: Bound, request: Request
    ) -> tuple[tuple[AnswerDifference, ...], set[str]]:
        empty: set[str] = set()
        if self._sandbox.graph.deferred:
            # An endpoint may wait for columns that a Python model shows when it runs.
            empty = self._sandbox.compute(self._all_tables, bound.given)
        finding = _finding(self._sandbox.graph)
        empty |= self._sandbox.compute(lambda: finding.tables(request.target), bound.given)
        answer = self._asked().get(request.target, request.principal)
        difference = compare_answer(request, answer)
        return (difference,) if difference.lines else (), empty

    def _all_tables(self) -> list[str]:
        return [relation.name for relation in self._sandbox.graph.relations]

    def _asked(self) -> _Asking:
        """The application over the graph as it is now."""
        sandbox = self._sandbox
        if self._asking is not None and self._asking.graph is not sandbox.graph:
            self._asking.close()
            self._asking = None
        if self._asking is None:
            known = sandbox.tables()
            for relation in sandbox.graph.relations:
                if relation.name not in known:
                    sandbox.create(relation.name, relation.schema or ())
            self._asking = _load_asking(sandbox, self._cache)
        return self._asking


def open_suite(root: Path) -> Suite:
    """The tests of the project in folder `root`, each bound to it.

    Raises:
        ProjectError: with every mistake in the files of tests/, and in those of the project.
    """
    problems: Problems = []
    tests = read_tests(root, problems)
    cache = compile_cache(root)
    try:
        project = load_project(root)
        sandbox = Sandbox(project, cache)
    except ProjectError as exc:
        raise ProjectError([*problems, *exc.problems]) from exc
    names, _ = project_tables(project)
    bound = []
    for test in tests:
        of_test: Problems = []
        models = check_expected(test, sandbox.graph, names, of_test)
        given = bind_given(test, sandbox.graph, names, sandbox.engine.cursor(), of_test)
        if not of_test:
            _require_clock(test, models, given, sandbox, of_test)
        bound.append(Bound(test, given, models))
        problems += of_test
    if problems:
        sandbox.close()
        raise ProjectError(problems)
    if not sandbox.graph.deferred:
        # A cache that has forgotten what waits here would cost the next plan an engine.
        cache.save()
    return Suite(root, bound, sandbox, cache)


def _require_clock(
    test: UnitTest,
    models: Sequence[str],
    given: Mapping[str, Given],
    sandbox: Sandbox,
    problems: Problems,
) -> None:
    """What a test expects must not depend on the day on which it runs."""
    every = [each.name for each in sandbox.graph.relations]
    if test.at is not None or not sandbox.volatile(every, given):
        return
    if test.request is not None:
        models = _finding(sandbox.graph).tables(test.request.target)
    for relation in sandbox.volatile(models, given):
        found = f"`{relation.name}` asks for the time, and the test does not say what it is"
        expected = "`at:`, such as `at: 2024-03-01T00:00:00Z`"
        fix = f"or give the rows of `{relation.name}`"
        problems.append(Problem(test.place, found, expected, fix))


# Lazy as what asks is.
def _finding(graph: Graph) -> _Finding:
    found: _Finding = importlib.import_module("headrace.testing.asking").Finding(graph)
    return found


# Lazy, for it imports FastAPI, which costs more than a hundred tests of models.
def _load_asking(sandbox: Sandbox, cache: CompileCache) -> _Asking:
    module = importlib.import_module("headrace.testing.asking")
    try:
        asking: _Asking = module.Asking(sandbox.graph, cache, sandbox.engine)
    except HeadraceError:
        raise
    except Exception as exc:  # the user's routers raise what they like
        message = f"the routers cannot be imported: {type(exc).__name__}: {exc}"
        raise ModelError(message) from exc
    return asking

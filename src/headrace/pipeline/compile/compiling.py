"""Compiles a project: takes declarations, gives the graph, or every mistake that is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from headrace.base.declarations import Project
from headrace.base.errors import Problem, ProjectError
from headrace.base.moments import EPOCH, Moment
from headrace.base.tables import Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.checks import Compiled, sql_check, table_checks
from headrace.pipeline.compile.endpoints import compile_endpoint
from headrace.pipeline.compile.graph import CompiledCheck, Graph, Relation
from headrace.pipeline.compile.models import (
    Reading,
    compile_python_model,
    compile_sql_model,
    deferred_model,
    read_model,
    with_declared_lineage,
)
from headrace.pipeline.compile.ordering import build_order
from headrace.pipeline.compile.sources import compile_source
from headrace.pipeline.compile.tables import TableNames, project_tables
from headrace.store.snapshots import EndpointContract

T = TypeVar("T")


def compile_project(
    project: Project,
    cache: CompileCache,
    observed: Mapping[str, Schema],
    moment: Moment = EPOCH,
) -> Graph:
    """The graph of a project.

    Args:
        project: all its declarations.
        cache: what was learned before; what is learned now is added to it. With everything known
            neither DuckDB nor any other parser is imported.
        observed: recipe of a Python model -> the columns that it returned when it last ran.
        moment: the time for the models and checks that say `volatile`.

    Raises:
        ProjectError: with every mistake that can be told without guessing. A model that reads a
            broken one is not looked at further.
    """
    names, problems = project_tables(project)
    analysis = Analysis(cache)
    analysis.read_ahead(_texts(project))
    compiling = _Compiling(project, names, analysis, observed, moment, problems)
    relations = compiling.relations()
    compiled = Compiled({each.name: each for each in relations}, names)
    checks = compiling.checks(compiled)
    endpoints, deferred = compiling.endpoints(compiled)
    if problems:
        raise ProjectError(problems)
    waiting = [each.name for each in relations if each.schema is None]
    return Graph(
        project=project,
        relations=tuple(relations),
        checks=tuple(checks),
        endpoints=tuple(endpoints),
        deferred=(*waiting, *deferred),
        moment=moment,
    )


def _texts(project: Project) -> Iterator[str]:
    """Every SQL text of a project."""
    yield from (model.sql for model in project.models if model.function is None)
    yield from (check.sql for check in project.checks)
    yield from (endpoint.sql for endpoint in project.endpoints)


@dataclass(frozen=True, slots=True)
class _Compiling:
    """One compilation; `problems` grow."""

    project: Project
    names: TableNames
    analysis: Analysis
    observed: Mapping[str, Schema]
    moment: Moment
    problems: list[Problem] = field(default_factory=list)

    def relations(self) -> list[Relation]:
        """All tables in topological order, without those that are broken or read a broken one."""
        readings = {reading.model.name: reading for reading in self._readings()}
        inputs: dict[str, tuple[str, ...]] = dict.fromkeys(self.names.names, ())
        sources = {each.name: each for each in self._source_relations()}
        inputs |= {name: relation.inputs for name, relation in sources.items()}
        inputs |= {name: reading.inputs for name, reading in readings.items()}
        order, circles = build_order(inputs)
        self.problems.extend(self._circle(circle, readings) for circle in circles)
        found: dict[str, Relation] = {}
        for name in order:
            relation = sources.get(name)
            if relation is None and name in readings:
                relation = self._model(readings[name], found)
            if relation is not None:
                found[name] = relation
        return list(found.values())

    def _readings(self) -> Iterator[Reading]:
        """The models that are whole so far."""
        for model in self.project.models:
            reading, problems = read_model(model, self.names, self.analysis)
            self.problems.extend(problems)
            if not problems:
                yield reading

    def _circle(self, circle: list[str], readings: Mapping[str, Reading]) -> Problem:
        steps = " -> ".join(f"`{name}`" for name in [*circle, circle[0]])
        return Problem(
            readings[circle[0]].model.place,
            f"the models read each other in a circle: {steps}",
            fix="take one of these reads out",
        )

    def _source_relations(self) -> Iterator[Relation]:
        for source in self.project.sources:
            yield from self._kept(compile_source(source, self.analysis)) or ()

    def _model(self, reading: Reading, found: Mapping[str, Relation]) -> Relation | None:
        """A model's relation; None when it or one of its inputs is broken."""
        if any(name not in found for name in reading.inputs):
            return None
        if reading.model.function is not None:
            root = self.project.root
            made = self._kept(compile_python_model(reading, root, self.analysis, self.observed))
            relation = made and self._kept(with_declared_lineage(made, found, self.names))
            moment = self.moment.text(reading.model.volatile)
            return relation and replace(relation, moment=moment)
        tables: dict[str, Schema] = {}
        for name in reading.inputs:
            schema = found[name].schema
            if schema is None:
                return deferred_model(reading)
            tables[name] = schema
        return self._kept(compile_sql_model(reading, tables, self.analysis, self.moment))

    def _kept(self, result: T | list[Problem]) -> T | None:
        if isinstance(result, list):
            self.problems.extend(result)
            return None
        return result

    def checks(self, compiled: Compiled) -> list[CompiledCheck]:
        """The checks of the tables that are whole, in the tables' order, then those of checks/."""
        found: list[CompiledCheck] = []
        for relation in compiled.relations.values():
            for each in table_checks(relation, compiled, self.analysis):
                if isinstance(each, Problem):
                    self.problems.append(each)
                else:
                    found.append(each)
        for declaration in self.project.checks:
            check = sql_check(declaration, compiled, self.analysis, self.moment)
            if check is not None and (kept := self._kept(check)) is not None:
                found.append(kept)
        return found

    def endpoints(self, compiled: Compiled) -> tuple[list[EndpointContract], list[str]]:
        """The contracts, and the names of the endpoints that wait for a table's columns."""
        found: list[EndpointContract] = []
        deferred: list[str] = []
        for endpoint in self.project.endpoints:
            contract = compile_endpoint(endpoint, compiled, self.analysis)
            if contract is None:
                deferred.append(endpoint.name)
            elif (kept := self._kept(contract)) is not None:
                found.append(kept)
        return found, deferred

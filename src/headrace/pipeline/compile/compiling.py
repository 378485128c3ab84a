"""Compiles a project: takes declarations, gives the graph, or every mistake that is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from headrace.base.declarations import Model, Project
from headrace.base.errors import Problem, ProjectError
from headrace.base.moments import EPOCH, Moment
from headrace.base.tables import ALL_SUFFIX, QUARANTINE_SUFFIX, Schema
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
from headrace.pipeline.compile.policies import Policies, compile_policies
from headrace.pipeline.compile.policy_derivation import derivation_problems
from headrace.pipeline.compile.quarantine import (
    all_rows,
    divide_model,
    divided_inputs,
    tolerance_check,
)
from headrace.pipeline.compile.served import access_of
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
    graph, problems = compile_partly(project, cache, observed, moment)
    if problems:
        raise ProjectError(problems)
    return graph


def compile_partly(
    project: Project, cache: CompileCache, observed: Mapping[str, Schema], moment: Moment = EPOCH
) -> tuple[Graph, list[Problem]]:
    """The graph of what compiles, and every mistake in the rest; as `compile_project`."""
    names, problems = project_tables(project)
    analysis = Analysis(cache)
    analysis.read_ahead(_texts(project))
    compiling = _Compiling(project, names, analysis, observed, moment, problems)
    relations = compiling.relations()
    policies = compiling.policies(relations)
    compiled = Compiled({each.name: each for each in relations}, names, policies)
    checks = compiling.checks(compiled)
    endpoints, deferred = compiling.endpoints(compiled)
    waiting = [each.name for each in relations if each.schema is None]
    graph = Graph(
        project=project,
        relations=tuple(relations),
        checks=tuple(checks),
        endpoints=tuple(endpoints),
        deferred=(*waiting, *deferred),
        moment=moment,
        policies=policies.tables,
    )
    return graph, problems


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
        divided = {each.name: each for each in self.project.models if each.rules}
        for name, model in divided.items():
            if name + ALL_SUFFIX in readings:
                inputs[name] = inputs[name + QUARANTINE_SUFFIX] = self._divided_inputs(model)
        order, circles = build_order(inputs)
        self.problems.extend(map(self._circle, circles))
        found: dict[str, Relation] = {}
        for name in order:
            relation = sources.get(name)
            if relation is None and name in readings:
                relation = self._model(readings[name], found)
            if relation is not None:
                found[name] = relation
            if name in divided:
                found |= {each.name: each for each in self._divided(divided[name], found)}
        return list(found.values())

    def _divided_inputs(self, model: Model) -> tuple[str, ...]:
        found = map(self.names.find, divided_inputs(model))
        return tuple(name for name in found if name is not None)

    def _divided(self, model: Model, found: Mapping[str, Relation]) -> Iterable[Relation]:
        """A model that sets rows aside, and its quarantine; () when something is broken."""
        base = found.get(model.name + ALL_SUFFIX)
        if base is None or any(name not in found for name in self._divided_inputs(model)):
            return ()
        return (
            self._kept(divide_model(model, base, Compiled(found, self.names), self.analysis)) or ()
        )

    def _readings(self) -> Iterator[Reading]:
        """The models that are whole so far."""
        for declared in self.project.models:
            model = all_rows(declared) if declared.rules else declared
            reading, problems = read_model(model, self.names, self.analysis)
            self.problems.extend(problems)
            if not problems:
                yield reading

    def _circle(self, circle: list[str]) -> Problem:
        steps = " -> ".join(f"`{name}`" for name in [*circle, circle[0]])
        places = {model.name: model.place for model in self.project.models}
        return Problem(
            next(places[name] for name in circle if name in places),
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
        inputs = {name: found[name] for name in reading.inputs}
        if reading.model.function is not None:
            at = (self.project.root, self.analysis)
            made = self._kept(compile_python_model(reading, inputs, self.observed, at))
            relation = made and self._kept(with_declared_lineage(made, found, self.names))
            moment = self.moment.text(reading.model.volatile)
            return relation and replace(relation, moment=moment)
        if any(relation.schema is None for relation in inputs.values()):
            return deferred_model(reading)
        return self._kept(compile_sql_model(reading, inputs, self.analysis, self.moment))

    def _kept(self, result: T | list[Problem]) -> T | None:
        if isinstance(result, list):
            self.problems.extend(result)
            return None
        return result

    def policies(self, relations: Sequence[Relation]) -> Policies:
        """Who sees what of each table."""
        policies = compile_policies(relations, self.analysis)
        self.problems.extend(policies.problems)
        self.problems.extend(derivation_problems(relations, policies))
        return policies

    def checks(self, compiled: Compiled) -> list[CompiledCheck]:
        """The checks of the tables that are whole, in the tables' order, then those of checks/."""
        found: list[CompiledCheck] = []
        for relation in compiled.relations.values():
            for each in table_checks(relation, compiled, self.analysis):
                if isinstance(each, Problem):
                    self.problems.append(each)
                else:
                    found.append(each)
        found += [
            tolerance_check(model)
            for model in self.project.models
            if model.rules and model.name in compiled.relations
        ]
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
            allowed = replace(endpoint, access=access_of(endpoint, self.project.settings))
            contract = compile_endpoint(allowed, compiled, self.analysis)
            if contract is None:
                deferred.append(endpoint.name)
            elif (kept := self._kept(contract)) is not None:
                found.append(kept)
        return found, deferred

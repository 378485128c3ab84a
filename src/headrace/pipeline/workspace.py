"""A project's folder with its store: takes the folder, gives what a run would do.

Nothing here imports an engine: planning must cost next to nothing when nothing changed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.base.changes import ContractChange
from headrace.base.clock import Clock, SystemClock
from headrace.base.declarations import Project
from headrace.base.errors import ProjectError
from headrace.base.moments import Moment
from headrace.base.tables import Schema
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.column_graph import ColumnGraph, column_graph
from headrace.pipeline.compile.compiling import compile_partly, compile_project
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.plan.manifests import make_contract
from headrace.pipeline.plan.mistakes import broken_contracts
from headrace.pipeline.plan.planning import make_plan
from headrace.pipeline.plan.plans import EVERYTHING, Plan, Selection
from headrace.pipeline.plan.reviewing import with_calls
from headrace.pipeline.project.loading import load_project
from headrace.sources.files import Fingerprints, find_files
from headrace.store.store import Store

_CACHE = Path(".headrace", "cache")
_SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A project as its files are now, and the store that it builds into."""

    project: Project
    store: Store

    @property
    def cache(self) -> Path:
        """The folder of what can be computed again; it may be deleted at any time."""
        return self.project.root / _CACHE


def open_workspace(root: Path, *, clock: Clock = _SYSTEM_CLOCK) -> Workspace:
    """The project in folder `root`, with its store, which is created if there is none.

    Raises:
        ProjectError: the project's files hold mistakes.
    """
    project = load_project(root)
    workspace = Workspace(project, Store.open(project.settings.store, clock=clock))
    workspace.cache.mkdir(parents=True, exist_ok=True)
    return workspace


def compile_cache(root: Path) -> CompileCache:
    """What was learned about the texts of the project in folder `root`."""
    return CompileCache.load(root / _CACHE / "compiled.json")


def plan_workspace(
    workspace: Workspace,
    environment: str,
    selection: Selection = EVERYTHING,
    moment: Moment | None = None,
) -> Plan:
    """What must be built, checked and published so that `environment` serves the project.

    With a selection, of what it leaves out that stays which is published.

    Args:
        workspace: the project and its store.
        environment: where to publish.
        selection: what to build.
        moment: the time for what is volatile; None reads the store's clock, once.

    Raises:
        ProjectError: the project does not compile; it says what of the deployed contract breaks.
        UsageError: the selection names what is not there, or leaves out what is needed.
        SourceError: the files of a source cannot be found or read.
    """
    project, store = workspace.project, workspace.store
    moment = moment or Moment(store.clock.now(), secrets.token_hex(8))
    fingerprints = Fingerprints.load(workspace.cache / "fingerprints.json")
    files = {each.name: find_files(project.root, each, fingerprints) for each in project.sources}
    fingerprints.save()
    cache = compile_cache(project.root)
    observed = _published_schemas(workspace, environment)
    told: set[str] = set()
    while True:
        graph, problems = compile_partly(project, cache, observed, moment)
        if problems:
            raise ProjectError(problems, _breaks(graph, cache, store, environment))
        contract = make_contract(graph, cache)
        plan = make_plan(graph, files, contract, store, environment, selection)
        shown = {
            recipe: schema for recipe, schema in _shown_schemas(plan).items() if recipe not in told
        }
        if not shown:
            cache.save()
            return replace(plan, changes=with_calls(plan.changes, store, environment))
        # A Python model has run since, or on other rows: what reads it is compiled with the
        # columns that it has now. Once for each, whatever else might show others.
        told |= shown.keys()
        observed |= shown


def trace_workspace(workspace: Workspace, environment: str) -> ColumnGraph:
    """The column lineage of the project as its files are now; no raw file is looked at.

    Args:
        workspace: the project and its store.
        environment: where the columns of Python models are taken from.

    Raises:
        ProjectError: the project does not compile.
    """
    cache = CompileCache.load(workspace.cache / "compiled.json")
    observed = _published_schemas(workspace, environment)
    return column_graph(compile_project(workspace.project, cache, observed), cache)


def _breaks(
    graph: Graph, cache: CompileCache, store: Store, environment: str
) -> tuple[ContractChange, ...]:
    """What the mistakes of a project would break of what is deployed."""
    head = store.head(environment)
    if head is None:
        return ()
    today = store.clock.now().date().isoformat()
    changes = broken_contracts(graph, store.snapshot(head), Analysis(cache), today)
    return with_calls(changes, store, environment)


def _shown_schemas(plan: Plan) -> dict[str, Schema]:
    """Recipe -> columns of the Python models that have others than they are compiled with."""
    return {
        version.recipe: version.schema
        for name, version in plan.reused.items()
        if version.schema != plan.graph.relation(name).schema
    }


def _published_schemas(workspace: Workspace, environment: str) -> dict[str, Schema]:
    """Recipe -> columns of every published table: so a Python model's columns are known."""
    head = workspace.store.head(environment)
    tables = workspace.store.snapshot(head).tables.values() if head else ()
    return {version.recipe: version.schema for version in tables}

"""Makes the contract to publish: takes a compiled graph, gives a manifest and the code it names."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.base.access import NOBODY
from headrace.base.declarations import Project, Router
from headrace.base.errors import ProjectError
from headrace.base.hashing import hash_bytes
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.graph import Graph
from headrace.pipeline.compile.python_code import broken_code, code_files
from headrace.pipeline.compile.served import access_of
from headrace.pipeline.plan.plans import Contract
from headrace.store.snapshots import Manifest, PythonModule


def make_contract(graph: Graph, cache: CompileCache) -> Contract:
    """The manifest of a graph: its endpoints, and its routers with what they import.

    An endpoint or router that nobody may call is not in it.

    Serving reads no project file, so the text of every router, and of every project file that it
    imports, goes into the store by its address.

    Raises:
        ProjectError: a file that a router imports is not Python.
    """
    project = graph.project
    accesses = {each.place.file: access_of(each, project.settings) for each in project.routers}
    routers = [each for each in project.routers if accesses[each.place.file] != NOBODY]
    names = {each.place.file for each in routers}
    files = sorted({each for router in routers for each in _code(project, router, cache)})
    texts = {file: (project.root / file).read_bytes() for file in files}
    modules = tuple(
        PythonModule(file, hash_bytes(text), file in names, accesses.get(file, NOBODY))
        for file, text in texts.items()
    )
    return Contract(
        manifest=Manifest(project.settings.name, graph.served, modules, graph.policies),
        modules={hash_bytes(text): text for text in texts.values()},
    )


def _code(project: Project, router: Router, cache: CompileCache) -> Iterable[str]:
    """The files that a router runs, its own among them."""
    try:
        return code_files(project.root, router.place.file, cache)
    except SyntaxError as exc:
        raise ProjectError([broken_code(project.root, router.name, exc)]) from exc

"""Says in words why a table must be built, or why a snapshot must be published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headrace.base.clock import parse_time
from headrace.base.declarations import Model, Source
from headrace.base.moments import grain_text
from headrace.base.tables import Version
from headrace.pipeline.compile.graph import Graph, Relation
from headrace.pipeline.plan.plans import Cells, SourceFiles
from headrace.pipeline.plan.policy_changes import policy_changes
from headrace.pipeline.plan.versions import volume_results
from headrace.store.snapshots import EndpointContract, Manifest, PythonModule, Snapshot

# More files or endpoints than this are counted instead of named.
_FILES_NAMED = 3
_LOST = "what the store holds of it is damaged or gone"


def source_reasons(
    relation: Relation, before: Version | None, source: SourceFiles
) -> tuple[str, ...]:
    """Why a source must be read."""
    unread = source.unread
    if before is None:
        return (f"it is new ({_counted(len(source.files), 'file')})",)
    if before.recipe != relation.recipe:
        return (f"its contract changed ({_counted(len(unread), 'file')} to read)",)
    pieces = before.batches or before.cells
    labels = {each.label for each in pieces}
    published = {each.address for each in pieces}
    lost = {file.path for address, file in source.files if address in published}
    new = [file.path for file in unread if file.path not in labels]
    changed = [file.path for file in unread if file.path in labels - lost]
    return (
        *([_LOST] if any(file.path in lost for file in unread) else []),
        *_named(new, "is new", "are new"),
        *_named(changed, "changed", "changed"),
        *_gone(before, source),
    )


def _gone(before: Version, source: SourceFiles) -> Iterator[str]:
    present = {file.path for _, file in source.files}
    return _named(
        [each.label for each in before.batches or before.cells if each.label not in present],
        "is gone",
        "are gone",
    )


def _named(paths: Sequence[str], one: str, many: str) -> Iterator[str]:
    if len(paths) <= _FILES_NAMED:
        yield from (f"source file {path} {one}" for path in paths)
    else:
        yield f"{len(paths):,} source files {many}: {paths[0]} … {paths[-1]}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def model_reasons(
    relation: Relation, before: Snapshot, addresses: Mapping[str, str]
) -> tuple[str, ...]:
    """Why a model must be built; `addresses` are the next version addresses of its inputs."""
    published = before.tables.get(relation.name)
    if published is None:
        return ("it is new",)
    reasons = []
    if published.recipe != relation.recipe:
        reasons.append(_recipe_changed(relation))
    reasons.extend(
        f"its input {name} changed"
        for name in relation.inputs
        if name not in before.tables or before.tables[name].address != addresses[name]
    )
    if published.address == addresses[relation.name]:
        return (_LOST,)
    return (*_moved(relation, published, told=bool(reasons)), *reasons)


def begun_reasons(published: Version | None, cells: Cells, missing: Cells) -> Iterator[str]:
    """What else there is to say of a model, some of whose cells are built and not published."""
    expected = {cell.address for cell in missing}
    expected |= {cell.address for cell in published.cells} if published else set()
    begun = sum(1 for cell in cells if cell.address not in expected)
    if begun:
        yield f"{begun:,} of {_counted(len(cells), 'cell')} an earlier run has built already"


def _moved(relation: Relation, published: Version, *, told: bool) -> Iterator[str]:
    """Why a model that takes something from the clock differs; `told` if there are reasons."""
    model = relation.declaration
    volatile = model.volatile if isinstance(model, Model) else ""
    if volatile == "run":
        yield "it is built anew in every run"
    elif volatile:
        built = max((cell.loaded_at for cell in published.cells), default="")
        before = grain_text(parse_time(built), volatile) if built else relation.moment
        if before != relation.moment:
            yield f"the {volatile} changed ({before} -> {relation.moment})"
        elif not told:
            yield f"the {volatile}, or what `volatile` says, changed"
    elif not told and relation.split is not None:
        yield "an earlier run has left some of its cells as they were, or out"
    elif not told:
        yield "what `volatile` says changed"


def _recipe_changed(relation: Relation) -> str:
    if isinstance(relation.declaration, Source):
        return "its contract changed"
    return "its SQL changed" if relation.sql else "its code changed"


def waiting_reasons(
    relation: Relation, published: Version | None, unsettled: Sequence[str]
) -> tuple[str, ...]:
    """Why a model may have to be built, once its inputs `unsettled` are known."""
    if published is None:
        return ("it is new",)
    changed = [_recipe_changed(relation)] if published.recipe != relation.recipe else []
    return (*changed, *(f"where {name} turns out to have changed" for name in unsettled))


def publish_reasons(
    before: Snapshot,
    manifest: Manifest,
    graph: Graph,
    sources: Mapping[str, SourceFiles],
    reused: Mapping[str, Version],
) -> tuple[str, ...]:
    """Why the next snapshot differs from the one before, apart from what is built."""
    reasons: list[str] = []
    for name, version in reused.items():
        reasons.extend(_reuse_reasons(graph.relation(name), version, before, sources.get(name)))
    present = {relation.name for relation in graph.relations}
    reasons.extend(
        f"{name} is not in the project any more" for name in sorted(before.tables.keys() - present)
    )
    reasons.extend(policy_changes(before.manifest.tables, manifest.tables))
    if before.tables.keys() & manifest.tables.keys() - before.manifest.tables.keys():
        reasons.append("who sees what of a table is not published yet")
    if replace(manifest, tables={}) != replace(before.manifest, tables={}):
        reasons.append(_contract_changed(before.manifest, manifest))
    return tuple(reasons)


def _contract_changed(before: Manifest, after: Manifest) -> str:
    """That it did, and whose: endpoints by their names, Python files by their paths."""
    old, new = _contracts(before), _contracts(after)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    more = len(names) - _FILES_NAMED
    rest = f" and {more} more" if more > 0 else ""
    said = ", ".join(names[:_FILES_NAMED]) + rest
    return f"the API's contract changed: {said}" if said else "the API's contract changed"


def _contracts(manifest: Manifest) -> dict[str, EndpointContract | PythonModule]:
    return {
        **{each.name: each for each in manifest.endpoints},
        **{each.path: each for each in manifest.modules},
    }


def _reuse_reasons(
    relation: Relation, version: Version, before: Snapshot, source: SourceFiles | None
) -> Iterator[str]:
    published = before.tables.get(relation.name)
    if published is None or published.address != version.address:
        gone = list(_gone(published, source)) if published and source else []
        yield from (f"{relation.name}: {reason}" for reason in gone)
        if not gone and relation.kind != "quarantine":
            yield f"{relation.name}: an earlier run has built it already"
    elif published.files != version.files:
        yield f"{relation.name}: {_LOST}, and an earlier run has built it again"
    elif any(
        result.address not in before.checks
        for result in volume_results(relation, version, published)
    ):
        yield f"{relation.name}: what its rows must satisfy changed"

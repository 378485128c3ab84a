"""Names content before it exists: takes a graph and raw files, gives the addresses of versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.base.hashing import address
from headrace.base.tables import RawFile, version_address
from headrace.pipeline.compile.graph import CompiledCheck, Graph, Relation
from headrace.sources.recipe import cell_address


def quarantine_address(cell: str) -> str:
    """The address of what was set aside while the source cell of address `cell` was read."""
    return address("quarantine", cell)


def model_address(relation: Relation, versions: Mapping[str, str]) -> str:
    """The address of the one cell of an unpartitioned model.

    `versions` holds the version address of each of its inputs.
    """
    inputs = {name: versions[name] for name in relation.inputs}
    return address("cell", relation.recipe, inputs)


def check_address(check: CompiledCheck, versions: Mapping[str, str]) -> str:
    """The address of a check's result on given content."""
    return address("check", check.recipe, {name: versions[name] for name in check.tables})


def version_addresses(graph: Graph, files: Mapping[str, Iterable[RawFile]]) -> dict[str, str]:
    """Table -> the address of its next version, in topological order.

    Nothing is built to know this: addresses follow from recipes and from the raw files' hashes.
    Tables without a recipe yet (see `Graph.deferred`), and all below them, are left out.
    """
    addresses: dict[str, str] = {}
    for relation in graph.relations:
        if not relation.recipe or any(name not in addresses for name in relation.inputs):
            continue
        addresses[relation.name] = version_address(
            relation.recipe, cell_addresses(graph, relation, files, addresses)
        )
    return addresses


def cell_addresses(
    graph: Graph,
    relation: Relation,
    files: Mapping[str, Iterable[RawFile]],
    versions: Mapping[str, str],
) -> list[str]:
    """The addresses of the cells of a table's next version, in order."""
    if relation.kind == "source":
        return [cell_address(relation.recipe, file) for file in files[relation.name]]
    if relation.kind == "quarantine":
        source = graph.relation(relation.inputs[0])
        cells = [cell_address(source.recipe, file) for file in files[source.name]]
        return [quarantine_address(cell) for cell in cells]
    return [model_address(relation, versions)]

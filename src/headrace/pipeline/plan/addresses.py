"""Names content before it exists: takes relations and the cells below, gives cells by address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from headrace.base.hashing import address, hash_bytes
from headrace.base.partitions import Split, shifted
from headrace.base.tables import Version, version_address
from headrace.pipeline.compile.graph import CompiledCheck, Locality, Relation
from headrace.pipeline.plan.plans import Cells, NamedCell

_ByPartition: TypeAlias = dict[str, list[str]]

NOTHING_PUBLISHED: Mapping[str, Version] = {}


def quarantine_address(cell: str) -> str:
    """The address of what was set aside while the source cell of address `cell` was read."""
    return address("quarantine", cell)


def check_address(
    check: CompiledCheck,
    versions: Mapping[str, str],
    published: Mapping[str, Version] = NOTHING_PUBLISHED,
) -> str:
    """The address of a check's result on given content, and on what it is compared with."""
    content = {name: versions[name] for name in check.tables}
    before = compared_version(check, published)
    return address("check", check.recipe, content, before.address if before else "")


def compared_version(check: CompiledCheck, published: Mapping[str, Version]) -> Version | None:
    """The published version that a check compares its table with; None when there is none.

    One without the columns, or with other types, cannot be compared with.
    """
    version = published.get(check.table)
    if check.compared is None or version is None:
        return None
    columns = {(column.name, column.type) for column in version.schema}
    wanted = {(column.name, column.type) for column in check.compared}
    return version if wanted <= columns else None


def address_of(relation: Relation, cells: Cells) -> str:
    """The address of the version of a table that consists of `cells`."""
    return version_address(relation.recipe, [cell.address for cell in cells])


def model_cells(
    relation: Relation,
    cells: Mapping[str, Cells],
    versions: Mapping[str, str],
) -> Cells:
    """The cells of a model's next version, in order.

    Nothing is built to know them: addresses follow from the recipe and from those of the inputs.

    Args:
        relation: the model.
        cells: of each of its inputs.
        versions: the version addresses of its inputs.
    """
    locality = relation.locality
    moment = [relation.moment] if relation.moment else []
    if locality is None or relation.split is None:
        inputs = {name: versions[name] for name in relation.inputs}
        return (NamedCell(None, address("cell", relation.recipe, inputs, *moment)),)
    whole = {name: versions[name] for name, need in _needs(locality) if need == "whole"}
    base = address("cell", relation.recipe, locality.lookback, whole, *moment)
    same = {
        name: by_partition(cells[name], relation.split)
        for name, need in _needs(locality)
        if need == "same"
    }
    labels = sorted({label for each in same.values() for label in each})
    return tuple(
        NamedCell(label, _cell_address(base, label, same, relation.split, locality.lookback))
        for label in labels
    )


def _needs(locality: Locality) -> list[tuple[str, str]]:
    return sorted(locality.inputs.items())


def by_partition(cells: Cells, split: Split) -> _ByPartition:
    """The addresses of an input's cells by the partition of the model in which they lie."""
    found: _ByPartition = {}
    for cell in cells:
        found.setdefault(split.holding(cell.partition or ""), []).append(cell.address)
    return found


def window(label: str, split: Split, lookback: int) -> list[str]:
    """The partitions of its inputs that a cell needs, its own last."""
    before = [shifted(label, split.by, -count) for count in range(lookback, 0, -1)]
    return [*(each for each in before if each is not None), label]


def _cell_address(
    base: str, label: str, same: Mapping[str, _ByPartition], split: Split, lookback: int
) -> str:
    # By hand, and not by `address`: a plan names some hundred thousand cells.
    parts = [base, str(len(label)), label]
    labels = window(label, split, lookback) if lookback else [label]
    for name, found in same.items():
        parts.append(name)
        for each in labels:
            if each in found:
                parts += [each, *found[each]] if lookback else found[each]
    return hash_bytes("\n".join(parts).encode("utf-8", "surrogatepass"))

"""Which part of a project a run builds: takes names and a span of time, gives tables and cells."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.base.partitions import start_of
from headrace.base.tables import Version
from headrace.pipeline.compile.graph import Graph, Relation
from headrace.pipeline.plan.plans import Cells, NamedCell, Selection
from headrace.store.snapshots import Snapshot

_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d)?)?)?")


def selected_tables(selection: Selection, graph: Graph, before: Snapshot) -> frozenset[str]:
    """The tables that are built, or looked for, under a selection.

    Raises:
        UsageError: a name or a time is none, or what is left out would be missed: a table that a
            selected model or an endpoint reads was never built, or has other columns by now.
    """
    _require_times(selection)
    names = {relation.name for relation in graph.relations}
    if not selection.only:
        return frozenset(names)
    chosen: set[str] = set()
    for name in selection.only:
        if name not in names:
            hint = near_miss(name, names) or f"the tables are {listed(sorted(names))}"
            raise UsageError(f"`--only {name}` names no table of the project; {hint}")
        relation = graph.relation(name)
        chosen |= {name, *(each for each in relation.inputs if _is_read(graph.relation(each)))}
    chosen |= {each.name for each in graph.relations if _comes_with(each, chosen)}
    _require_the_rest(graph, before, frozenset(chosen))
    return frozenset(chosen)


def narrowed(
    selection: Selection,
    relation: Relation,
    named: Cells,
    built: Container[str],
    published: Version | None,
) -> Cells:
    """The cells of a model's next version, where those outside the span stay as published."""
    if relation.split is None or not relation.split.is_time:
        return named
    kept: dict[str | None, list[str]] = {}
    if published is not None and published.schema == relation.schema:
        for cell in published.cells:
            kept.setdefault(cell.partition, []).append(cell.address)

    def chosen() -> Iterator[NamedCell]:
        for cell in named:
            if cell.address in built or selection.covers(cell.partition or ""):
                yield cell
            else:
                yield from (
                    NamedCell(cell.partition, each) for each in kept.get(cell.partition, ())
                )

    return tuple(chosen())


def _is_read(relation: Relation) -> bool:
    return relation.kind in {"source", "quarantine"}


def _comes_with(relation: Relation, chosen: set[str]) -> bool:
    """Whether a source is read for its quarantine's sake, or the other way round."""
    declared = relation.declaration.name
    return _is_read(relation) and any(_is_read_as(name, declared) for name in chosen)


def _is_read_as(name: str, source: str) -> bool:
    return name == source or name.startswith(f"{source}__")


def _require_times(selection: Selection) -> None:
    for option, text in (("--from", selection.start), ("--to", selection.end)):
        if text and not _is_time(text):
            raise UsageError(
                f"`{option} {text}` is not a time; expected 2024, 2024-03, 2024-03-01 or"
                " 2024-03-01T05"
            )
    first, last = selection.start, selection.end
    if first[: len(last)] > last[: len(first)]:
        raise UsageError(
            f"`--from {first} --to {last}` holds nothing; expected the earlier time first"
        )


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and bool(start_of(text))
    except ValueError:
        return False


def _require_the_rest(graph: Graph, before: Snapshot, chosen: frozenset[str]) -> None:
    """Make sure that what is left out is there, as it is read by what is published."""
    readers = {
        name: each.name for each in graph.relations if each.name in chosen for name in each.inputs
    }
    readers |= {name: f"endpoint {each.name}" for each in graph.endpoints for name in each.tables}
    for name, reader in sorted(readers.items()):
        if name in chosen:
            continue
        published = before.tables.get(name)
        if published is None:
            raise UsageError(
                f"`--only` leaves out `{name}`, which {reader} reads and which was never built;"
                f" add `--only {name}`, or run without `--only` once"
            )
        if published.schema != graph.relation(name).schema:
            raise UsageError(
                f"`--only` leaves out `{name}`, which {reader} reads and whose columns have"
                f" changed; add `--only {name}`"
            )

"""The tables of a project by name: takes what a query names, gives the table or a Problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from headrace.base.declarations import Project
from headrace.base.errors import Place, Problem
from headrace.base.names import is_name, listed, near_miss
from headrace.base.tables import (
    ALL_SUFFIX,
    HISTORY_SUFFIX,
    LANDED_SUFFIX,
    QUARANTINE_SUFFIX,
    TAKEN_SUFFIXES,
)
from headrace.pipeline.compile.changing import is_changing
from headrace.pipeline.compile.queries import NameUse, Query, SqlText, place_in


@dataclass(frozen=True, slots=True)
class TableNames:
    """Every table that a query of the project may read; SQL compares names without case."""

    names: tuple[str, ...]
    _by_lower: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_lower", {name.lower(): name for name in self.names})

    def find(self, name: str) -> str | None:
        """The table that a query means by `name`; None when there is none."""
        return self._by_lower.get(name.lower())

    def unknown(self, name: str, place: Place) -> Problem:
        """The Problem of a name that is no table."""
        hint = near_miss(name, self.names) or f"the tables are {listed(_shown(self.names))}"
        return Problem(place, f"`{name}` is not a table of this project", fix=hint)


def project_tables(project: Project) -> tuple[TableNames, list[Problem]]:
    """The tables of a project, and the names that are declared twice."""
    first: dict[str, Place] = {}
    problems: list[Problem] = []
    names: list[str] = []
    for name, place in _declared(project):
        if name.lower() in first:
            other = first[name.lower()]
            problems.append(
                Problem(place, f"the table `{name}` is declared in {other}, too", fix="rename one")
            )
        else:
            first[name.lower()] = place
            names.append(name)
    return TableNames(tuple(names)), problems


def _declared(project: Project) -> Iterator[tuple[str, Place]]:
    for source in project.sources:
        yield source.name, source.place
        yield source.name + QUARANTINE_SUFFIX, source.place
        if is_changing(source):
            yield source.name + LANDED_SUFFIX, source.place
        if source.history:
            yield source.name + HISTORY_SUFFIX, source.place
    for model in project.models:
        yield model.name, model.place
        if model.rules:
            yield model.name + ALL_SUFFIX, model.place
            yield model.name + QUARANTINE_SUFFIX, model.place


def read_tables(
    query: Query, sql: SqlText, names: TableNames
) -> tuple[tuple[str, ...], list[Problem]]:
    """The tables that a query reads, sorted, and a Problem for each name that is none."""
    found: set[str] = set()
    problems: list[Problem] = []
    for use in query.tables:
        table = names.find(use.name)
        if table is not None:
            found.add(table)
        elif _is_inside(use):
            problems.append(names.unknown(use.name, place_in(sql, use.line, use.column)))
    return tuple(sorted(found)), problems


def _is_inside(use: NameUse) -> bool:
    """Whether a name could be a table's: a path as a table has been refused already."""
    return is_name(use.name)


def _shown(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith((*TAKEN_SUFFIXES, ALL_SUFFIX))]

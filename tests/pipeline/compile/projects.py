"""Projects built by hand: nouns in, a graph or the text of its problems out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.base.declarations import (
    ColumnContract,
    Endpoint,
    FileFormat,
    Model,
    Project,
    Settings,
    Source,
    SqlCheck,
)
from headrace.base.errors import Place, ProjectError
from headrace.base.tables import Column, Schema
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.compiling import compile_project
from headrace.pipeline.compile.graph import Graph

ORDERS = {
    "order_id": "BIGINT",
    "store_id": "INTEGER",
    "day": "DATE",
    "amount": "DECIMAL(12,2)",
    "qty": "INTEGER",
    "status": "VARCHAR",
}
STORES = {"store_id": "INTEGER", "name": "VARCHAR", "opened": "TIMESTAMP"}


def schema(columns: Mapping[str, str]) -> Schema:
    """Columns from name -> type."""
    return tuple(Column(name, type_name) for name, type_name in columns.items())


def source(name: str, columns: Mapping[str, str], **rest: object) -> Source:
    """A source of sources/<name>.yaml."""
    place = Place(f"sources/{name}.yaml", 1)
    contracts = tuple(
        ColumnContract(column, type_name, Place(place.file, line))
        for line, (column, type_name) in enumerate(columns.items(), start=3)
    )
    kind = FileFormat("csv")
    return Source(name, place, (f"{name}.csv",), kind, contracts, **rest)  # type: ignore[arg-type] # fields by name


def model(name: str, sql: str, **rest: object) -> Model:
    """A model of models/<name>.sql whose SQL starts on line 1."""
    return Model(name, Place(f"models/{name}.sql", 1), sql, **rest)  # type: ignore[arg-type] # fields by name


def endpoint(name: str, sql: str, path: str = "", **rest: object) -> Endpoint:
    """An endpoint of endpoints/<name>.sql."""
    place = Place(f"endpoints/{name}.sql", 1)
    return Endpoint(name, place, path or f"/{name}", sql, **rest)  # type: ignore[arg-type] # fields by name


def sql_check(name: str, sql: str, **rest: object) -> SqlCheck:
    """A check of checks/<name>.sql."""
    return SqlCheck(name, Place(f"checks/{name}.sql", 1), sql, **rest)  # type: ignore[arg-type] # fields by name


def project(root: Path, *parts: Source | Model | Endpoint | SqlCheck) -> Project:
    """A project of the given declarations, and of the sources `orders` and `stores`."""
    sources = [source("orders", ORDERS), source("stores", STORES)]
    own = {each.name: each for each in [*sources, *parts] if isinstance(each, Source)}
    return Project(
        root=root,
        settings=Settings("shop", root / "store"),
        sources=tuple(own.values()),
        models=tuple(each for each in parts if isinstance(each, Model)),
        checks=tuple(each for each in parts if isinstance(each, SqlCheck)),
        endpoints=tuple(each for each in parts if isinstance(each, Endpoint)),
    )


def compiled(*parts: Source | Model | Endpoint | SqlCheck, root: Path = Path()) -> Graph:
    """The graph of a project with the given declarations."""
    return compile_project(project(root, *parts), CompileCache(), {})


def problems(*parts: Source | Model | Endpoint | SqlCheck, root: Path = Path()) -> list[str]:
    """The texts of all problems of a project with the given declarations."""
    with pytest.raises(ProjectError) as caught:
        compiled(*parts, root=root)
    return [str(problem) for problem in caught.value.problems]

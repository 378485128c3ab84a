"""Answers HTTP requests from published snapshots, and reads nothing else."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.base.access import Principal
    from headrace.serve.app import Service, create_app
    from headrace.serve.editions.dependencies import PrincipalDep, SnapshotDep, SnapshotView
    from headrace.serve.settings import ServeSettings

__all__ = [
    "Principal",
    "PrincipalDep",
    "ServeSettings",
    "Service",
    "SnapshotDep",
    "SnapshotView",
    "create_app",
]

_HOMES = {
    "Principal": "editions.dependencies",
    "PrincipalDep": "editions.dependencies",
    "ServeSettings": "settings",
    "Service": "app",
    "SnapshotDep": "editions.dependencies",
    "SnapshotView": "editions.dependencies",
    "create_app": "app",
}


def __getattr__(name: str) -> object:
    # Only what is asked for: a query process needs no web framework, nor does `headrace query`.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""Answers HTTP requests from published snapshots, and reads nothing else."""

from headrace.serve.app import Service, create_app
from headrace.serve.dependencies import SnapshotDep, SnapshotView
from headrace.serve.settings import ServeSettings

__all__ = ["ServeSettings", "Service", "SnapshotDep", "SnapshotView", "create_app"]

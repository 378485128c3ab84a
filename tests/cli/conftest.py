"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.engines.duckdb import DuckDBEngine
from headrace.store.store import Store
from tests.cli.shops import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """An empty project, with nothing published."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "headrace.toml").write_text('name = "shop"\n', encoding="utf-8")
    engine = DuckDBEngine(threads=1)
    yield Shop(root, engine, Store.open(root / ".headrace" / "store"))
    engine.close()

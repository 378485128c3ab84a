"""Fixtures of the load tests' tests."""

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
    (tmp_path / "headrace.toml").write_text('name = "shop"\n', encoding="utf-8")
    engine = DuckDBEngine(threads=1)
    yield Shop(tmp_path, engine, Store.open(tmp_path / ".headrace" / "store"))
    engine.close()

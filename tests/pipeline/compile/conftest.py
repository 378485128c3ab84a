"""What the compiler's tests share."""

from __future__ import annotations

import pytest

from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst


@pytest.fixture(scope="session")
def analyst() -> DuckDBAnalyst:
    """One engine for all tests: its tables follow what each test binds."""
    return DuckDBAnalyst()

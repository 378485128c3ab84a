"""Fixtures of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.base.clock import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def accounts(tmp_path: Path, clock: SetClock) -> Iterator[Accounts]:
    opened = Accounts.open(tmp_path / "accounts.db", clock=clock)
    yield opened
    opened.close()

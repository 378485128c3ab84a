"""Several server processes share what is meant for one server."""

from __future__ import annotations

import os

import pytest

from headrace.serve.settings import ServeSettings, shared


def test_one_process_has_everything() -> None:
    settings = ServeSettings(workers=8, memory_limit="2GB")
    assert shared(settings, 1) is settings


@pytest.mark.parametrize(
    ("memory_limit", "share"), [("2GB", "0.500GB"), ("1.5 GiB", "0.375 GiB"), ("", "")]
)
def test_processes_share_memory_and_workers(memory_limit: str, share: str) -> None:
    settings = ServeSettings(workers=16, memory_limit=memory_limit)
    assert shared(settings, 4) == ServeSettings(workers=4, memory_limit=share, processes=4)


def test_every_process_has_a_second_worker() -> None:
    assert shared(ServeSettings(workers=2), 2).workers == 2
    assert shared(ServeSettings(), 1000 + (os.cpu_count() or 1)).workers == 2

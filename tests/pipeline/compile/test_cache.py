"""The cache: never wrong, never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.queries import Query

QUERY = Query("address", "SELECT 1")


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "compiled.json"
    cache = CompileCache.load(path)
    cache.keep_query("k", QUERY)
    cache.save()
    again = CompileCache.load(path)
    assert again.query("k") == QUERY
    assert again.query("other") is None


def test_what_no_compilation_asks_for_any_more_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "compiled.json"
    cache = CompileCache.load(path)
    cache.keep_query("old", QUERY)
    cache.save()
    later = CompileCache.load(path)
    later.keep_query("new", QUERY)
    later.save()
    assert CompileCache.load(path).query("old") is None


@pytest.mark.parametrize("data", [b"", b"{", b'{"made_by": "another"}', b'{"queries": {"k": 1}}'])
def test_a_file_that_cannot_be_used_is_an_empty_cache(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "compiled.json"
    path.write_bytes(data)
    assert CompileCache.load(path).query("k") is None


def test_a_cache_without_a_file_lives_in_memory() -> None:
    cache = CompileCache()
    cache.keep_query("k", QUERY)
    cache.save()
    assert cache.query("k") == QUERY

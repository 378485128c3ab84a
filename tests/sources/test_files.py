"""Promises of finding files: each once, sorted, hashed only when it may have changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.hashing import hash_bytes
from headrace.sources.files import Fingerprints, find_files
from tests.sources.reading_files import contract, source

LONG_AGO_NS = 1_600_000_000_000_000_000


def write(path: Path, text: str = "a\n") -> Path:
    """A file that was last changed long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def declared(*globs: str) -> Source:
    """A source over these globs."""
    return replace(source(contract("a")), files=globs)


def found(root: Path, *globs: str) -> list[str]:
    """The paths that the globs find."""
    return [file.path for file in find_files(root, declared(*globs), Fingerprints(root / "cache"))]


def test_files_are_found_once_and_sorted(tmp_path: Path) -> None:
    for name in ("data/b.csv", "data/a.csv", "data/sub/c.csv", "data/.hidden.csv", "data/d.txt"):
        write(tmp_path / name)
    (tmp_path / "data" / "folder.csv").mkdir()
    assert found(tmp_path, "data/*.csv", "data/a.csv") == ["data/a.csv", "data/b.csv"]
    assert found(tmp_path, "data/**/*.csv") == ["data/a.csv", "data/b.csv", "data/sub/c.csv"]


def test_a_name_that_looks_like_a_glob_is_found_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "[1].csv")
    assert found(tmp_path, "[1].csv") == ["[1].csv"]


def test_relative_paths_stay_relative_and_absolute_ones_absolute(tmp_path: Path) -> None:
    write(tmp_path / "outside" / "a.csv")
    root = tmp_path / "project"
    root.mkdir()
    assert found(root, "../outside/*.csv") == ["../outside/a.csv"]
    assert found(root, f"{tmp_path}/outside/*.csv") == [f"{tmp_path}/outside/a.csv"]


def test_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path / "real.txt", "a\nx\n")
    (tmp_path / "link.csv").symlink_to("real.txt")
    [file] = find_files(tmp_path, declared("*.csv"), Fingerprints(tmp_path / "cache"))
    assert (file.path, file.size_bytes, file.sha256) == ("link.csv", 4, hash_bytes(b"a\nx\n"))


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("data/orders/*.csv", "look into the folder 'data/orders' (it is empty)"),
        ("data/*.csv", "look into the folder 'data' (it holds orders, …)"),
        (
            "data/ordres/*.csv",
            "there is no folder 'data/ordres', did you mean `orders`?",
        ),
        ("no/where/*.csv", "there is no folder 'no/where'"),
    ],
)
def test_a_glob_that_matches_nothing_is_an_error(tmp_path: Path, pattern: str, hint: str) -> None:
    (tmp_path / "data" / "orders").mkdir(parents=True)
    with pytest.raises(SourceError) as caught:
        found(tmp_path, pattern)
    assert str(caught.value) == (
        f"sources/t.yaml:1: no file matches {pattern!r}; expected one or more; {hint},"
        " or say `allow_empty: true`"
    )


def test_a_source_that_may_be_empty_may_have_no_files(tmp_path: Path) -> None:
    may_be_empty = replace(declared("*.csv"), allow_empty=True)
    assert find_files(tmp_path, may_be_empty, Fingerprints(tmp_path / "cache")) == ()


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """Shown by a change that leaves size, time and inode as they were."""
    file, cache = write(tmp_path / "a.csv", "a\n1\n"), tmp_path / "cache" / "fingerprints.json"
    known = Fingerprints.load(cache)
    [first] = find_files(tmp_path, declared("*.csv"), known)
    known.save()
    write(file, "a\n2\n")
    assert find_files(tmp_path, declared("*.csv"), Fingerprints.load(cache)) == (first,)
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS + 1))
    [second] = find_files(tmp_path, declared("*.csv"), Fingerprints.load(cache))
    assert second.sha256 == hash_bytes(b"a\n2\n")


def test_a_file_that_changed_just_now_is_not_trusted_the_next_time(tmp_path: Path) -> None:
    file, cache = tmp_path / "a.csv", tmp_path / "fingerprints.json"
    file.write_text("a\n1\n")
    state = file.stat()
    known = Fingerprints.load(cache)
    find_files(tmp_path, declared("*.csv"), known)
    known.save()
    file.write_text("a\n2\n")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    [again] = find_files(tmp_path, declared("*.csv"), Fingerprints.load(cache))
    assert again.sha256 == hash_bytes(b"a\n2\n")


@pytest.mark.parametrize("content", ["", "{", '{"format": 99, "files": {}}', '{"format": 1}'])
def test_a_cache_that_cannot_be_read_costs_one_reading(tmp_path: Path, content: str) -> None:
    cache = write(tmp_path / "fingerprints.json", content)
    write(tmp_path / "a.csv")
    assert len(find_files(tmp_path, declared("*.csv"), Fingerprints.load(cache))) == 1


def test_the_cache_forgets_files_that_are_not_asked_for_any_more(tmp_path: Path) -> None:
    cache = tmp_path / "fingerprints.json"
    write(tmp_path / "a.csv")
    write(tmp_path / "b.csv")
    for pattern in ("*.csv", "a.csv"):
        known = Fingerprints.load(cache)
        find_files(tmp_path, declared(pattern), known)
        known.save()
    assert "b.csv" not in cache.read_text()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.csv").symlink_to("nowhere")
    with pytest.raises(SourceError) as caught:
        Fingerprints(tmp_path / "cache").fingerprint("gone.csv", tmp_path / "gone.csv")
    assert str(caught.value) == "gone.csv: it cannot be read: No such file or directory"

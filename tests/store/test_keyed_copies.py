"""keyed_copies.py: what was written is read; what cannot be written says why."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from headrace.base.errors import CorruptObject, StoreError
from headrace.store.keyed_copies import (
    CopyWriter,
    Differs,
    KeyTooLong,
    Meta,
    Partial,
    TooLarge,
    hashed,
    hold_copy,
    is_sparse,
    release_copy,
)
from tests.keyed import content

LIMIT_BYTES = 64 << 20


def key(number: int, row_hash: int = 0) -> bytes:
    return hashed(b"\x01" + number.to_bytes(4, "big"), row_hash)


@contextmanager
def writing(path: Path, limit_bytes: int = LIMIT_BYTES) -> Iterator[CopyWriter]:
    with closing(CopyWriter(path, limit_bytes)) as writer:
        yield writer


def test_equal_rows_are_kept_as_often_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    rows = [(key(1), b"b"), (key(1), b"a"), (key(1), b"a"), (key(2), b"c")]
    with writing(path) as writer:
        assert writer.append_rows(rows) == 4
        writer.finish(Meta(4, lone="{}"))
    numbered = [key(1) + bytes((0, 0, 0, n)) for n in range(3)]
    meta, items = content(path)
    assert meta == Meta(4, lone="{}")
    assert items[:3] == list(zip(numbered, (b"a", b"a", b"b"), strict=True))
    assert len(items) == 4


def test_rows_are_removed_and_added_one_for_one(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with writing(path) as writer:
        writer.append_rows([(key(1), b"a"), (key(1), b"a"), (key(2), b"c")])
        assert writer.remove_rows([(key(1), b"a"), (key(2), b"c")]) == 2
        assert writer.add_rows([(key(0), b"z"), (key(1), b"b")]) == 2
        writer.finish(Meta(3))
    assert [row for _, row in content(path)[1]] == [b"z", b"a", b"b"]


@pytest.mark.parametrize("gone", [(key(1), b"b"), (key(3), b"a")])
def test_a_row_that_is_not_there_cannot_be_removed(
    tmp_path: Path, gone: tuple[bytes, bytes]
) -> None:
    with writing(tmp_path / "copy") as writer:
        writer.append_rows([(key(1), b"a")])
        with pytest.raises(Differs):
            writer.remove_rows([gone])


def test_two_partial_results_of_one_key_are_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "copy") as writer, pytest.raises(Differs):
        writer.append_parts([Partial((b"a", b"1")), Partial((b"a", b"2"))])


def test_a_copy_does_not_grow_beyond_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with writing(path, 2_000_000) as writer, pytest.raises(TooLarge) as refused:
        writer.append_rows((key(number), b"x" * 100) for number in range(100_000))
    assert str(refused.value) == "larger than 2.0 MB, the `copy_limit`"
    assert path.stat().st_size <= 2_000_000


def test_a_key_longer_than_lmdb_holds_is_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "copy") as writer:
        assert writer.append_rows([(b"x" * 507, b"")]) == 1
        with pytest.raises(KeyTooLong) as refused:
            writer.append_rows([(b"y" * 508, b"")])
    assert str(refused.value) == "a key is longer than 511 bytes"


def test_a_full_disk_is_an_error_of_the_store(tmp_path: Path) -> None:
    """The limit of a file's size stands for a disk without room: the write fails in its midst."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with writing(tmp_path / "copy") as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
        try:
            with pytest.raises(StoreError, match="cannot be written"):
                writer.append_rows((key(number), b"x" * 100) for number in range(100_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_copy_is_open_once_however_many_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with writing(path) as writer:
        writer.finish(Meta(0))
    one, other = hold_copy(path), hold_copy(path)
    assert one is other
    # A copy that a server has open may be removed, or another one put in its place.
    path.unlink()
    with writing(path) as writer:
        writer.finish(Meta(0, lone="{}"))
    third = hold_copy(path)
    assert third.meta != one.meta
    for copy in (one, other, third):
        release_copy(copy)
    again = hold_copy(path)
    assert again is not third
    release_copy(again)


@pytest.mark.parametrize("data", [None, b"", b"no copy" * 10_000])
def test_what_is_no_copy_says_so(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "copy"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CorruptObject, match="cannot be read as a keyed copy"):
        hold_copy(path)


def test_a_copy_that_was_not_finished_is_none(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with writing(path) as writer:
        writer.append_rows([(key(1), b"a")])
    with pytest.raises(CorruptObject, match="cannot be read as a keyed copy"):
        hold_copy(path)


def test_a_copy_that_has_lost_most_of_its_rows_is_sparse(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    rows = [(key(number), b"x" * 1000) for number in range(5000)]
    with writing(path) as writer:
        writer.append_rows(rows)
        writer.finish(Meta(5000))
    assert not is_sparse(path)
    with writing(path) as writer:
        writer.remove_rows(rows[100:])
        writer.finish(Meta(100))
    assert is_sparse(path)

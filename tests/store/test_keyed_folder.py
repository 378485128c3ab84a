"""keyed_folder.py: a copy that is found is there and whole, whatever happened to the disk."""

from __future__ import annotations

import contextlib
from pathlib import Path
from zlib import crc32

import pytest

from headrace.base.errors import CorruptObject, OutcomeUnknown, StoreError
from headrace.store.keyed_folder import Copy, Refusal
from headrace.store.store import Store
from tests.store.disks import Crash, FaultyDisk, PowerCutDisk, QuickDisk, faults

NAME = "a" * 64


def _keep(store: Store) -> Copy:
    staged = store.keyed.staged()
    staged.write_bytes(b"rows" * 1000)
    return store.keyed.keep(NAME, staged, 7)


def test_a_kept_copy_is_found_and_read_only(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", disk=QuickDisk())
    assert store.keyed.find(NAME) is None
    copy = _keep(store)
    assert copy == Copy(store.root / "keyed" / f"{NAME}.lmdb", 7, 4000, crc32(b"rows" * 1000))
    assert store.keyed.find(NAME) == copy
    assert copy.path.stat().st_mode & 0o777 == 0o444
    assert list((store.root / "staging").iterdir()) == []


def test_a_copy_of_another_size_or_without_its_record_is_none(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", disk=QuickDisk())
    copy = _keep(store)
    copy.path.unlink()
    assert store.keyed.find(NAME) is None
    copy.path.write_bytes(b"rows")
    assert store.keyed.find(NAME) is None
    record = copy.path.with_suffix(".json")
    record.chmod(0o600)
    record.write_bytes(b"damaged")
    assert store.keyed.find(NAME) is None


def test_a_copy_is_whole_as_long_as_every_byte_is_as_it_was_written(tmp_path: Path) -> None:
    copy = _keep(Store.open(tmp_path / "store", disk=QuickDisk()))
    copy.require_whole()
    copy.path.chmod(0o600)
    for at in (0, 1234, 3999):
        with copy.path.open("r+b") as file:
            file.seek(at)
            file.write(b"X")
        with pytest.raises(CorruptObject, match="this keyed copy is damaged"):
            copy.require_whole()
        copy.path.write_bytes(b"rows" * 1000)
    copy.require_whole()


def test_a_refusal_is_found_until_there_is_a_copy(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", disk=QuickDisk())
    refusal = Refusal("larger than 1.0 MB, the `copy_limit`", 1_000_000)
    store.keyed.refuse(NAME, refusal)
    assert store.keyed.find(NAME) == refusal
    copy = _keep(store)
    assert store.keyed.find(NAME) == copy


@pytest.mark.parametrize("fault", faults())
def test_a_fault_at_any_operation_leaves_a_whole_copy_or_none(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    point, returned = 0, False
    while not returned:
        point += 1
        root = tmp_path / str(point)
        Store.open(root)
        disk = FaultyDisk(fail_at=point, **fault)  # type: ignore[arg-type]
        with contextlib.suppress(Crash, StoreError, OutcomeUnknown):
            _keep(Store.open(root, disk=disk))
            returned = True
        again = Store.open(root)
        found = again.keyed.find(NAME)
        assert found is None or isinstance(found, Copy)
        if isinstance(found, Copy):
            assert found.path.read_bytes() == b"rows" * 1000
        assert found is not None or not returned
        assert isinstance(_keep(again), Copy)
    assert point > 6


def test_a_power_cut_anywhere_leaves_a_whole_copy_or_none(tmp_path: Path) -> None:
    point, returned = 0, False
    while not returned:
        point += 1
        disk = PowerCutDisk()
        store = Store.open(tmp_path / str(point), disk=disk)
        disk.done.clear()
        disk.fail_at = point
        with contextlib.suppress(Crash):
            _keep(store)
            returned = True
        disk.cut(store.root)
        found = Store.open(store.root).keyed.find(NAME)
        assert found is not None or not returned
        if isinstance(found, Copy):
            assert found.path.read_bytes() == b"rows" * 1000
    assert point > 6

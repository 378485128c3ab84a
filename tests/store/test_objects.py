"""objects.py: an object is what was put, or an error that says so."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import CorruptObject, NotFound
from headrace.base.hashing import hash_bytes
from headrace.store.store import Store
from tests.store.disks import PowerCutDisk, QuickDisk


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path, disk=QuickDisk(), clock=SetClock(datetime(2030, 1, 1, tzinfo=UTC)))


def test_an_object_is_named_by_its_bytes(store: Store) -> None:
    address = store.put_object(b"hello")
    assert address == hashlib.sha256(b"hello").hexdigest()
    assert store.get_object(address) == b"hello"
    assert store.put_object(b"hello") == address
    assert len(list((store.root / "objects").iterdir())) == 1


def test_an_object_that_is_put_again_is_young_again(store: Store) -> None:
    path = store.root / "objects" / store.put_object(b"hello")
    store.put_object(b"hello")
    assert path.stat().st_mtime == datetime(2030, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("address", ["0" * 64, "../refs", ""])
def test_an_unknown_object_is_not_found(store: Store, address: str) -> None:
    with pytest.raises(NotFound) as caught:
        store.get_object(address)
    assert str(caught.value) == (
        f"{store.root / 'objects' / address}: no such object; expected a file in the store; "
        "restore the store from a backup, or run the project again to build it anew"
    )


def test_a_damaged_object_is_never_returned(store: Store) -> None:
    address = store.put_object(b"hello")
    path = store.root / "objects" / address
    path.chmod(0o600)
    path.write_bytes(b"hellp")
    with pytest.raises(CorruptObject) as caught:
        store.get_object(address)
    assert str(caught.value) == (
        f"{path}: 5 bytes with sha256 {hashlib.sha256(b'hellp').hexdigest()}; expected sha256 "
        f"{address}; the disk has changed them: restore the file from a backup"
    )


def test_putting_a_damaged_object_again_repairs_it(store: Store) -> None:
    address = store.put_object(b"hello")
    path = store.root / "objects" / address
    path.chmod(0o600)
    path.write_bytes(b"hellp")
    assert store.put_object(b"hello") == address
    assert store.get_object(address) == b"hello"


def test_an_object_whose_writer_was_killed_is_brought_to_disk_by_the_next(tmp_path: Path) -> None:
    disk = PowerCutDisk()
    store = Store.open(tmp_path / "store", disk=disk)
    store.put_object(b"another")
    path = store.root / "objects" / hash_bytes(b"hello")
    path.write_bytes(b"hello")
    disk.contents[path.stat().st_ino] = b"hello"  # the bytes are on disk, the name is not
    address = store.put_object(b"hello")
    disk.cut(store.root)
    assert Store.open(store.root).get_object(address) == b"hello"

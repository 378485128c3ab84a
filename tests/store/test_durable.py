"""durable.py: a publish that is stopped anywhere leaves the old snapshot or the new one, whole."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from headrace.base.errors import OutcomeUnknown, StoreError
from headrace.store.durable import Disk, Writer, locked
from headrace.store.store import Store
from tests.store.disks import (
    Crash,
    FaultyDisk,
    PowerCutDisk,
    QuickDisk,
    content,
    faults,
    publish,
    read,
    read_file,
)


def _operations(root: Path, *, rolls_back: bool) -> int:
    """How many operations `_act` carries out in a store that `_prepare` made."""
    disk = FaultyDisk()
    store = _prepare(root, disk)
    _act(store, rolls_back=rolls_back)
    return len(disk.done)


def _prepare(root: Path, disk: Disk) -> Store:
    """A store with snapshots 1 and 2, opened on `disk`."""
    healthy = Store.open(root, disk=QuickDisk())
    publish(healthy, 1)
    publish(healthy, 2)
    return Store.open(root, disk=disk)


def _act(store: Store, *, rolls_back: bool) -> None:
    if rolls_back:
        store.rollback("prod")
    else:
        publish(store, 3)


@pytest.mark.parametrize("rolls_back", [False, True])
@pytest.mark.parametrize("fault", faults(), ids=str)
def test_a_publish_that_fails_anywhere_is_old_or_new(
    tmp_path: Path, fault: dict[str, Any], rolls_back: bool
) -> None:
    old, new = content(2), content(1 if rolls_back else 3)
    outcomes = set()
    for point in range(1, _operations(tmp_path / "count", rolls_back=rolls_back) + 1):
        root = tmp_path / str(point)
        store = _prepare(root, FaultyDisk(fail_at=point, **fault))
        outcome = _outcome(store, rolls_back=rolls_back)
        after = Store.open(root, disk=QuickDisk())
        head = after.head("prod")
        assert head is not None
        found = read(after, head)
        assert found in (old, new)
        if outcome != "unknown":
            assert found == (new if outcome == "committed" else old)
        outcomes.add(outcome)
        publish(after, 4)  # and the next run publishes without a hand
    assert outcomes == ({"unknown", "failed", "committed"} if "error" in fault else {"unknown"})


def _outcome(store: Store, *, rolls_back: bool) -> str:
    try:
        _act(store, rolls_back=rolls_back)
    except (OutcomeUnknown, Crash):
        return "unknown"
    except StoreError:
        return "failed"
    return "committed"


@pytest.mark.parametrize("fault", [{}, {"after": True}, {"torn": True}], ids=str)
def test_a_power_cut_anywhere_leaves_old_or_new_and_what_was_acknowledged(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    points = _cut_operations(tmp_path / "count")
    for point in range(1, points + 2):  # the last: the cut comes after the acknowledgement
        root = tmp_path / str(point)
        disk = PowerCutDisk()
        publish(Store.open(root, disk=disk), 1)
        disk.done.clear()
        disk.fail_at, disk.after, disk.torn = point, "after" in fault, "torn" in fault
        outcome = _outcome_of_next(Store.open(root, disk=disk))
        disk.cut(root)
        after = Store.open(root, disk=QuickDisk())
        head = after.head("prod")
        assert head is not None
        found = read(after, head)
        assert found in (content(1), content(2))
        if outcome == "committed":
            assert found == content(2)
        for table in found:
            for stored in after.find_cells(table).values():
                assert stored.file is not None
                read_file(after, stored.file)  # what counts as built is whole
        publish(after, 3)
    assert outcome == "committed"


def _cut_operations(root: Path) -> int:
    disk = PowerCutDisk()
    publish(Store.open(root, disk=disk), 1)
    disk.done.clear()
    publish(Store.open(root, disk=disk), 2)
    return len(disk.done)


def _outcome_of_next(store: Store) -> str:
    try:
        publish(store, 2)
    except Crash:
        return "unknown"
    return "committed"


class _NoFolderSync(PowerCutDisk):
    def _sync(self, path: Path) -> None:
        if path.is_file() or "refs" not in path.parts:
            super()._sync(path)


class _NoFileSync(PowerCutDisk):
    def _sync(self, path: Path) -> None:
        if path.is_dir():
            super()._sync(path)


def test_the_power_cut_notices_a_missing_sync_of_a_folder(tmp_path: Path) -> None:
    disk = _NoFolderSync()
    publish(Store.open(tmp_path / "store", disk=disk), 1)
    disk.cut(tmp_path / "store")
    assert Store.open(tmp_path / "store").head("prod") is None


def test_the_power_cut_notices_a_missing_sync_of_a_file(tmp_path: Path) -> None:
    disk = _NoFileSync()
    publish(Store.open(tmp_path / "store", disk=disk), 1)
    disk.cut(tmp_path / "store")
    with pytest.raises(StoreError):
        Store.open(tmp_path / "store").head("prod")


class _LostAnswer(QuickDisk):
    """The link is made, but the answer is an error, as over a network."""

    def __init__(self, number: int) -> None:
        self.number = number

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EIO, errno.EEXIST])
def test_an_error_after_the_link_is_a_publish(tmp_path: Path, number: int) -> None:
    """EEXIST: the link was sent twice, and the second found what the first had made."""
    store = Store.open(tmp_path, disk=_LostAnswer(number))
    ref = publish(store, 1)
    assert store.head("prod") == ref


class _SilentFolder(QuickDisk):
    """The names of refs/prod cannot be brought to disk."""

    def sync(self, path: Path) -> None:
        if path.parts[-2:] == ("refs", "prod"):
            raise OSError(errno.EIO, "Input/output error")


def test_a_name_that_the_disk_does_not_confirm_is_an_unknown_outcome(tmp_path: Path) -> None:
    store = Store.open(tmp_path, disk=_SilentFolder())
    with pytest.raises(OutcomeUnknown) as caught:
        publish(store, 1)
    assert str(caught.value) == (
        f"{tmp_path}/refs/prod/1: written, but the disk did not confirm it (Input/output error); "
        "it may be lost by a power cut; run `headrace status` to see what is published, and check "
        "the disk"
    )
    assert store.head("prod") is not None  # nothing was cleaned up


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    disk = FaultyDisk(error=errno.ENOSPC)
    writer = Writer(tmp_path, disk)
    writer.folder(tmp_path / "staging")
    disk.fail_at = len(disk.done) + 1
    with pytest.raises(StoreError) as caught:
        writer.put(tmp_path / "x", b"1")
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/staging/")
    assert text.endswith(
        ": cannot be written (No space left on device); nothing was published; check free space, "
        "permissions and the disk, then run again"
    )


class _BlindDisk(QuickDisk):
    """The folder vanishes under the link, so that nobody can tell what became of it."""

    def link(self, source: Path, target: Path) -> None:
        assert not target.exists()
        source.unlink()
        source.symlink_to(source)
        raise OSError(errno.EIO, "Input/output error")


def test_a_link_that_cannot_be_looked_at_is_an_unknown_outcome(tmp_path: Path) -> None:
    writer = Writer(tmp_path, _BlindDisk())
    writer.folder(tmp_path / "staging")
    with pytest.raises(OutcomeUnknown) as caught:
        writer.put_if_absent(tmp_path / "x", b"1")
    assert str(caught.value) == (
        f"{tmp_path}/x: it is not known whether it was written (Too many levels of symbolic "
        "links); run `headrace status` to see what is published, and check the disk; remove nothing"
    )


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    writer = Writer(tmp_path, QuickDisk())
    writer.folder(tmp_path / "staging")
    assert writer.put_if_absent(tmp_path / "x", b"first")
    assert not writer.put_if_absent(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_lock_is_shared_or_exclusive(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as one, locked(path) as two:
        assert one
        assert two
        with locked(path, exclusive=True, wait=False) as third:
            assert not third
    with locked(path, exclusive=True, wait=False) as alone:
        assert alone


def test_nothing_else_in_the_store_writes_files() -> None:
    folder = Path(__file__).parents[2] / "src" / "headrace" / "store"
    words = ("write_bytes", "write_text", "os.replace", "os.rename", ".rename(", ".unlink(")
    writes = re.compile("|".join([*map(re.escape, words), r'"[wx]b?\+?"']))
    for path in folder.rglob("*.py"):
        if path.name != "durable.py":
            assert writes.findall(path.read_text(encoding="utf-8")) == [], path.name

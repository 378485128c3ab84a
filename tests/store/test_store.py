"""store.py: what is published is whole; a rollback is one more step, and copies nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import Conflict, CorruptObject, NotFound, StoreError, UsageError
from headrace.store.snapshots import Manifest, PythonModule, Ref, Snapshot
from headrace.store.store import Store
from tests.store.disks import (
    Crash,
    FaultyDisk,
    PowerCutDisk,
    QuickDisk,
    build,
    content,
    faults,
    publish,
    read,
    snapshot_of,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    clock = SetClock(datetime(2030, 1, 1, tzinfo=UTC))
    return Store.open(tmp_path / "store", disk=QuickDisk(), clock=clock)


def test_opening_makes_private_folders(store: Store) -> None:
    folders = sorted(path.name for path in store.root.iterdir())
    assert folders == ["data", "leases", "objects", "refs", "staging"]
    assert {path.stat().st_mode & 0o777 for path in (store.root, *store.root.iterdir())} == {0o700}


def test_opening_makes_the_folders_above_too(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "store"
    publish(Store.open(root), 1)
    assert Store.open(root).environments() == ["prod"]


def test_a_store_shows_itself_by_its_folder(store: Store) -> None:
    publish(store, 1)
    assert repr(store) == f"Store(root={store.root!r}, clock={store.clock!r})"


def test_the_store_imports_no_engine() -> None:
    heavy = {"duckdb", "pyarrow", "sqlglot", "sqlalchemy", "sqlite3"}
    code = "import sys, headrace.store.store; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert heavy & set(modules.stdout.split()) == set()


def test_a_published_snapshot_is_read_back(store: Store) -> None:
    snapshot = snapshot_of(build(store, "orders", 1), build(store, "stores", 1))
    ref = store.publish("prod", snapshot, parent=None, reason="first", run="run-1")
    assert ref == Ref(
        environment="prod",
        number=1,
        snapshot=ref.snapshot,
        content=snapshot.content,
        at="2030-01-01T00:00:00.000000Z",
        reason="first",
        run="run-1",
    )
    again = Store.open(store.root)
    assert again.head("prod") == ref
    assert again.snapshot(ref) == snapshot
    assert again.snapshot(ref) is again.snapshot(ref)


def test_many_snapshots_are_read_in_turn(store: Store) -> None:
    refs = [publish(store, number) for number in range(20)]
    assert [read(store, ref) for ref in refs] == [content(number) for number in range(20)]


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_snapshot_with_a_damaged_file_is_not_published(store: Store, damage: str) -> None:
    version = build(store, "orders", 1)
    path = store.data_root / version.files[0].path
    path.unlink()
    if damage == "cut":
        path.write_bytes(b"x")
    with pytest.raises(StoreError) as caught:
        store.publish("prod", snapshot_of(version), parent=None, reason="x")
    assert str(caught.value) == (
        f"{path}: missing, or of another size; expected {version.files[0].size_bytes} bytes; "
        "nothing was published: run again, and it is built again"
    )
    assert store.head("prod") is None


def test_a_snapshot_without_the_text_of_its_code_is_not_published(store: Store) -> None:
    module = PythonModule("endpoints/extra.py", "f" * 64, router=True)
    with pytest.raises(StoreError) as caught:
        store.publish("prod", Snapshot({}, Manifest("demo", (), (module,))), parent=None, reason="")
    assert str(caught.value) == (
        f"{store.root}/objects/{'f' * 64}: missing, or of another size; expected the text of "
        "endpoints/extra.py; nothing was published: run again, and it is built again"
    )


def test_a_damaged_snapshot_is_never_read(store: Store) -> None:
    ref = publish(store, 1)
    path = store.root / "objects" / ref.snapshot
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"orders", b"0rders"))
    with pytest.raises(CorruptObject, match="the disk has changed them"):
        Store.open(store.root).snapshot(ref)


def test_a_rollback_is_a_new_step_with_the_old_content(store: Store) -> None:
    first, _ = publish(store, 1), publish(store, 2)
    before = _files(store.data_root) | _files(store.root / "objects")
    ref = store.rollback("prod")
    expected = replace(first, number=3, reason="rollback to 1", run="")
    assert ref == expected
    assert store.head("prod") == ref
    assert read(store, ref) == content(1)
    assert _files(store.data_root) | _files(store.root / "objects") == before


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """Path -> inode and time of every file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {os.fspath(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in paths}


def test_a_rollback_goes_past_steps_with_the_same_content(store: Store) -> None:
    publish(store, 1)
    second = publish(store, 2)
    for parent in (2, 3):
        store.publish("prod", store.snapshot(second), parent=parent, reason="same again")
    ref = store.rollback("prod")
    assert (ref.number, ref.reason) == (5, "rollback to 1")
    assert store.rollback("prod").reason == "rollback to 4"


def test_a_rollback_to_a_number(store: Store) -> None:
    for number in (1, 2, 3, 4):
        publish(store, number)
    assert read(store, store.rollback("prod", to=2)) == content(2)
    assert read(store, store.rollback("prod", to=4)) == content(4)


def test_a_rollback_to_what_is_published_is_refused(store: Store) -> None:
    publish(store, 1)
    publish(store, 2)
    store.rollback("prod")
    with pytest.raises(UsageError) as caught:
        store.rollback("prod", to=1)
    assert str(caught.value) == (
        "prod: snapshot 1 is published already, as 3; expected an older one; "
        "run `headrace snapshots` to list them"
    )


def test_a_rollback_from_what_is_no_longer_published_is_refused(store: Store) -> None:
    publish(store, 1)
    publish(store, 2)
    assert store.rollback("prod", parent=2).number == 3
    with pytest.raises(Conflict):
        store.rollback("prod", parent=2)
    assert store.history("prod")[0].number == 3


def test_a_rollback_with_nothing_older_is_refused(store: Store) -> None:
    publish(store, 1)
    with pytest.raises(NotFound) as caught:
        store.rollback("prod")
    assert str(caught.value) == (
        "prod: no older snapshot differs from 1, which is published; expected one to go back to; "
        "run `headrace snapshots` to list them"
    )


def test_a_rollback_of_nothing_is_refused(store: Store) -> None:
    publish(store, 1)
    with pytest.raises(NotFound, match="did you mean `prod`"):
        store.rollback("prd")
    with pytest.raises(NotFound, match="there is no snapshot 9"):
        store.rollback("prod", to=9)


def test_a_rollback_to_a_damaged_snapshot_is_refused(store: Store) -> None:
    first, second = publish(store, 1), publish(store, 2)
    (store.data_root / store.snapshot(first).tables["orders"].files[0].path).unlink()
    with pytest.raises(StoreError, match="missing, or of another size"):
        store.rollback("prod")
    assert store.head("prod") == second


class _LateDisk(QuickDisk):
    def __init__(self, other: Store) -> None:
        self.other: Store | None = other

    def create(self, path: Path, data: bytes) -> None:
        if self.other is not None:
            other, self.other = self.other, None
            publish(other, 7)
        super().create(path, data)


def test_a_rollback_that_somebody_publishes_into_is_a_conflict(store: Store) -> None:
    publish(store, 1)
    publish(store, 2)
    with pytest.raises(Conflict, match="snapshot 3 is published; expected snapshot 2"):
        Store.open(store.root, disk=_LateDisk(store)).rollback("prod")
    head = store.head("prod")
    assert head is not None
    assert read(store, head) == content(7)


def test_a_promotion_is_a_new_step_with_the_content_of_the_other_environment(store: Store) -> None:
    publish(store, 1)
    dev = publish(store, 2, "dev")
    before = _files(store.data_root) | _files(store.root / "objects")
    ref = store.promote(dev, "prod", parent=1)
    expected = replace(
        dev, environment="prod", number=2, at=ref.at, reason="promoted from dev:1", run=""
    )
    assert ref == expected
    assert store.head("prod") == ref
    assert read(store, ref) == content(2)
    assert _files(store.data_root) | _files(store.root / "objects") == before
    assert store.rollback("prod").content == store.ref("prod", 1).content


def test_a_promotion_may_be_the_first_step_of_an_environment(store: Store) -> None:
    dev = publish(store, 1, "dev")
    assert store.promote(dev, "prod", parent=None).number == 1
    assert store.environments() == ["dev", "prod"]


def test_a_promotion_of_what_is_published_already_is_refused(store: Store) -> None:
    publish(store, 1)
    dev = publish(store, 1, "dev")
    with pytest.raises(UsageError) as caught:
        store.promote(dev, "prod", parent=1)
    assert str(caught.value) == (
        "prod: nothing to promote: snapshot 1 is the same as dev:1 already"
    )


def test_a_promotion_to_itself_is_refused(store: Store) -> None:
    with pytest.raises(UsageError) as caught:
        store.promote(publish(store, 1), "prod", parent=1)
    assert str(caught.value) == (
        "prod: promoted to itself; expected two environments, such as `dev prod`"
    )


def test_a_promotion_of_a_damaged_snapshot_is_refused(store: Store) -> None:
    first, dev = publish(store, 1), publish(store, 2, "dev")
    (store.data_root / store.snapshot(dev).tables["orders"].files[0].path).unlink()
    with pytest.raises(StoreError, match="missing, or of another size"):
        store.promote(dev, "prod", parent=1)
    assert store.head("prod") == first


def test_a_promotion_of_a_step_that_is_gone_is_refused(store: Store) -> None:
    dev = publish(store, 1, "dev")
    (store.root / "refs" / "dev" / "1").unlink()
    with pytest.raises(NotFound, match="dev: nothing is published"):
        store.promote(dev, "prod", parent=None)
    assert store.head("prod") is None


def test_a_promotion_over_another_head_than_was_looked_at_is_a_conflict(store: Store) -> None:
    publish(store, 1)
    dev = publish(store, 2, "dev")
    publish(store, 3)
    with pytest.raises(Conflict, match="snapshot 2 is published; expected snapshot 1"):
        store.promote(dev, "prod", parent=1)


def test_a_promotion_that_somebody_publishes_into_is_a_conflict(store: Store) -> None:
    publish(store, 1)
    dev = publish(store, 2, "dev")
    with pytest.raises(Conflict, match="snapshot 2 is published; expected snapshot 1"):
        Store.open(store.root, disk=_LateDisk(store)).promote(dev, "prod", parent=1)
    head = store.head("prod")
    assert head is not None
    assert read(store, head) == content(7)


@pytest.mark.parametrize("fault", faults(), ids=str)
def test_a_promotion_that_the_disk_stops_is_whole_or_has_not_happened(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    """At whichever operation it stops, readers find the old snapshot or the new one, whole."""
    stopped_at = 0
    while True:
        stopped_at += 1
        store = Store.open(tmp_path / f"store{stopped_at}", disk=QuickDisk())
        publish(store, 1)
        dev = publish(store, 2, "dev")
        disk = FaultyDisk(fail_at=stopped_at, **fault)  # type: ignore[arg-type] # fields by name
        with contextlib.suppress(Crash, StoreError):
            Store.open(store.root, disk=disk).promote(dev, "prod", parent=1)
        head = store.head("prod")
        assert head is not None
        assert read(store, head) == content(head.number)
        dev_head = store.head("dev")
        assert dev_head == dev
        if len(disk.done) < stopped_at:
            assert head.number == 2
            break
    assert stopped_at > 3


def test_a_power_cut_anywhere_in_a_promotion_leaves_old_or_new(tmp_path: Path) -> None:
    """Whatever the disk had confirmed: and once the promotion has returned, it is the new one."""
    point, returned = 0, False
    while not returned:
        point += 1
        disk = PowerCutDisk()
        store = Store.open(tmp_path / str(point), disk=disk)
        publish(store, 1)
        dev = publish(store, 2, "dev")
        disk.done.clear()
        disk.fail_at = point
        with contextlib.suppress(Crash):
            store.promote(dev, "prod", parent=1)
            returned = True
        disk.cut(store.root)
        again = Store.open(store.root)
        head = again.head("prod")
        assert head is not None
        assert read(again, head) == content(head.number)
        assert head.number == 2 or not returned
    assert point > 3


def test_every_process_agrees_on_the_secret_which_is_for_the_owner_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path, disk=QuickDisk())
    secret = store.secret()
    assert len(secret) == 32
    assert Store.open(tmp_path).secret() == secret
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert Store.open(tmp_path / "other").secret() != secret


def test_a_secret_that_is_made_by_two_at_once_is_one(tmp_path: Path) -> None:
    """Whoever comes second takes what the first has made."""
    first = Store.open(tmp_path, disk=QuickDisk())

    class Beaten(QuickDisk):
        def link(self, source: Path, target: Path) -> None:
            first.secret()
            super().link(source, target)

    assert Store.open(tmp_path, disk=Beaten()).secret() == first.secret()


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path, disk=QuickDisk())
    store.secret()
    path = tmp_path / "secret"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorruptObject):
        store.secret()

"""garbage.py: gc never removes what somebody needs, and in the end removes all the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.base.clock import SetClock
from headrace.base.errors import CorruptObject, NotFound, StoreError
from headrace.base.tables import Cell, Version
from headrace.store.durable import locked
from headrace.store.garbage import COPIES_KEPT, Collected
from headrace.store.keyed_folder import Refusal, copy_address
from headrace.store.leases import Lease
from headrace.store.snapshots import (
    EndpointContract,
    KeyedQuery,
    KeyPart,
    Manifest,
    PythonModule,
    Ref,
    Snapshot,
)
from headrace.store.store import Store
from tests.store.disks import (
    SCHEMA,
    Crash,
    FaultyDisk,
    PowerCutDisk,
    QuickDisk,
    build,
    content,
    publish,
    read,
    read_file,
    snapshot_of,
)

DAY = 86_400.0


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime.now(UTC) + timedelta(minutes=1))


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Store:
    return Store.open(tmp_path / "store", disk=QuickDisk(), clock=clock)


def _names(store: Store) -> set[str]:
    """Every file of data, objects and staging, relative to the store."""
    folders = (store.root / name for name in ("data", "objects", "staging"))
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(store.root).as_posix() for path in paths}


def _collect_twice(store: Store, **options: float) -> Collected:
    store.collect(**options)  # type: ignore[arg-type]  # dry_run is not among them
    return store.collect(**options)  # type: ignore[arg-type]  # the same


def test_gc_of_a_new_store_does_nothing(store: Store) -> None:
    assert store.collect() == Collected(0, 0, 0, 0, 0, busy=False)


def test_old_snapshots_go_with_their_files_in_two_passes(store: Store, clock: SetClock) -> None:
    for number in (1, 2, 3):
        publish(store, number)
    clock.advance(8 * DAY)
    first = store.collect(keep_last=1)
    assert (first.snapshots, first.files, first.waiting_files) == (2, 0, 10)
    assert [ref.number for ref in store.history("prod")] == [3]
    second = store.collect(keep_last=1)
    assert second == Collected(0, 10, first.waiting_bytes, 0, 0, busy=False)
    [head] = store.history("prod")
    assert read(store, head) == content(3)
    assert len(_names(store)) == 5  # per table a data file and a sidecar, and the snapshot
    assert store.collect(keep_last=1) == Collected(0, 0, 0, 0, 0, busy=False)


def test_young_and_newest_snapshots_are_kept(store: Store, clock: SetClock) -> None:
    for number in (1, 2, 3):
        publish(store, number)
    clock.advance(6 * DAY)
    for number in (4, 5):
        publish(store, number)
    clock.advance(2 * DAY)
    assert store.collect(keep_days=7, keep_last=3).snapshots == 2
    assert [ref.number for ref in store.history("prod")] == [5, 4, 3]
    assert store.collect(keep_days=7, keep_last=1).snapshots == 1
    assert store.collect(keep_days=0, keep_last=0).snapshots == 1
    assert [ref.number for ref in store.history("prod")] == [5]  # the head always stays


class _LockedDisk(QuickDisk):
    """Notes, at each removal, which of the locks somebody else could have."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.free: list[bool] = []

    def unlink(self, path: Path) -> None:
        for name in ("sweep.lock", "runs.lock"):
            with locked(self.root / name, wait=False) as is_held:
                self.free.append(is_held)
        super().unlink(path)


def test_nobody_publishes_pins_or_begins_a_run_while_gc_removes(
    store: Store, clock: SetClock
) -> None:
    for number in (1, 2):
        publish(store, number)
    clock.advance(8 * DAY)
    store.collect(keep_last=1)
    disk = _LockedDisk(store.root)
    assert Store.open(store.root, disk=disk, clock=clock).collect(keep_last=1).files == 5
    assert disk.free == [False] * 10


def test_a_dry_run_says_what_would_go_and_removes_nothing(store: Store, clock: SetClock) -> None:
    for number in (1, 2):
        publish(store, number)
    clock.advance(8 * DAY)
    before = _names(store)
    for _ in range(2):
        would = store.collect(keep_last=1, dry_run=True)
        assert (would.snapshots, would.files, would.waiting_files) == (1, 0, 5)
    assert _names(store) == before
    assert len(store.history("prod")) == 2


def test_what_was_built_but_not_published_is_kept_for_the_grace_period(
    store: Store, clock: SetClock
) -> None:
    build(store, "orders", 1)
    store.new_data_path("orders").write_bytes(b"half a file")
    clock.advance(3000)
    assert _collect_twice(store).files == 0
    clock.advance(601)
    assert store.collect().files == 3
    assert _names(store) == set()


def test_a_leased_snapshot_is_kept_until_the_lease_ends(store: Store, clock: SetClock) -> None:
    old = publish(store, 1)
    publish(store, 2)
    clock.advance(8 * DAY)
    with store.pin(old, holder="serve"):
        assert _collect_twice(store, keep_last=1).files <= 2  # sidecars of what is no head
        assert read(Store.open(store.root), old) == content(1)
    _collect_twice(store, keep_last=1)
    with pytest.raises(NotFound):
        Store.open(store.root).snapshot(old)


def test_while_a_run_holds_the_store_nothing_goes(store: Store, clock: SetClock) -> None:
    for number in (1, 2):
        publish(store, number)
    build(store, "orders", 9)
    clock.advance(8 * DAY)
    before = _names(store)
    with store.hold():
        held = _collect_twice(store, keep_last=1)
        assert (held.busy, held.snapshots, held.files, held.waiting_files) == (True, 0, 0, 2)
        assert _names(store) == before
        assert len(store.history("prod")) == 2
    # Only what no ref led to has been unused in two passes now.
    assert store.collect(keep_last=1).files == 2
    assert store.collect(keep_last=1).files == 5
    assert len(_names(store)) == 5


def test_what_a_run_takes_up_again_is_in_use_again(store: Store, clock: SetClock) -> None:
    """A file that the first pass could not reach is reachable in the second: it stays."""
    publish(store, 1)
    again = build(store, "orders", 9)
    clock.advance(8 * DAY)
    store.collect()
    store.publish("prod", snapshot_of(again), parent=1, reason="taken up")
    assert store.collect().files == 0
    read_file(store, again.files[0])


def test_a_sidecar_stays_while_a_cell_without_rows_is_in_use(store: Store, clock: SetClock) -> None:
    used, unused = (Cell(letter * 64, "x.csv", "", None, 0, 0, "2026") for letter in "ab")
    for cell in (used, unused):
        store.record_cells("orders", SCHEMA, [cell], [])
    version = Version("orders", "source", "recipe", SCHEMA, (used,))
    store.publish("prod", snapshot_of(version), parent=None, reason="x")
    clock.advance(8 * DAY)
    _collect_twice(store)
    assert set(store.find_cells("orders")) == {used.address}


def test_the_text_of_published_code_is_kept(store: Store, clock: SetClock) -> None:
    used, unused = store.put_object(b"used"), store.put_object(b"unused")
    manifest = Manifest("demo", (), (PythonModule("endpoints/x.py", used, router=True),))
    store.publish("prod", Snapshot({}, manifest), parent=None, reason="x")
    clock.advance(8 * DAY)
    _collect_twice(store)
    assert store.get_object(used) == b"used"
    with pytest.raises(NotFound):
        store.get_object(unused)


def test_files_that_are_not_the_stores_are_left_alone(store: Store, clock: SetClock) -> None:
    build(store, "orders", 1)
    foreign = [store.root / "README", store.data_root / "x.parquet", store.root / "refs" / "note"]
    foreign.append(store.data_root / "orders" / "notes.txt")
    for path in foreign:
        path.write_bytes(b"mine")
    clock.advance(8 * DAY)
    _collect_twice(store)
    assert all(path.exists() for path in foreign)


def test_files_that_vanish_under_gc_and_folders_are_left_out(store: Store, clock: SetClock) -> None:
    """A run moves its files out of staging while gc looks; an engine may spill into a folder."""
    (store.root / "staging" / "moved.parquet").symlink_to("gone")
    (store.root / "staging" / "spill").mkdir()
    clock.advance(8 * DAY)
    assert _collect_twice(store) == Collected(0, 0, 0, 0, 0, busy=False)


def test_a_removed_ref_does_not_come_back_without_its_data(tmp_path: Path, clock: SetClock) -> None:
    disk = PowerCutDisk()
    store = Store.open(tmp_path / "store", disk=disk, clock=clock)
    for number in (1, 2):
        publish(store, number)
    clock.advance(8 * DAY)
    _collect_twice(store, keep_last=1)
    publish(store, 3, "dev")  # brings the folders of data to disk, with what was removed
    disk.cut(tmp_path / "store")
    after = Store.open(tmp_path / "store", clock=clock)
    assert [read(after, ref) for ref in after.history("prod")] == [content(2)]


def test_a_snapshot_that_cannot_be_read_stops_gc_before_it_removes_anything(
    store: Store, clock: SetClock
) -> None:
    """What cannot be read may lead to anything."""
    ref = publish(store, 1)
    publish(store, 2)
    build(store, "orders", 9)
    path = store.root / "objects" / ref.snapshot
    path.chmod(0o600)
    path.write_bytes(b"{}")
    clock.advance(8 * DAY)
    before = _names(store)
    for _ in range(2):
        with pytest.raises(CorruptObject):
            store.collect()
    path.unlink()
    with pytest.raises(NotFound):
        store.collect()
    assert _names(store) == before - {f"objects/{ref.snapshot}"}


def test_a_damaged_note_counts_as_no_pass(store: Store, clock: SetClock) -> None:
    build(store, "orders", 1)
    clock.advance(8 * DAY)
    store.collect()
    (store.root / "unused.json").chmod(0o600)
    (store.root / "unused.json").write_bytes(b"[")
    assert store.collect().files == 0
    assert store.collect().files == 2


def _with_garbage(root: Path, clock: SetClock, *, disk: FaultyDisk | None = None) -> Store:
    """A store with three snapshots of which two are to go, after a first pass."""
    healthy = Store.open(root, disk=QuickDisk(), clock=SetClock(clock.at - timedelta(days=8)))
    for number in (1, 2, 3):
        publish(healthy, number)
    build(healthy, "orders", 9)
    Store.open(root, disk=QuickDisk(), clock=clock).collect(keep_last=2)
    return Store.open(root, disk=disk, clock=clock)


@pytest.mark.parametrize("fault", [{}, {"after": True}, {"error": 5}], ids=str)
def test_gc_may_be_stopped_anywhere(tmp_path: Path, clock: SetClock, fault: dict[str, Any]) -> None:
    clock.advance(DAY)
    disk = FaultyDisk()
    _with_garbage(tmp_path / "count", clock, disk=disk).collect(keep_last=1)
    for point in range(1, len(disk.done) + 1):
        root = tmp_path / str(point)
        faulty = FaultyDisk(fail_at=point, **fault)
        store = _with_garbage(root, clock, disk=faulty)
        with suppress(Crash, StoreError):
            store.collect(keep_last=1)
        after = Store.open(root, disk=QuickDisk(), clock=clock)
        for ref in after.history("prod"):
            read(after, ref)
        _collect_twice(after, keep_last=1)
        after.collect(keep_last=1)
        assert len(_names(after)) == 5


def test_readers_see_whole_snapshots_while_publishes_and_gc_go_on(tmp_path: Path) -> None:
    publisher = Store.open(tmp_path, disk=QuickDisk())
    publish(publisher, 0)
    done = threading.Event()
    with ThreadPoolExecutor(3) as readers:
        reads = [readers.submit(_read_until, tmp_path, done) for _ in range(3)]
        removed = 0
        try:
            for number in range(1, 40):
                publish(publisher, number)
                removed += publisher.collect(keep_days=-1, keep_last=1, grace_seconds=0).files
        finally:
            done.set()
        assert all(read.result() > 0 for read in reads)
    assert removed > 100


def _read_until(root: Path, done: threading.Event) -> int:
    """Read the head again and again; the number of snapshots that were read."""
    count = 0
    while not (count and done.is_set()):
        store = Store.open(root, disk=QuickDisk())
        head = store.head("prod")
        assert head is not None
        with suppress(NotFound):  # gone between the two lines: look again
            with store.pin(head, holder="test"):
                found = read(store, head)
            assert len({line.split()[1] for line in found.values()}) == 1
            count += 1
    return count


@settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
class GarbageMachine(RuleBasedStateMachine):
    """Everything that a store can do, in any order: what somebody needs is always there."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = SetClock(datetime.now(UTC) + timedelta(minutes=1))
        self.store = Store.open(Path(self.folder.name), disk=QuickDisk(), clock=self.clock)
        self.numbers: dict[str, int] = {}  # snapshot address -> what it must show
        self.leases: list[tuple[Lease, datetime]] = []
        self.run: AbstractContextManager[bool] | None = None
        self.taken: dict[str, Version] = {}

    def teardown(self) -> None:
        if self.run is not None:
            self.run.__exit__(None, None, None)
        self.folder.cleanup()

    @rule(number=st.integers(1, 5), environment=st.sampled_from(["prod", "dev"]))
    def publish(self, number: int, environment: str) -> None:
        ref = publish(self.store, number, environment)
        self.numbers[ref.snapshot] = number

    @rule(environment=st.sampled_from(["prod", "dev"]))
    def roll_back(self, environment: str) -> None:
        try:
            ref = self.store.rollback(environment)
        except NotFound:
            return
        assert ref.snapshot in self.numbers

    @rule(number=st.integers(1, 9), table=st.sampled_from(["orders", "stores"]))
    def build_only(self, number: int, table: str) -> None:
        build(self.store, table, number)

    @rule(data=st.data(), environment=st.sampled_from(["prod", "dev"]))
    def pin(self, data: st.DataObject, environment: str) -> None:
        if history := self.store.history(environment):
            ref = data.draw(st.sampled_from(history))
            self.leases.append((self.store.pin(ref, holder="test"), self.clock.now()))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), renews=st.booleans())
    def renew_or_release(self, data: st.DataObject, renews: bool) -> None:
        lease, _ = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
        if not renews:
            lease.release()
            return
        try:
            lease.renew()
        except NotFound:
            return
        self.leases.append((lease, self.clock.now()))

    @precondition(lambda self: self.run is None)
    @rule()
    def begin_run(self) -> None:
        self.run = self.store.hold()
        self.run.__enter__()
        for table in ("orders", "stores"):
            for stored in self.store.find_cells(table).values():
                files = (stored.file,) if stored.file else ()
                self.taken[table] = Version(
                    table, "model", "recipe", stored.schema, (stored.cell,), files
                )

    @precondition(lambda self: self.run is not None)
    @rule(publishes=st.booleans())
    def end_run(self, publishes: bool) -> None:
        assert self.run is not None
        if publishes:
            head = self.store.head("run")
            snapshot = snapshot_of(*self.taken.values())
            number = head.number if head else None
            self.store.publish("run", snapshot, parent=number, reason="taken up")
        self.taken.clear()
        self.run.__exit__(None, None, None)
        self.run = None

    @rule(seconds=st.sampled_from([1.0, 30.0, 59.0, 3601.0, 2 * DAY]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(keep_last=st.integers(0, 3), keep_days=st.sampled_from([0, 1, 7]), dry_run=st.booleans())
    def collect(self, keep_last: int, keep_days: int, dry_run: bool) -> None:
        self.store.collect(
            keep_last=keep_last, keep_days=keep_days, grace_seconds=60, dry_run=dry_run
        )

    @invariant()
    def everything_needed_is_there(self) -> None:
        reader = Store.open(self.store.root, clock=self.clock)
        for ref in self._needed(reader):
            found = read(reader, ref)
            if ref.snapshot in self.numbers:
                assert found == content(self.numbers[ref.snapshot])
        for version in self.taken.values():
            for file in version.files:
                read_file(reader, file)

    def _needed(self, reader: Store) -> Iterator[Ref]:
        for environment in reader.environments():
            yield from reader.history(environment)
        for lease, renewed_at in self.leases:
            if self.clock.now() < renewed_at + timedelta(seconds=60):
                yield lease.ref

    @precondition(lambda self: self.run is None)
    @rule()
    def in_the_end_only_heads_stay(self) -> None:
        self.clock.advance(8 * DAY)
        for _ in range(3):
            self.store.collect(keep_last=1, grace_seconds=60)
        used = set()
        for environment in self.store.environments():
            [head] = self.store.history(environment)
            used.add(f"objects/{head.snapshot}")
            versions = self.store.snapshot(head).tables.values()
            used |= {f"data/{file.path}" for version in versions for file in version.files}
        left = {name for name in _names(self.store) if not name.endswith(".cells.json")}
        assert left == used


TestGarbageMachine = GarbageMachine.TestCase


# Keyed copies


KEYED = KeyedQuery("SELECT a, a FROM orders", (KeyPart("BIGINT"),), ("a",))
ENDPOINT = EndpointContract(
    "found", "/found/{a}", "r", KEYED.sql, ("orders",), (), SCHEMA, 1, 1, keyed=KEYED
)


def _publish_with_copy(store: Store, number: int) -> str:
    """Publish content `number` with an endpoint that has a keyed copy; gives the copy's name."""
    head = store.head("prod")
    version = build(store, "orders", number)
    snapshot = Snapshot({"orders": version}, Manifest("demo", (ENDPOINT,)))
    name = copy_address(ENDPOINT, {"orders": version.address})
    staged = store.keyed.staged()
    staged.write_bytes(b"rows")
    store.keyed.keep(name, staged, number)
    store.publish("prod", snapshot, parent=head.number if head else None, reason=str(number))
    return name


def _copies(store: Store) -> set[str]:
    return {path.name for path in (store.root / "keyed").iterdir()}


def test_copies_of_the_newest_contents_and_of_what_is_read_are_kept(
    store: Store, clock: SetClock
) -> None:
    names = [_publish_with_copy(store, number) for number in range(1, 7)]
    clock.advance(2 * 3600)
    lease = store.pin(store.ref("prod", 2), holder="serve")
    _collect_twice(store)
    kept = [names[1], *names[3:]]
    assert _copies(store) == {f"{name}{end}" for name in kept for end in (".lmdb", ".json")}
    lease.release()
    clock.advance(2 * 3600)
    _collect_twice(store)
    assert len(_copies(store)) == 2 * COPIES_KEPT
    # A rollback is one more step, of a content that is among the newest anyway.
    store.rollback("prod")
    clock.advance(2 * 3600)
    _collect_twice(store)
    assert _copies(store) == {f"{name}{end}" for name in names[3:] for end in (".lmdb", ".json")}


def test_copies_that_nobody_asks_for_go(store: Store, clock: SetClock) -> None:
    publish(store, 1)
    store.keyed.refuse("a" * 64, Refusal("too large", 1))
    stray = store.root / "keyed" / "notes.txt"
    stray.write_text("mine")
    clock.advance(2 * 3600)
    _collect_twice(store)
    assert _copies(store) == {"notes.txt"}

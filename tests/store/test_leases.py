"""leases.py: a reader keeps its snapshot for as long as it says so, and not longer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import NotFound
from headrace.store.leases import Leases
from headrace.store.store import Store
from tests.store.disks import QuickDisk, publish


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2030, 1, 1, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path, clock: SetClock) -> Store:
    return Store.open(tmp_path / "store", disk=QuickDisk(), clock=clock)


def _live(store: Store) -> list[tuple[str, int]]:
    leases = Leases(store.root / "leases", store._writer, store.clock)
    return [(held.holder, held.ref.number) for held in leases.live()]


def test_a_lease_lives_until_it_is_released(store: Store) -> None:
    with store.pin(publish(store, 1), holder="serve") as lease:
        assert _live(store) == [("serve", 1)]
    assert _live(store) == []
    lease.release()


def test_a_lease_lives_for_a_minute_after_each_renewal(store: Store, clock: SetClock) -> None:
    lease = store.pin(publish(store, 1), holder="serve")
    for _ in range(3):
        clock.advance(59)
        lease.renew()
    clock.advance(59)
    assert _live(store) == [("serve", 1)]
    clock.advance(1)
    assert _live(store) == []


def test_an_expired_lease_cannot_be_renewed(store: Store, clock: SetClock) -> None:
    lease = store.pin(publish(store, 1), holder="serve")
    clock.advance(60)
    with pytest.raises(NotFound) as caught:
        lease.renew()
    [path] = (store.root / "leases").iterdir()
    assert str(caught.value) == (
        f"{path}: the lease on snapshot 1 of prod has expired; expected a renewal every "
        "60 seconds; pin a snapshot again"
    )


def test_a_lease_whose_file_is_gone_cannot_be_renewed(store: Store) -> None:
    lease = store.pin(publish(store, 1), holder="serve")
    lease.release()
    with pytest.raises(NotFound, match="has expired"):
        lease.renew()


def test_a_snapshot_that_gc_has_removed_cannot_be_pinned(store: Store) -> None:
    gone = publish(store, 1)
    publish(store, 2)
    store.collect(keep_days=-1, keep_last=1)
    with pytest.raises(NotFound, match="there is no snapshot 1; expected one of 2"):
        store.pin(gone, holder="serve")


def test_a_damaged_lease_holds_nothing_and_goes_when_it_is_old(
    store: Store, clock: SetClock
) -> None:
    publish(store, 1)
    path = store.root / "leases" / "0.json"
    path.write_bytes(b"{")
    assert _live(store) == []
    store.collect()
    assert not path.exists()

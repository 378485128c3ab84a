"""Nothing breaks silently: a breaking change stops a run unless its endpoint is accepted."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.changes import ContractChange
from headrace.base.clock import SetClock
from headrace.base.errors import BreakingChanges, UsageError
from headrace.pipeline.plan.reviewing import (
    count_calls,
    needless,
    refused,
    require_accepted,
    with_calls,
)
from headrace.store.records import Records
from headrace.store.snapshots import EndpointContract, Manifest, PythonModule
from headrace.store.store import Store

BROKEN = ContractChange(
    "revenue", "changed", "field day (DATE) removed", path="/stores/{id}/revenue", breaking=True
)
GONE = ContractChange("stores", "removed", "GET /stores", path="/stores", breaking=True)
ROUTER = ContractChange("endpoints/r.py", "removed", "router", "router", breaking=True)
FINE = ContractChange("towns", "added", "GET /towns", path="/towns")
CHANGES = (BROKEN, GONE, ROUTER, FINE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", clock=SetClock(datetime(2026, 11, 26, 12, tzinfo=UTC)))


def record(store: Store, environment: str, calls: dict[str, int], at: str) -> None:
    with closing(Records.open(store.records_path)) as records:
        records.add_calls(environment, calls, at)


def test_the_calls_are_those_of_thirty_days_and_of_the_same_route(store: Store) -> None:
    record(store, "prod", {"/stores/{store_id}/revenue": 4}, "2026-10-28T00:00:00.000000Z")
    record(store, "prod", {"/stores/{id}/revenue": 3}, "2026-11-26T00:00:00.000000Z")
    record(store, "prod", {"/stores": 9}, "2026-10-27T23:59:59.000000Z")
    record(store, "dev", {"/stores": 9}, "2026-11-26T00:00:00.000000Z")
    counted = with_calls(CHANGES, store, "prod")
    assert [change.calls for change in counted] == [7, 0, None, None]


def test_without_a_record_the_calls_are_unknown(store: Store) -> None:
    assert count_calls(store, "prod") is None
    assert with_calls(CHANGES, store, "prod") == CHANGES
    assert not store.records_path.exists()


def test_a_damaged_record_keeps_nobody_from_planning(store: Store) -> None:
    store.records_path.write_bytes(b"no database, but a text that is long enough" * 30)
    assert with_calls(CHANGES, store, "prod") == CHANGES


def test_changes_that_break_nobody_need_no_leave() -> None:
    require_accepted([FINE], ())
    require_accepted([], ())


def test_every_endpoint_that_breaks_must_be_named() -> None:
    require_accepted(CHANGES, {"revenue", "stores", "endpoints/r.py"})
    assert refused(CHANGES, {"revenue"}) == [GONE, ROUTER]
    with pytest.raises(BreakingChanges) as caught:
        require_accepted(CHANGES, {"revenue"})
    assert caught.value.exit_code == 2
    assert caught.value.changes == (GONE, ROUTER)
    assert str(caught.value) == (
        "stores: GET /stores removed - breaking\n"
        "endpoints/r.py: router removed - breaking\n"
        "2 breaking changes for users of the API; nothing is published; "
        "`--accept-breaking stores --accept-breaking endpoints/r.py` publishes, and a "
        "second file with another `version:` keeps the old contract beside the new one"
    )


def manifest(*names: str) -> Manifest:
    endpoints = [EndpointContract(each, f"/{each}", "", "", (), (), (), 0, 0) for each in names]
    return Manifest("shop", tuple(endpoints), (PythonModule("endpoints/r.py", "", router=True),))


def test_what_breaks_nobody_needs_no_acceptance() -> None:
    manifests = (manifest("revenue", "stores"), manifest("revenue", "towns"))
    accepted = ("revenue", "towns", "towns", "endpoints/r.py")
    assert needless(CHANGES, accepted, manifests) == ["towns"]
    assert needless((), ("endpoints/r.py",), manifests) == ["endpoints/r.py"]


def test_a_misspelt_endpoint_gets_its_near_miss() -> None:
    with pytest.raises(UsageError) as caught:
        needless((BROKEN,), ("revenu",), (manifest("revenue"), manifest("revenue")))
    assert str(caught.value) == (
        "--accept-breaking: 'revenu' is not an endpoint; expected one of `revenue`; "
        "did you mean `revenue`?"
    )
    with pytest.raises(UsageError) as caught:
        needless((), ("xyz",), (manifest("revenue"),))
    assert str(caught.value) == (
        "--accept-breaking: 'xyz' is not an endpoint; expected one of `endpoints/r.py`, `revenue`; "
        "`headrace plan` shows what breaks whom"
    )

"""audit_trail.py: whoever notes an event never waits, and a flood costs neither time nor room."""

from __future__ import annotations

import json
import logging
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.auth.audit_trail import AuditTrail, Recorder, TrailLimits, audited
from headrace.base.access import ANONYMOUS, Principal
from headrace.base.clock import SetClock
from headrace.store.audit.log import Audit

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANNA = Principal("user:anna", credential="key:k1")


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


def trail_of(root: Path, clock: SetClock, limits: TrailLimits | None = None) -> AuditTrail:
    return AuditTrail(root, clock, limits or TrailLimits())


def on_record(root: Path) -> list[dict[str, object]]:
    with closing(Audit.open(root)) as audit:
        assert audit.verify().broken is None
        return [json.loads(line) for line in audit.export()]


def test_an_event_has_the_time_when_it_was_noted(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock)
    trail.note(
        "key_created",
        ANNA,
        "key:k2",
        address="192.0.2.1",
        request="r-1",
        detail={"account": "service:loader"},
    )
    clock.advance(30)
    trail.flush()
    [entry] = on_record(tmp_path)
    assert {name: entry[name] for name in entry if name not in ("prev", "hash")} == {
        "seq": 1,
        "at": "2026-11-26T12:00:00.000000Z",
        "actor": "user:anna",
        "credential": "key:k1",
        "action": "key_created",
        "target": "key:k2",
        "request": "r-1",
        "address": "192.0.2.1",
        "detail": {"account": "service:loader"},
    }


def test_equal_refusals_of_a_minute_are_one_entry(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock)
    for second in range(70):
        trail.note("denied", ANNA, "/payroll", address="192.0.2.1", request=f"r-{second}")
        trail.note("denied", ANONYMOUS, "/payroll", address="192.0.2.1")
        clock.advance(1)
        trail.flush()
    trail.close()
    found = [(each["actor"], each["request"], each["detail"]) for each in on_record(tmp_path)]
    assert found == [
        ("user:anna", "r-0", {"count": 60}),
        ("", "", {"count": 60}),
        ("user:anna", "r-60", {"count": 10}),
        ("", "", {"count": 10}),
    ]


def test_a_flood_of_different_refusals_is_few_entries(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock, TrailLimits(told_apart=10))
    for number in range(5_000):
        trail.note("denied", ANONYMOUS, f"/{number}", address=f"2001:db8::{number:x}")
    trail.note("sign_out", ANNA)
    trail.close()
    entries = on_record(tmp_path)
    assert len(entries) == 12
    [others] = [each for each in entries if each["target"] == "(others)"]
    assert others["detail"] == {"count": 4_990}


def test_100_000_refusals_take_no_time(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock)
    started = time.process_time()
    for number in range(100_000):
        trail.note("denied", ANONYMOUS, f"/{number}", address="192.0.2.1")
    seconds = time.process_time() - started
    assert seconds < 5  # 0.4 s on an idle machine


def test_what_there_is_no_room_for_is_counted(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock, TrailLimits(waiting=3))
    for number in range(10):
        trail.note("sign_in", ANNA, f"/{number}")
    trail.close()
    found = [(each["action"], each["target"], each["detail"]) for each in on_record(tmp_path)]
    assert found == [
        ("sign_in", "/0", {}),
        ("sign_in", "/1", {}),
        ("sign_in", "/2", {}),
        ("dropped", "", {"count": 7}),
    ]


def test_what_cannot_be_written_is_kept_and_said_once(
    tmp_path: Path, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit.db").write_bytes(b"this is no database, and it is long enough" * 10)
    trail = trail_of(tmp_path, clock, TrailLimits(waiting=3))
    with caplog.at_level(logging.ERROR):
        for number in range(4):
            trail.note("sign_in", ANNA, f"/{number}")
            trail.flush()
    [record] = caplog.records
    assert record.getMessage().startswith("the audit log cannot be written now: ")
    (tmp_path / "audit.db").unlink()
    trail.close()
    found = [(each["action"], each["target"], each["detail"]) for each in on_record(tmp_path)]
    assert found == [
        ("sign_in", "/0", {}),
        ("sign_in", "/1", {}),
        ("sign_in", "/2", {}),
        ("dropped", "", {"count": 1}),
    ]


def test_a_thread_writes_until_the_end(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock, TrailLimits(write_seconds=0.001))
    trail.start()
    trail.note("sign_in", ANNA)
    trail.close()
    assert [each["action"] for each in on_record(tmp_path)] == ["sign_in"]


def test_a_command_is_on_record_before_it_goes_on(tmp_path: Path, clock: SetClock) -> None:
    with closing(Audit.open(tmp_path, clock=clock)) as audit:
        record = Recorder(audit)
        record(Principal("os:marie"), "account_added", "user:anna", {"roles": "analyst"})
        [entry] = on_record(tmp_path)
    assert (entry["actor"], entry["action"]) == ("os:marie", "account_added")
    assert (entry["target"], entry["detail"]) == ("user:anna", {"roles": "analyst"})


def test_a_trail_takes_what_changes_accounts_say(tmp_path: Path, clock: SetClock) -> None:
    trail = trail_of(tmp_path, clock)
    trail(ANNA, "key_revoked", "key:k1", {"why": "lost"}, address="192.0.2.1", request="r-1")
    trail.close()
    [entry] = on_record(tmp_path)
    assert (entry["action"], entry["detail"]) == ("key_revoked", {"why": "lost"})


def test_the_words_of_the_log_are_a_closed_list() -> None:
    assert audited("published") == "published"
    with pytest.raises(ValueError, match="'hacked' is no action of the audit log"):
        audited("hacked")

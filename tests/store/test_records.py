"""records.py: what runs did can be read later, by any process, and losing it loses no data."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from headrace.base.errors import NotFound, StoreError
from headrace.store import records as records_module
from headrace.store.records import CheckRecord, Records, RunRecord, StepRecord

RUN = RunRecord("run-1", "prod", "2026-01-01T00:00:00.000000Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operations.sqlite"


def test_a_run_is_noted_from_beginning_to_end(path: Path) -> None:
    records = Records.open(path)
    records.run_started(RUN)
    assert records.last_runs("prod", 10) == [RUN]
    records.run_finished(
        "run-1",
        outcome="failed",
        finished_at="2026-01-01T00:00:01.000000Z",
        snapshot=None,
        message="orders: 3 rows break `min`",
    )
    records.close()
    again = Records.open(path)
    [run] = again.last_runs("prod", 10)
    assert (run.outcome, run.message) == ("failed", "orders: 3 rows break `min`")
    again.close()


def test_steps_and_checks_come_back_in_order(path: Path) -> None:
    records = Records.open(path)
    records.run_started(RUN)
    steps = [StepRecord("run-1", f"t{n}", "built", n, n + 1, 1, 0.5, "m", 3) for n in range(3)]
    checks = [
        CheckRecord("run-1", "orders: key id", "orders", "error", 2, "m", '[{"id": 1}]'),
        CheckRecord("run-1", "orders.a: min 0", "orders", "warn", 0),
    ]
    records.add_step(*steps)
    records.add_check(*checks)
    assert records.steps("run-1") == steps
    assert records.checks("run-1") == checks
    assert records.steps("run-2") == []
    records.close()


def test_last_runs_are_newest_first_and_of_one_environment(path: Path) -> None:
    records = Records.open(path)
    for number in range(5):
        records.run_started(RunRecord(f"run-{number}", "prod", f"2026-01-0{number + 1}"))
    records.run_started(RunRecord("other", "dev", "2026-02-01"))
    assert [run.run for run in records.last_runs("prod", 3)] == ["run-4", "run-3", "run-2"]
    records.close()


def test_a_step_of_no_run_is_refused_whole(path: Path) -> None:
    records = Records.open(path)
    records.run_started(RUN)
    with pytest.raises(StoreError) as caught:
        records.add_step(StepRecord("run-1", "a", "built"), StepRecord("run-9", "b", "built"))
    assert str(caught.value) == (
        f"{path}: the operations record cannot be used (FOREIGN KEY constraint failed); expected "
        "a SQLite file that headrace wrote; no published data depends on it: if it is damaged, "
        "move it away, and a new one is begun"
    )
    assert records.steps("run-1") == []
    records.close()


def test_the_end_of_no_run_is_refused(path: Path) -> None:
    records = Records.open(path)
    with pytest.raises(NotFound) as caught:
        records.run_finished("run-9", outcome="failed", finished_at="2026", snapshot=None)
    assert str(caught.value) == (
        f"{path}: there is no run 'run-9'; expected one that `run_started` noted; "
        "note its beginning first"
    )
    records.close()


def test_the_last_commit_survives_a_power_cut(path: Path) -> None:
    """The settings under which it does; what they are worth was measured with power cuts."""
    records = Records.open(path)
    [mode] = records._database._connection.execute("PRAGMA journal_mode").fetchone()
    [synchronous] = records._database._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("truncate", 3)
    records.close()


def test_a_file_that_is_no_record_is_an_error(path: Path) -> None:
    path.write_bytes(b"no database, but a text that is long enough" * 30)
    with pytest.raises(StoreError) as caught:
        Records.open(path)
    assert str(caught.value) == (
        f"{path}: the operations record cannot be used (file is not a database); expected "
        "a SQLite file that headrace wrote; no published data depends on it: if it is damaged, "
        "move it away, and a new one is begun"
    )


def test_a_record_of_a_newer_version_is_left_alone(path: Path) -> None:
    Records.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError) as caught:
        Records.open(path)
    assert str(caught.value) == (
        f"{path}: made by a newer version of headrace (format 99); expected format 4 or older; "
        "upgrade headrace"
    )


def test_threads_and_connections_may_write_at_once(path: Path) -> None:
    records, others = Records.open(path), Records.open(path)
    records.run_started(RUN)

    def add(target: Records) -> None:
        for number in range(10):
            target.add_step(StepRecord("run-1", f"t{number}", "built"))

    threads = [threading.Thread(target=add, args=(r,)) for r in (records, records, others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records.steps("run-1")) == 30
    records.close()
    others.close()


def test_calls_add_up_by_path_and_day_whoever_counts_them(path: Path) -> None:
    records, others = Records.open(path), Records.open(path)
    records.add_calls("prod", {"/a": 2, "/b": 1}, "2026-01-01T10:00:00.000000Z")
    others.add_calls("prod", {"/a": 3}, "2026-01-01T09:00:00.000000Z")
    records.add_calls("prod", {"/a": 5}, "2026-01-03T00:00:00.000000Z")
    others.add_calls("dev", {"/a": 7}, "2026-01-03T00:00:00.000000Z")
    assert records.calls_since("prod", "2026-01-01") == {"/a": 10, "/b": 1}
    assert others.calls_since("prod", "2026-01-02") == {"/a": 5}
    assert records.calls_since("test", "2026-01-01") == {}
    rows = records._database._connection.execute(
        "SELECT day, last_at FROM access_counts WHERE path = '/b'"
    )
    assert rows.fetchall() == [("2026-01-01", "2026-01-01T10:00:00.000000Z")]
    [[last]] = records._database._connection.execute(
        "SELECT last_at FROM access_counts WHERE environment = 'prod' AND day = '2026-01-01'"
        " AND path = '/a'"
    ).fetchall()
    assert last == "2026-01-01T10:00:00.000000Z"
    records.close()
    others.close()


def test_a_record_of_an_older_version_is_brought_to_this_one(path: Path) -> None:
    """The version before API calls and attempts were counted."""
    migrations = Path(records_module.__file__).parent / "sql" / "migrations"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((migrations / "0001_runs.sql").read_text())
        connection.execute("INSERT INTO runs VALUES ('run-1', 'prod', '', '', '', 1, '')")
        connection.execute("INSERT INTO steps VALUES (1, 'run-1', 'a', 'built', 3, 3, 0, 0.5, '')")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    with closing(Records.open(path)) as records:
        assert records.calls_since("prod", "2026-01-01") == {}
        assert records.last_runs("prod", 1) == [RunRecord("run-1", "prod", "", snapshot=1)]
        assert records.steps("run-1") == [StepRecord("run-1", "a", "built", 3, 3, 0, 0.5, "", 1)]

"""audit.py: whatever is done to the audit log without its secret is found."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import StoreError
from headrace.store.audit.entries import Action, AuditEntry, AuditEvent, chained
from headrace.store.audit.log import Audit, operator
from headrace.store.audit.verifying import Head
from headrace.store.durable import Disk
from headrace.store.store import Store
from tests.store.disks import Crash, FaultyDisk, QuickDisk, faults

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANNA = AuditEvent(
    "key_created",
    "user:anna",
    credential="session:ab12",
    target="key:k1",
    request="r-1",
    address="192.0.2.1",
    detail={"scopes": "sales", "count": 2, "ok": True, "none": None, "share": 0.5},
)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


def opened(root: Path, clock: SetClock | None = None, disk: Disk | None = None) -> Audit:
    return Audit.open(root, clock=clock or SetClock(START), disk=disk or QuickDisk())


def lines(root: Path) -> list[bytes]:
    files = sorted((root / "audit").glob("*.ndjson"))
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True)]


def test_an_entry_is_one_line_of_json_in_both_places(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as audit:
        audit.append(ANNA)
        [exported] = audit.export()
    assert json.loads(exported) == {
        "seq": 1,
        "at": "2026-11-26T12:00:00.000000Z",
        "actor": "user:anna",
        "credential": "session:ab12",
        "action": "key_created",
        "target": "key:k1",
        "request": "r-1",
        "address": "192.0.2.1",
        "detail": {"count": 2, "none": None, "ok": True, "scopes": "sales", "share": 0.5},
        "prev": "0" * 64,
        "hash": "2dcbcda3756cb7ce5ffa8e6bcf77b176a7d87c03765d044ac357352edeeae8cc",
    }
    assert (tmp_path / "audit" / "2026-11.ndjson").read_text() == exported


def test_the_hash_is_that_of_the_line_without_it(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as audit:
        audit.append(ANNA, ANNA)
    before = "0" * 64
    for line in lines(tmp_path):
        body, _, rest = line.decode().partition(',"hash":"')
        assert rest == hashlib.sha256(f"{body}}}".encode()).hexdigest() + '"}\n'
        assert json.loads(line)["prev"] == before
        before = json.loads(line)["hash"]


def test_a_log_is_whole_after_many_openings(tmp_path: Path, clock: SetClock) -> None:
    for number in range(5):
        with closing(opened(tmp_path, clock)) as audit:
            audit.append(*[replace(ANNA, target=f"key:{number}")] * number)
        clock.advance(20 * 86_400)
    with closing(opened(tmp_path, clock)) as audit:
        assert (audit.verify().count, audit.verify().broken) == (10, None)
    names = [path.name for path in sorted((tmp_path / "audit").glob("*.ndjson"))]
    assert names == ["2026-12.ndjson", "2027-01.ndjson", "2027-02.ndjson"]


def test_a_clock_that_is_set_back_begins_no_older_file(tmp_path: Path, clock: SetClock) -> None:
    with closing(opened(tmp_path, clock)) as audit:
        audit.append(ANNA)
        clock.advance(-40 * 86_400)
        audit.append(ANNA)
        assert audit.verify().broken is None
    assert [path.name for path in (tmp_path / "audit").glob("*.ndjson")] == ["2026-11.ndjson"]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as audit:
        audit.append(ANNA)
    modes = {
        name: stat.S_IMODE((tmp_path / name).stat().st_mode)
        for name in ("audit.db", "audit", "audit/2026-11.ndjson", "audit.lock", "secret")
    }
    assert modes == {
        "audit.db": 0o600,
        "audit": 0o700,
        "audit/2026-11.ndjson": 0o600,
        "audit.lock": 0o600,
        "secret": 0o600,
    }


def test_what_a_client_sends_cannot_forge_a_line_or_colour_a_terminal(tmp_path: Path) -> None:
    event = AuditEvent(
        "denied",
        "eve\r\n{}",
        target="/x\x1b[31m\u202e\x00\x9b\ud800",
        detail={"a\nb": "\x7f" + "é" * 600},
    )
    with closing(opened(tmp_path)) as audit:
        audit.append(event)
        [entry] = audit.newest(1)
    [line] = lines(tmp_path)
    assert entry.actor == r"eve\u000d\u000a{}"
    assert entry.target == r"/x\u001b[31m\u202e\u0000\u009b\ud800"
    assert json.loads(line)["detail"] == {r"a\u000ab": r"\u007f" + "é" * 493 + "…"}
    assert line.decode().rstrip("\n").isprintable()


def test_a_line_stays_short_whatever_is_put_in_it(tmp_path: Path) -> None:
    long = "\U0001f600" * 10_000
    detail = {f"{number}{long}": long for number in range(100)}
    event = AuditEvent("denied", long, long, long, long, long, detail)
    with closing(opened(tmp_path)) as audit:
        audit.append(
            event, replace(event, detail={"n": 2**53 + 1, "m": -(16**600), "f": float("nan")})
        )
        assert audit.verify().broken is None
    first, second = lines(tmp_path)
    assert len(first) < 64 * 1024
    assert json.loads(second)["detail"] == {
        "f": "nan",
        "m": "-0x1" + "0" * 495 + "…",
        "n": "0x20000000000001",
    }


def _append_from_a_process(root: str, number: int) -> None:
    with closing(Audit.open(Path(root))) as audit:
        for count in range(10):
            audit.append(replace(ANNA, target=f"{number}.{count}"), ANNA)


def test_the_chain_of_several_processes_is_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    started = [
        context.Process(target=_append_from_a_process, args=(str(tmp_path), number))
        for number in range(3)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    with closing(opened(tmp_path)) as audit:
        verified = audit.verify()
        targets = {entry.target for entry in audit.newest(100)}
    assert (verified.count, verified.broken) == (60, None)
    assert targets == {"key:k1"} | {f"{n}.{count}" for n in range(3) for count in range(10)}


def test_the_database_refuses_to_change_or_remove_an_entry(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as audit:
        audit.append(ANNA)
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="is never changed"):
            connection.execute("UPDATE entries SET actor = 'user:eve'")
        for table in ("entries", "head"):
            with pytest.raises(sqlite3.IntegrityError, match="is never removed"):
                connection.execute(f"DELETE FROM {table}")


def test_entries_are_found_by_time_and_action(tmp_path: Path, clock: SetClock) -> None:
    with closing(opened(tmp_path, clock)) as audit:
        for number in range(4):
            action: Action = "denied" if number % 2 else "published"
            audit.append(AuditEvent(action, "os:anna", target=str(number)))
            clock.advance(86_400)

        def targets(since: str = "", until: str = "") -> list[str]:
            return [json.loads(line)["target"] for line in audit.export(since, until)]

        assert targets() == ["0", "1", "2", "3"]
        assert targets("2026-11-27") == ["1", "2", "3"]
        assert targets("2026-11-27", "2026-11-28") == ["1"]
        assert targets("", "2026-11-28") == ["0", "1"]
        denied = [json.loads(line)["target"] for line in audit.export(action="denied")]
        assert denied == ["1", "3"]
        assert [entry.target for entry in audit.newest(2)] == ["3", "2"]
        assert [entry.target for entry in audit.newest(2, before=3)] == ["1", "0"]
        assert [entry.target for entry in audit.newest(9, action="denied")] == ["3", "1"]


def test_more_entries_than_a_page_are_exported(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as audit:
        audit.append(*[ANNA] * 2500)
        assert sum(1 for _ in audit.export()) == 2500
        assert audit.verify().count == 2500


# Crashes


@pytest.mark.parametrize("fault", faults(), ids=str)
def test_a_crash_anywhere_loses_nothing_that_was_acknowledged(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    with closing(opened(tmp_path / "begun")) as audit:
        audit.append(ANNA, ANNA)
    for point in range(1, 30):
        root = tmp_path / str(point)
        shutil.copytree(tmp_path / "begun", root)
        disk = FaultyDisk()
        with closing(opened(root, disk=disk)) as audit:
            disk.done.clear()
            disk.fail_at = point
            for name, value in fault.items():
                setattr(disk, name, value)
            done = _appends(audit)
        disk.fail_at = 0
        with closing(opened(root)) as audit:
            audit.append(replace(ANNA, target="after"))
            verified = audit.verify()
            targets = [entry.target for entry in audit.newest(9)]
        assert (verified.broken, verified.why) == (None, "")
        assert targets in (["after", "new", "key:k1", "key:k1"], ["after", "key:k1", "key:k1"])
        assert not done or "new" in targets
        if len(disk.done) < point:
            return
    pytest.fail("an append takes more operations than expected")


def _appends(audit: Audit) -> bool:
    try:
        audit.append(replace(ANNA, target="new"))
    except (Crash, StoreError):
        return False
    return True


# Tampering

Tamper = Callable[[Path, random.Random], None]
COLUMNS = ("at", "actor", "credential", "action", "target", "request", "address", "detail")


def filled(root: Path, months: int = 3) -> Head:
    """A log of 24 entries over some months; where it ends."""
    clock = SetClock(START)
    with closing(opened(root, clock)) as audit:
        for number in range(8):
            batch = [replace(ANNA, target=f"key:{number}.{each}") for each in range(3)]
            audit.append(*batch)
            clock.advance(months * 30 * 86_400 / 8)
        verified = audit.verify()
    assert (verified.count, verified.broken) == (24, None)
    return verified.head


def execute(root: Path, sql: str, *parameters: object) -> None:
    """Change the database as somebody does who has its file: without its triggers."""
    with closing(sqlite3.connect(root / "audit.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        kept = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in kept:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(sql, parameters)
        for _, text in kept:
            connection.execute(text)


def entries(root: Path) -> list[AuditEntry]:
    with closing(sqlite3.connect(root / "audit.db")) as connection:
        rows = connection.execute("SELECT * FROM entries ORDER BY seq").fetchall()
    return [AuditEntry(*row) for row in rows]


def rewrite(root: Path, change: Callable[[list[bytes]], None]) -> None:
    """Change the lines of the files, each file keeping as many as it had where that can be."""
    paths = sorted((root / "audit").glob("*.ndjson"))
    all_lines = lines(root)
    counts = [len(path.read_bytes().splitlines()) for path in paths]
    change(all_lines)
    for path, count in zip(paths, counts, strict=True):
        taken = len(all_lines) if path is paths[-1] else count
        path.write_bytes(b"".join(all_lines[:taken]))
        del all_lines[:taken]


def change_a_value(root: Path, dice: random.Random) -> None:
    column = dice.choice((*COLUMNS, "prev", "hash"))
    value = {"detail": '{"count":3}', "at": "2026-11-26T12:00:00.000001Z"}.get(column, "other")
    execute(root, f"UPDATE entries SET {column} = ? WHERE seq = ?", value, dice.randint(1, 24))


def change_a_values_type(root: Path, dice: random.Random) -> None:
    column = dice.choice(COLUMNS)
    value = dice.choice([b"other", b"\xff", 7.5])
    execute(root, f"UPDATE entries SET {column} = ? WHERE seq = ?", value, dice.randint(1, 24))


def break_a_text(root: Path, dice: random.Random) -> None:
    execute(
        root,
        "UPDATE entries SET actor = CAST(X'FF' AS TEXT) WHERE seq = ?",
        dice.randint(1, 24),
    )


def change_a_byte(root: Path, dice: random.Random) -> None:
    def change(all_lines: list[bytes]) -> None:
        number = dice.randrange(24)
        line = bytearray(all_lines[number])
        position = dice.randrange(len(line) - 1)
        line[position] = dice.choice([each for each in range(32, 127) if each != line[position]])
        all_lines[number] = bytes(line)

    rewrite(root, change)


def remove_an_entry(root: Path, dice: random.Random) -> None:
    execute(root, "DELETE FROM entries WHERE seq = ?", dice.randint(1, 24))


def remove_a_line(root: Path, dice: random.Random) -> None:
    rewrite(root, lambda all_lines: all_lines.__delitem__(dice.randrange(24)))


def remove_both(root: Path, dice: random.Random) -> None:
    number = dice.randint(1, 24)
    execute(root, "DELETE FROM entries WHERE seq = ?", number)
    rewrite(root, lambda all_lines: all_lines.__delitem__(number - 1))


def swap_entries(root: Path, dice: random.Random) -> None:
    one, other = dice.sample(range(1, 25), 2)
    for old, new in ((one, 1000), (other, one), (1000, other)):
        execute(root, "UPDATE entries SET seq = ? WHERE seq = ?", new, old)


def swap_lines(root: Path, dice: random.Random) -> None:
    one, other = dice.sample(range(24), 2)

    def swap(all_lines: list[bytes]) -> None:
        all_lines[one], all_lines[other] = all_lines[other], all_lines[one]

    rewrite(root, swap)


def insert_a_line(root: Path, dice: random.Random) -> None:
    rewrite(root, lambda all_lines: all_lines.insert(dice.randint(0, 24), dice.choice(all_lines)))


def insert_an_entry(root: Path, dice: random.Random) -> None:
    seq = dice.choice([-(2**63), -1, 0, 25, 2**63 - 1])
    names = ", ".join((*COLUMNS, "prev", "hash"))
    execute(
        root,
        f"INSERT INTO entries (seq, {names}) SELECT ?, {names} FROM entries WHERE seq = ?",
        seq,
        dice.randint(1, 24),
    )


def cut_the_database(root: Path, dice: random.Random) -> None:
    execute(root, "DELETE FROM entries WHERE seq > ?", dice.randint(0, 23))


def cut_the_files(root: Path, dice: random.Random) -> None:
    kept = dice.randint(0, 23)
    rewrite(root, lambda all_lines: all_lines.__delitem__(slice(kept, None)))


def cut_both_with_their_head(root: Path, dice: random.Random) -> None:
    kept = dice.randint(1, 23)
    last = entries(root)[kept - 1]
    cut_files = lambda all_lines: all_lines.__delitem__(slice(kept, None))  # noqa: E731
    rewrite(root, cut_files)
    execute(root, "DELETE FROM entries WHERE seq > ?", kept)
    execute(root, "UPDATE head SET count = ?, filed = ?, hash = ?", kept, kept, last.hash)


def cut_a_line(root: Path, dice: random.Random) -> None:
    path = max((root / "audit").glob("*.ndjson"))
    data = path.read_bytes()
    path.write_bytes(data[: -dice.randint(1, len(data.splitlines()[-1]))])


def remove_a_file(root: Path, dice: random.Random) -> None:
    dice.choice(sorted((root / "audit").glob("*.ndjson"))).unlink()


def rename_a_file(root: Path, dice: random.Random) -> None:
    path = dice.choice(sorted((root / "audit").glob("*.ndjson")))
    path.rename(path.with_name(dice.choice(["2020-01", "2030-01"]) + ".ndjson"))


def remove_the_head(root: Path, _: random.Random) -> None:
    execute(root, "DELETE FROM head")


def change_the_head(root: Path, dice: random.Random) -> None:
    execute(root, f"UPDATE head SET {dice.choice(['count', 'filed'])} = ?", dice.randint(0, 23))


def drop_a_trigger(root: Path, dice: random.Random) -> None:
    name = dice.choice(["entries_stay", "entries_stay_as_they_are", "head_stays"])
    with closing(sqlite3.connect(root / "audit.db")) as connection:
        connection.execute(f"DROP TRIGGER {name}")


def forge_a_tail(root: Path, _: random.Random) -> None:
    """Add an entry that follows the last one as it should, in both places."""
    last = entries(root)[-1]
    [forged] = chained([replace(ANNA, actor="user:eve")], last.seq, last.hash, last.at)
    _insert(root, forged)
    with max((root / "audit").glob("*.ndjson")).open("ab") as file:
        file.write(forged.line)


def forge_a_tail_in_the_files(root: Path, _: random.Random) -> None:
    last = entries(root)[-1]
    [forged] = chained([replace(ANNA, actor="user:eve")], last.seq, last.hash, last.at)
    with max((root / "audit").glob("*.ndjson")).open("ab") as file:
        file.write(forged.line)


def forge_all(root: Path, dice: random.Random) -> None:
    """Write another history from some entry on, hashes and head and all, in both places."""
    kept = dice.randint(0, 23)
    before = entries(root)
    events = [replace(ANNA, actor="user:eve", at=entry.at) for entry in before[kept:]]
    forged = list(chained(events, kept, before[kept].prev, ""))
    execute(root, "DELETE FROM entries WHERE seq > ?", kept)
    for entry in forged:
        _insert(root, entry)
    execute(root, "UPDATE head SET hash = ?", forged[-1].hash)

    def replace_lines(all_lines: list[bytes]) -> None:
        all_lines[kept:] = [entry.line for entry in forged]

    rewrite(root, replace_lines)


def _insert(root: Path, entry: AuditEntry) -> None:
    names = ("seq", *COLUMNS, "prev", "hash")
    marks = ", ".join("?" * len(names))
    values = [getattr(entry, name) for name in names]
    execute(root, f"INSERT INTO entries ({', '.join(names)}) VALUES ({marks})", *values)


TAMPERINGS: tuple[Tamper, ...] = (
    change_a_value,
    change_a_values_type,
    break_a_text,
    change_a_byte,
    remove_an_entry,
    remove_a_line,
    remove_both,
    swap_entries,
    swap_lines,
    insert_a_line,
    insert_an_entry,
    cut_the_database,
    cut_the_files,
    cut_both_with_their_head,
    cut_a_line,
    remove_a_file,
    rename_a_file,
    remove_the_head,
    change_the_head,
    drop_a_trigger,
    forge_a_tail,
    forge_a_tail_in_the_files,
    forge_all,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a whole log, to be laid out anew for each tampering."""
    root = tmp_path_factory.mktemp("whole")
    filled(root)
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def lay_out(whole: dict[str, bytes], root: Path) -> None:
    for name, data in whole.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found(tmp_path: Path, whole: dict[str, bytes], tamper: Tamper) -> None:
    """Ten of each kind, 230 in all; nothing is put on record by a log that was tampered with."""
    for seed in range(10):
        root = tmp_path / str(seed)
        lay_out(whole, root)
        tamper(root, random.Random(seed))
        with closing(opened(root)) as audit:
            verified = audit.verify()
            assert verified.broken is not None, f"{tamper.__name__} {seed}"
            assert verified.why


def test_untouched_it_is_whole(tmp_path: Path, whole: dict[str, bytes]) -> None:
    lay_out(whole, tmp_path)
    with closing(opened(tmp_path)) as audit:
        assert (audit.verify().count, audit.verify().broken) == (24, None)


def found(root: Path, expected: Head | None = None) -> str:
    """What `verify` says of a log."""
    with closing(opened(root)) as audit:
        verified = audit.verify(expected or Head())
    return f"{verified.broken}: {verified.why}"


def test_it_is_said_where_the_log_was_changed_and_how(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    lay_out(whole, tmp_path)
    execute(tmp_path, "UPDATE entries SET actor = 'user:eve' WHERE seq = 7")
    assert found(tmp_path) == (
        "7: it has been changed in the database: its hash is not that of its content"
    )
    lay_out(whole, tmp_path)
    execute(tmp_path, "DELETE FROM entries WHERE seq = 7")
    assert found(tmp_path) == "7: it is missing from the database, where 8 comes after 6"
    lay_out(whole, tmp_path)
    rewrite(tmp_path, lambda all_lines: all_lines.__delitem__(slice(20, None)))
    assert found(tmp_path) == "21: it is missing from 2027-02.ndjson"
    lay_out(whole, tmp_path)
    forge_all(tmp_path, random.Random(0))
    assert found(tmp_path) == "24: the note of where the entries end has been changed"
    lay_out(whole, tmp_path)
    execute(tmp_path, "DELETE FROM entries WHERE seq > 20")
    assert found(tmp_path) == "21: 2027-02.ndjson goes on after the last entry of the database"


def test_a_head_kept_elsewhere_shows_that_everything_was_replaced(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    lay_out(whole, tmp_path / "old")
    with closing(opened(tmp_path / "old")) as audit:
        head = audit.verify().head
        audit.append(ANNA)
        assert audit.verify(head).broken is None
    with closing(opened(tmp_path / "new")) as audit:
        audit.append(*[ANNA] * 20)
    assert found(tmp_path / "new") == "None: "
    assert found(tmp_path / "new", head) == "21: it is missing: the given head has 24 entries"
    with closing(opened(tmp_path / "new")) as audit:
        audit.append(*[ANNA] * 20)
    assert found(tmp_path / "new", head) == (
        "24: it is another one than when the given head was noted"
    )


def test_a_log_that_was_tampered_with_takes_no_entry(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    lay_out(whole, tmp_path)
    cut_both_with_their_head(tmp_path, random.Random(0))
    with closing(opened(tmp_path)) as audit, pytest.raises(StoreError) as raised:
        audit.append(ANNA)
    assert str(raised.value) == (
        f"{tmp_path}/audit.db: the audit log is not as headrace left it (the note of where the"
        " entries end has been changed); nothing is put on record, so that it stays as it is; run"
        " `headrace audit verify`, keep audit.db and audit/ as evidence, and move both away to"
        " begin a new log"
    )


@pytest.mark.parametrize(
    "tamper", [cut_the_files, cut_the_database, forge_a_tail, cut_a_line, remove_the_head]
)
def test_an_end_that_was_tampered_with_is_not_covered_up(
    tmp_path: Path, whole: dict[str, bytes], tamper: Tamper
) -> None:
    for seed in range(5):
        root = tmp_path / str(seed)
        lay_out(whole, root)
        tamper(root, random.Random(seed))
        before = lines(root)
        with closing(opened(root)) as audit, pytest.raises(StoreError, match="audit verify"):
            audit.append(ANNA)
        assert lines(root) == before


def test_a_last_line_that_was_changed_but_for_its_hash_takes_no_entry_after_it(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    lay_out(whole, tmp_path)
    last = max((tmp_path / "audit").glob("*.ndjson"))
    kept, line_end, line = last.read_bytes().rstrip(b"\n").rpartition(b"\n")
    last.write_bytes(kept + line_end + line.replace(b'"actor":"', b'"actor":"not ', 1) + b"\n")
    expected = "entry 24 of the files is not what was put on record"
    with closing(opened(tmp_path)) as audit, pytest.raises(StoreError, match=expected):
        audit.append(ANNA)


def test_the_operator_is_who_the_system_says_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "eve")
    monkeypatch.setenv("USER", "eve")
    assert operator().startswith("os:")
    assert operator() != "os:eve"


def test_gc_leaves_every_entry(tmp_path: Path, whole: dict[str, bytes]) -> None:
    lay_out(whole, tmp_path)
    clock = SetClock(datetime(2030, 1, 1, tzinfo=UTC))
    store = Store.open(tmp_path, clock=clock)
    for _ in range(3):
        store.collect(keep_days=0, keep_last=1, grace_seconds=0)
    assert found(tmp_path) == "None: "

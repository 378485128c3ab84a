"""refs.py: one chain an environment, whoever publishes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.base.errors import Conflict, CorruptObject, NotFound, UsageError
from headrace.store.refs import Refs
from headrace.store.sealing import seal
from headrace.store.store import Store
from tests.store.disks import QuickDisk, build, content, publish, read, snapshot_of


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", disk=QuickDisk())


def test_an_unknown_environment_has_no_head_and_no_history(store: Store) -> None:
    assert store.head("prod") is None
    assert store.history("prod") == []
    assert store.environments() == []


def test_history_is_newest_first(store: Store) -> None:
    refs = [publish(store, number) for number in range(1, 12)]
    assert [ref.number for ref in refs] == list(range(1, 12))
    assert store.history("prod") == refs[::-1]
    assert store.head("prod") == refs[-1]
    assert store.ref("prod", 10) == refs[9]


def test_environments_are_apart(store: Store) -> None:
    publish(store, 1)
    dev = publish(store, 2, "dev")
    assert dev.number == 1
    assert store.environments() == ["dev", "prod"]


def test_files_that_are_no_refs_do_not_count(store: Store) -> None:
    ref = publish(store, 1)
    (store.root / "refs" / "prod" / ".DS_Store").write_bytes(b"")
    (store.root / "refs" / "empty").mkdir()
    (store.root / "refs" / "file").write_bytes(b"")
    assert store.environments() == ["prod"]
    assert store.head("prod") == ref


def test_the_second_of_two_that_read_the_same_head_gets_a_conflict(store: Store) -> None:
    publish(store, 1)
    mine = snapshot_of(build(store, "orders", 2))
    publish(store, 3)
    with pytest.raises(Conflict) as caught:
        store.publish("prod", mine, parent=1, reason="mine")
    assert str(caught.value) == (
        "prod: snapshot 2 is published; expected snapshot 1, which this run started from; "
        "somebody else published in between: run again"
    )


def test_a_first_publish_where_there_is_one_gets_a_conflict(store: Store) -> None:
    publish(store, 1)
    with pytest.raises(Conflict) as caught:
        store.publish("prod", snapshot_of(), parent=None, reason="first")
    assert str(caught.value) == (
        "prod: snapshot 1 is published; expected nothing, which this run started from; "
        "somebody else published in between: run again"
    )


def test_a_publish_over_a_snapshot_that_never_was_gets_a_conflict(store: Store) -> None:
    with pytest.raises(Conflict) as caught:
        store.publish("prod", snapshot_of(), parent=4, reason="x")
    assert str(caught.value) == (
        "prod: nothing is published; expected snapshot 4, which this run started from; "
        "somebody else published in between: run again"
    )


class _LateDisk(QuickDisk):
    """Somebody else publishes between the look at the head and the link."""

    def __init__(self, other: Store) -> None:
        self.other: Store | None = other

    def link(self, source: Path, target: Path) -> None:
        if self.other is not None:
            other, self.other = self.other, None
            publish(other, 7)
        super().link(source, target)


def test_the_link_decides_a_race(store: Store) -> None:
    late = Store.open(store.root, disk=_LateDisk(store))
    with pytest.raises(Conflict) as caught:
        publish(late, 8)
    assert str(caught.value) == (
        "prod: snapshot 1 is published; expected nothing, which this run started from; "
        "somebody else published in between: run again"
    )
    [ref] = store.history("prod")
    assert read(store, ref) == content(7)


def test_a_number_that_is_not_there_says_what_is(store: Store) -> None:
    publish(store, 1)
    with pytest.raises(NotFound) as caught:
        store.ref("prod", 2)
    assert str(caught.value) == (
        "prod: there is no snapshot 2; expected one of 1; run `headrace snapshots` to list them"
    )
    publish(store, 2)
    with pytest.raises(NotFound) as caught:
        store.ref("prod", 5)
    assert str(caught.value) == (
        "prod: there is no snapshot 5; expected one of 1 to 2; "
        "run `headrace snapshots` to list them"
    )


def test_an_environment_that_is_not_there_says_what_is(store: Store) -> None:
    with pytest.raises(NotFound) as caught:
        store.ref("prod", 1)
    assert str(caught.value) == (
        "prod: nothing is published in this environment; run `headrace run` to publish to it"
    )
    publish(store, 1)
    with pytest.raises(NotFound) as caught:
        store.ref("prd", 1)
    assert str(caught.value) == (
        "prd: nothing is published in this environment; expected one of `prod`; "
        "did you mean `prod`?"
    )


@pytest.mark.parametrize("environment", ["../data", "", "a/b", "."])
def test_an_environment_cannot_lead_out_of_its_folder(store: Store, environment: str) -> None:
    with pytest.raises(UsageError) as caught:
        store.publish(environment, snapshot_of(), parent=None, reason="x")
    assert str(caught.value) == (
        f"environment: {environment!r} is not a name; expected letters, digits, underscores and "
        "hyphens, at most 100, not starting with a digit; choose another name"
    )


def test_an_environment_may_be_named_for_a_pull_request(store: Store) -> None:
    assert store.publish("pr-41", snapshot_of(), parent=None, reason="x").environment == "pr-41"


def test_a_damaged_ref_is_an_error_and_not_an_older_head(store: Store) -> None:
    publish(store, 1)
    publish(store, 2)
    path = store.root / "refs" / "prod" / "2"
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorruptObject, match="do not match their checksum"):
        store.head("prod")


def test_a_ref_of_another_version_says_so(store: Store) -> None:
    publish(store, 1)
    path = store.root / "refs" / "prod" / "1"
    path.chmod(0o600)
    path.write_bytes(seal(b"{}"))
    with pytest.raises(CorruptObject) as caught:
        store.head("prod")
    assert str(caught.value) == (
        f"{path}: not a ref of this version (Object missing required field `environment`); "
        "expected what headrace wrote; use the version of headrace that wrote it"
    )


def test_a_ref_that_gc_removes_during_a_listing_is_left_out(store: Store) -> None:
    for number in (1, 2):
        publish(store, number)
    refs = store.root / "refs" / "prod"
    (refs / "1").unlink()
    (refs / "1").symlink_to("gone")
    assert [ref.number for ref in store.history("prod")] == [2]


def test_a_head_that_gc_removes_while_it_is_read_gives_way_to_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, 1)
    listed, numbers = Refs.numbers, []

    def publish_after(refs: Refs, environment: str) -> list[int]:
        numbers.append(listed(refs, environment))
        if len(numbers) == 1:
            monkeypatch.setattr(Refs, "numbers", listed)
            publish(store, 2)
            store.collect(keep_days=-1, keep_last=1)
        return numbers[0]

    monkeypatch.setattr(Refs, "numbers", publish_after)
    head = store.head("prod")
    assert head is not None
    assert head.number == 2


_RACER = """
import sys
from pathlib import Path
from headrace.base.errors import Conflict
from headrace.store.store import Store
from tests.store.disks import publish

store, mine, won, lost = Store.open(Path(sys.argv[1])), int(sys.argv[2]), [], 0
print("ready", flush=True)
sys.stdin.readline()
while len(won) < int(sys.argv[3]):
    try:
        won.append(publish(store, mine).number)
    except Conflict:
        lost += 1
print(*won)
"""


def _racer(root: Path, mine: int, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _RACER, str(root), str(mine), str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_racing_processes_make_one_chain(tmp_path: Path) -> None:
    """Every success is one ref of its own; nobody's publish is lost or written over."""
    store = Store.open(tmp_path)
    racers = [_racer(tmp_path, mine, 15) for mine in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    outputs = [racer.communicate("go\n")[0] for racer in racers]
    won = {int(number): mine for mine, text in enumerate(outputs) for number in text.split()}
    history = store.history("prod")
    assert [ref.number for ref in reversed(history)] == list(range(1, 61))
    assert sorted(won) == list(range(1, 61))
    for ref in history:
        assert read(store, ref) == content(won[ref.number])


_KILLED = """
import sys
from pathlib import Path
from headrace.store.store import Store
from tests.store.disks import publish

store, number = Store.open(Path(sys.argv[1])), int(sys.argv[2])
while True:
    print(publish(store, number).number, flush=True)
"""


def test_a_killed_process_leaves_what_it_acknowledged(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for round_number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path), str(round_number)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(1 + round_number)]
        process.kill()
        acknowledged += process.communicate()[0].splitlines()
        head = store.head("prod")
        assert head is not None
        assert head.number - int(acknowledged[-1]) in (0, 1)
        assert read(store, head) == content(round_number)

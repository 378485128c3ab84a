"""Building keyed copies: what is made anew, what is taken over, and what stops nothing."""

from __future__ import annotations

import errno
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.hashing import hash_bytes
from headrace.base.tables import Version
from headrace.observe.events import CopyFinished
from headrace.store.keyed_folder import Refusal, copy_address, version_addresses
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Rollup, RollupField, Snapshot
from headrace.store.store import Store
from tests.keyed import LIMIT_BYTES, Shelf, columns, content
from tests.store.disks import FaultyDisk

SALES = columns(store="INTEGER", kind="VARCHAR", amount="DECIMAL(12,2)")
KEYED = KeyedQuery(
    sql="SELECT store, kind, store, kind, amount FROM sales",
    key=(KeyPart("INTEGER"), KeyPart("VARCHAR", descending=True)),
    equal=("store",),
    by_cell="sales",
)
ALWAYS = 1e9


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf.open(tmp_path / "store") as shelf:
        yield shelf


def rows_sql(seed: int, count: int) -> str:
    """A cell; many of its rows are equal, to each other and to those of other cells."""
    return f"""
        SELECT CAST(hash(i, {seed}) % 3 AS INTEGER) AS store,
            CASE hash(i, 1) % 3 WHEN 0 THEN NULL WHEN 1 THEN 'a' ELSE 'ä' END AS kind,
            CAST(hash(i, 2) % 4 AS DECIMAL(12,2)) AS amount
        FROM range({count}) AS t(i)"""


def snapshot_of(shelf: Shelf, *versions: Version, keyed: KeyedQuery = KEYED) -> Snapshot:
    return shelf.snapshot(versions, shelf.contract(versions, keyed, SALES))


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_from_the_one_before_is_the_same_as_a_new_one(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Shelf.open(tmp_path / "one") as shelf, Shelf.open(tmp_path / "other") as anew:
        cells = [rows_sql(each, chance.randint(0, 20)) for each in range(5)]
        before = snapshot_of(shelf, shelf.version("sales", *cells))
        shelf.build(before)
        for step in range(6):
            cells = [each for each in cells if chance.random() < 0.7]
            cells += [rows_sql(100 + step, chance.randint(0, 20))]
            after = snapshot_of(shelf, shelf.version("sales", *cells))
            shelf.build(after, before, largest_change=ALWAYS)
            fresh = snapshot_of(anew, anew.version("sales", *cells))
            anew.build(fresh)
            assert content(shelf.copy(after).path) == content(anew.copy(fresh).path)
            before = after


def test_only_cells_that_came_or_went_are_read(shelf: Shelf) -> None:
    before = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 50), rows_sql(2, 5)))
    shelf.build(before)
    kept, gone = before.tables["sales"].cells
    came, file, _ = shelf.cell("sales", rows_sql(3, 7))
    assert file is not None
    old = before.tables["sales"]
    files = tuple(each for each in old.files if each.path != gone.file)
    after = snapshot_of(shelf, replace(old, cells=(kept, came), files=(*files, file)))
    # Were it read, it would be missed.
    (shelf.store.data_root / kept.file).unlink()
    shelf.build(after, before, largest_change=ALWAYS)
    assert shelf.copy(after).rows == 57
    assert [event.outcome for event in shelf.events] == ["built", "built"]


def test_a_cell_whose_file_is_gone_lets_the_copy_be_written_whole(shelf: Shelf) -> None:
    before = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 50), rows_sql(2, 5)))
    shelf.build(before)
    gone = before.tables["sales"].cells[1]
    (shelf.store.data_root / gone.file).unlink()
    after = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 50)))
    shelf.build(after, before, largest_change=ALWAYS)
    assert shelf.copy(after).rows == 50


def test_a_damaged_copy_before_lets_the_copy_be_written_whole(shelf: Shelf) -> None:
    before = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 50)))
    shelf.build(before)
    path = shelf.copy(before).path
    path.chmod(0o600)
    path.write_bytes(b"x" * path.stat().st_size)
    after = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 50), rows_sql(2, 5)))
    shelf.build(after, before, largest_change=ALWAYS)
    assert shelf.copy(after).rows == 55


def test_a_copy_is_new_when_anything_but_cells_of_its_table_changed(shelf: Shelf) -> None:
    keyed = replace(
        KEYED, sql="SELECT store, kind, store, kind, amount * factor FROM sales, factors"
    )
    sales, factors = shelf.version("sales", rows_sql(1, 20)), "SELECT 2::DECIMAL(2,0) AS factor"
    before = snapshot_of(shelf, sales, shelf.version("factors", factors), keyed=keyed)
    shelf.build(before)
    other = shelf.version("factors", factors.replace("2:", "3:"))
    again = replace(sales, recipe="another")
    for after in (
        snapshot_of(shelf, sales, other, keyed=keyed),
        snapshot_of(shelf, again, shelf.version("factors", factors), keyed=keyed),
        snapshot_of(shelf, sales, other, keyed=replace(keyed, reverse=True)),
    ):
        shelf.build(after, before, largest_change=ALWAYS)
        with shelf.reader(after) as reader:
            found = sorted(reader.rows({"store": 1}, 0, 0))
        versions = list(after.tables.values())
        sql = f"SELECT * FROM ({keyed.sql}) AS t(a, b, store, kind, amount) WHERE store = 1"
        assert found == sorted(shelf.answer(versions, sql, SALES, {}))


def test_a_copy_that_outgrows_the_limit_is_refused(shelf: Shelf) -> None:
    cells = [rows_sql(1, 20_000), rows_sql(2, 10_000)]
    before = snapshot_of(shelf, shelf.version("sales", cells[0]))
    shelf.build(before, limit_bytes=2_000_000)
    after = snapshot_of(shelf, shelf.version("sales", *cells))
    shelf.build(after, before, limit_bytes=2_000_000, largest_change=ALWAYS)
    assert [event.outcome for event in shelf.events] == ["built", "refused"]
    shelf.build(snapshot_of(shelf, shelf.version("sales", rows_sql(1, 10))), limit_bytes=1000)
    assert shelf.events[-1].message == "larger than 1.0 kB, the `copy_limit`"


def test_a_group_of_many_parts_is_added_up_as_one(shelf: Shelf) -> None:
    version = shelf.version("sales", "SELECT i::INTEGER AS store FROM range(2500) AS t(i)")
    fields = (RollupField("sum", 0, "HUGEINT"), RollupField("min", 1, "INTEGER"))
    keyed = KeyedQuery(
        sql="SELECT store, sum(store), min(store) FROM sales GROUP BY store",
        key=(KeyPart("INTEGER"),),
        low=Bound("low", inclusive=False),
        rollup=Rollup((), fields, monotone=True),
    )
    schema = columns(total="HUGEINT", least="INTEGER")
    snapshot = shelf.snapshot([version], shelf.contract([version], keyed, schema))
    shelf.build(snapshot)
    meta, stretches = content(shelf.copy(snapshot).path)
    assert (meta.rows, len(stretches)) == (2500, 10)
    with shelf.reader(snapshot) as reader:
        assert reader.rows({"low": -1}, 0, 0) == [b'{"total":3123750,"least":0}']
        assert reader.rows({"low": 2497}, 0, 0) == [b'{"total":4997,"least":2498}']
        assert reader.rows({"low": 254}, 0, 0) == [b'{"total":3091365,"least":255}']
        assert reader.rows({"low": 255}, 0, 0) == [b'{"total":3091110,"least":256}']
        assert reader.rows({"low": 2499}, 0, 0) == []


def test_endpoints_that_ask_for_the_same_share_one_copy(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 20))
    contract = shelf.contract([version], KEYED, SALES)
    snapshot = shelf.snapshot([version], contract, replace(contract, name="other", path="/other"))
    shelf.build(snapshot)
    [event] = shelf.events
    assert (event.endpoint, event.outcome, event.rows) == ("listed, other", "built", 20)


def test_what_did_not_change_is_not_built_again(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 20))
    shelf.build(snapshot_of(shelf, version))
    shelf.build(snapshot_of(shelf, version, shelf.version("others", rows_sql(2, 5))))
    assert [event.outcome for event in shelf.events] == ["built", "built"]
    shelf.build(snapshot_of(shelf, version))
    assert len(shelf.events) == 2


def test_a_copy_beyond_the_limit_is_refused_until_the_limit_is_raised(shelf: Shelf) -> None:
    snapshot = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 100_000)))
    [contract] = snapshot.manifest.endpoints
    shelf.build(snapshot, limit_bytes=1_500_000)
    refusal = Refusal("larger than 1.5 MB, the `copy_limit`", 1_500_000)
    assert shelf.store.keyed_copy(contract, snapshot) == refusal
    assert shelf.store.keyed.missing(snapshot, 1_500_000) == []
    shelf.build(snapshot, limit_bytes=LIMIT_BYTES)
    assert [event.outcome for event in shelf.events] == ["refused", "built"]
    assert list((shelf.store.root / "staging").iterdir()) == []


def test_a_key_that_is_too_long_is_refused_for_good(shelf: Shelf) -> None:
    version = shelf.version("sales", "SELECT 1 AS store, repeat('x', 600) AS kind, 1.5 AS amount")
    snapshot = snapshot_of(shelf, version)
    shelf.build(snapshot)
    message = "a key is longer than 511 bytes"
    assert shelf.events == [
        CopyFinished("listed", "refused", seconds=shelf.events[0].seconds, message=message)
    ]
    assert shelf.store.keyed.missing(snapshot, LIMIT_BYTES * 2) == []


def test_a_key_without_an_order_is_refused_for_good(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 20))
    keyed = replace(KEYED, key=(KeyPart("INTEGER"), KeyPart("VARCHAR[]")))
    snapshot = snapshot_of(shelf, version, keyed=keyed)
    shelf.build(snapshot)
    assert [event.outcome for event in shelf.events] == ["refused"]
    assert shelf.store.keyed.missing(snapshot, LIMIT_BYTES) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_refuses_anything_stops_nothing(tmp_path: Path, error: int) -> None:
    """Whichever operation fails: there is a copy or an event that says so, and no leftover."""
    point = 0
    outcomes: list[str] = []
    while outcomes[-1:] != ["built"]:
        point += 1
        with Shelf.open(tmp_path / str(point)) as shelf:
            snapshot = snapshot_of(shelf, shelf.version("sales", rows_sql(1, 20)))
            disk = FaultyDisk(fail_at=point, error=error)
            whole, shelf.store = shelf.store, Store.open(shelf.store.root, disk=disk)
            shelf.build(snapshot)
            [event] = shelf.events
            outcomes.append(event.outcome)
            shelf.store = whole
            shelf.build(snapshot)
            assert shelf.copy(snapshot).rows == 20
    assert point > 6


def test_a_query_that_fails_is_tried_again(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 20))
    broken = replace(KEYED, sql="SELECT store, error('no'), store, kind, amount FROM sales")
    snapshot = snapshot_of(shelf, version, keyed=broken)
    shelf.build(snapshot)
    [event] = shelf.events
    assert event.outcome == "failed"
    assert "no" in event.message
    [missing] = shelf.store.keyed.missing(snapshot, LIMIT_BYTES)
    [contract] = snapshot.manifest.endpoints
    assert missing.address == copy_address(contract, version_addresses(snapshot))


def test_an_aggregate_without_groups_has_a_row_when_no_key_matches(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 20))
    keyed = replace(
        KEYED,
        sql="SELECT store, count(*), sum(amount) FROM sales GROUP BY store",
        key=(KeyPart("INTEGER"),),
        by_cell="",
        lone=True,
    )
    sql = "SELECT count(*) AS n, sum(amount) AS amount FROM sales WHERE store = $store"
    schema = columns(n="BIGINT", amount="DECIMAL(38,2)")
    contract = shelf.with_parameters(shelf.contract([version], keyed, schema, sql), ["store"])
    snapshot = shelf.snapshot([version], contract)
    shelf.build(snapshot)
    with shelf.reader(snapshot) as reader:
        for store in (0, 1, 99, None):
            expected = shelf.answer([version], sql, schema, {"store": store})
            assert reader.rows({"store": store}, 0, 0) == expected
        assert reader.rows({"store": 99}, 10, 1) == []
        assert reader.page({"store": 99}, 1, None) == ([b'{"n":0,"amount":null}'], None)
    none = replace(contract, keyed=replace(keyed, limit="most"))
    with_limit = shelf.snapshot([version], none)
    shelf.build(with_limit)
    with shelf.reader(with_limit) as reader:
        for store in (1, 99):
            assert reader.page({"store": store, "most": 0}, 1, None) == ([], None)
            assert reader.rows({"store": store, "most": 0}, 1, 0) == []


def test_addresses_tell_copies_apart(shelf: Shelf) -> None:
    version = shelf.version("sales", rows_sql(1, 2))
    contract = shelf.contract([version], KEYED, SALES)
    versions = {"sales": hash_bytes(b"one")}
    named = copy_address(contract, versions)
    assert named == copy_address(replace(contract, path="/other"), {**versions, "more": "x"})
    assert named != copy_address(contract, {"sales": hash_bytes(b"other")})
    assert named != copy_address(replace(contract, columns=SALES[:2]), versions)
    assert named != copy_address(replace(contract, keyed=replace(KEYED, reverse=True)), versions)


def rollup_of(*fields: RollupField, monotone: bool = True) -> KeyedQuery:
    """Sales by kind within a range of stores, with the partial results of `fields`."""
    partials = {"sum": "sum(amount)", "avg": "sum(amount::BIGINT), count(amount)"}
    selected = ", ".join(partials[each.function] for each in fields if each.function != "group")
    return KeyedQuery(
        sql=f"SELECT store, kind, {selected} FROM sales GROUP BY store, kind",
        key=(KeyPart("INTEGER"),),
        low=Bound("low", inclusive=True),
        rollup=Rollup((KeyPart("VARCHAR"),), fields, monotone),
    )


GROUP = RollupField("group", 0, "VARCHAR")
ROLLUPS = [
    (
        rollup_of(GROUP, RollupField("sum", 0, "DECIMAL(38,2)")),
        "its first group does not grow with the part of the key that has a range",
    ),
    (
        rollup_of(GROUP, RollupField("sum", 0, "DOUBLE"), monotone=False),
        "a sum of type DECIMAL(38,2) is not one of type DOUBLE",
    ),
    (
        replace(
            rollup_of(GROUP, RollupField("sum", 0, "DOUBLE"), monotone=False),
            sql="SELECT store, kind, sum(amount::DOUBLE) FROM sales GROUP BY store, kind",
        ),
        "a sum over DOUBLE depends on the order in which it is added up",
    ),
    (
        replace(
            rollup_of(GROUP, RollupField("avg", 0, "DOUBLE"), monotone=False),
            sql="SELECT store, kind, sum(amount), count(*) FROM sales GROUP BY store, kind",
        ),
        "an average over DECIMAL(38,2) depends on how it is rounded",
    ),
    (
        replace(
            rollup_of(GROUP, RollupField("avg", 0, "DOUBLE"), monotone=False),
            sql="SELECT 1, 'a', sum(9007199254740992), count(*) FROM sales",
        ),
        "an average of numbers that add up to 180143985094819840 depends on how it is rounded",
    ),
    (
        replace(
            rollup_of(GROUP, RollupField("sum", 0, "DECIMAL(38,0)"), monotone=False),
            sql=f"SELECT i, 'a', 9{'0' * 37}::DECIMAL(38,0) FROM range(2) AS r(i)",
            key=(KeyPart("BIGINT"),),
        ),
        f"a sum of numbers that add up to 18{'0' * 37} may not fit into its type",
    ),
]


@pytest.mark.parametrize(("keyed", "message"), ROLLUPS)
def test_what_cannot_be_rolled_up_exactly_is_refused(
    shelf: Shelf, keyed: KeyedQuery, message: str
) -> None:
    assert keyed.rollup is not None
    version = shelf.version("sales", rows_sql(1, 20))
    schema = columns(kind="VARCHAR", amount=keyed.rollup.fields[1].type)
    shelf.build(shelf.snapshot([version], shelf.contract([version], keyed, schema)))
    [event] = shelf.events
    assert (event.outcome, event.message) == ("refused", message)

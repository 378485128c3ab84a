"""A compaction moves rows and nothing else; whatever happens, what is published stays whole."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from headrace.base.errors import StoreError
from headrace.base.tables import DataFile, Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.plan.compaction import Limits
from headrace.pipeline.run.compacting import Compacted, CompactedTable, compact
from headrace.store.durable import Disk
from headrace.store.snapshots import Snapshot
from headrace.store.store import Store
from tests.projects import Shop, served, write_files
from tests.store.disks import Crash, FaultyDisk

# Everything that is in two files is compacted, into files of some forty rows.
EAGER = Limits(small_files=1, superseded_bytes=0, file_rows=40)
FILES = {
    "headrace.toml": 'name = "shop"\nserve.default_access = "public"\n',
    "sources/orders.yaml": """\
        files: data/orders/*.csv
        allow_empty: true
        tolerance: 50 %
        partition: {column: day, by: day}
        columns: {day: {type: date, not_null: true}, city: text, amount: int}
        """,
    "sources/places.yaml": """\
        files: data/orders/*.csv
        allow_empty: true
        tolerance: 50 %
        partition: {column: city, by: value}
        columns: {day: date, city: {type: text, not_null: true}, amount: int}
        """,
    "sources/plain.yaml": """\
        files: data/orders/*.csv
        allow_empty: true
        tolerance: 50 %
        columns: {day: date, city: text, amount: int}
        """,
    "sources/customers.yaml": """\
        files: data/customers/*.csv
        allow_empty: true
        mode: changes
        key: id
        cursor: at
        history: true
        columns: {id: int, city: text, at: int}
        """,
    "models/daily.sql": """\
        /*
        partition: {column: day, by: day}
        */
        SELECT day, sum(amount) AS amount FROM orders GROUP BY day
        """,
    "models/total.sql": "SELECT sum(amount) AS amount FROM daily\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", FILES))


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(threads=1)
    yield engine
    engine.close()


def write_orders(shop: Shop, name: str, *rows: str) -> None:
    shop.write(f"data/orders/{name}.csv", "\n".join(["day,city,amount", *rows, ""]))


def write_customers(shop: Shop, name: str, *rows: str) -> None:
    shop.write(f"data/customers/{name}.csv", "\n".join(["id,city,at", *rows, ""]))


def three_days(shop: Shop) -> None:
    """Three runs, each with a new file, and a fourth with a corrected one."""
    for day in (1, 2, 3):
        write_orders(shop, f"{day}", f"2024-03-0{day},Oslo,1", f"2024-03-0{day},Rome,2", "x,y,z")
        write_customers(shop, f"{day}", f"{day},Oslo,{day}", f"{day + 1},Rome,{day}")
        assert shop.run().failures == ()
    write_orders(shop, "1", "2024-03-01,Oslo,1", "2024-03-02,Lyon,7", "x,y,z")
    assert shop.run().failures == ()


def rows(engine: DuckDBEngine, version: Version, store: Store) -> list[tuple[object, ...]]:
    """The rows of a table, sorted."""
    with engine.attached([version], store.data_root):
        found = engine.cursor().execute(f'SELECT * FROM "{version.table}"').fetchall()
    return sorted(found, key=str)


def all_rows(
    engine: DuckDBEngine, snapshot: Snapshot, store: Store
) -> dict[str, list[tuple[object, ...]]]:
    return {name: rows(engine, version, store) for name, version in snapshot.tables.items()}


def test_the_snapshot_that_is_published_differs_in_places_only(
    shop: Shop, engine: DuckDBEngine
) -> None:
    three_days(shop)
    store, before = shop.store, shop.published()
    [done] = compact(store, engine, EAGER)
    head = store.head("prod")
    assert head is not None
    assert done == Compacted("prod", head.number, done.tables)
    assert CompactedTable("places", 4, 1) in done.tables
    assert [each.table for each in done.tables] == [
        "customers",
        "customers__history",
        "customers__landed",
        "daily",
        "orders",
        "orders__quarantine",
        "places",
        "places__quarantine",
        "plain",
        "plain__quarantine",
    ]
    assert head.reason == "compacted customers, customers__history, customers__landed and 7 more"
    after = shop.published()
    assert after.content == before.content == head.content
    assert after.checks == before.checks
    assert all_rows(engine, after, store) == all_rows(engine, before, store)
    for name, version in after.tables.items():
        was = before.tables[name]
        kept = [replace(cell, file="", part=None) for cell in version.cells]
        assert kept == [replace(cell, file="", part=None) for cell in was.cells]
        assert len(version.files) == len({cell.file for cell in version.cells if cell.file})
        assert sum(file.rows for file in version.files) == version.rows
    assert compact(store, engine, EAGER) == []


def test_every_single_cell_is_read_as_before(shop: Shop, engine: DuckDBEngine) -> None:
    """By days, by values, by buckets and by raw files."""
    three_days(shop)
    store, before = shop.store, shop.published()
    compact(store, engine, EAGER)
    for name, version in shop.published().tables.items():
        was = before.tables[name]
        for number, cell in enumerate(version.cells):
            one = replace(version, cells=(cell,), files=_file(version, cell.file))
            old = was.cells[number]
            other = replace(was, cells=(old,), files=_file(was, old.file))
            assert rows(engine, one, store) == rows(engine, other, store), (name, cell)


def _file(version: Version, path: str) -> tuple[DataFile, ...]:
    return tuple(file for file in version.files if file.path == path)


def test_the_rows_of_a_cell_keep_their_order(shop: Shop, engine: DuckDBEngine) -> None:
    numbers = list(range(200))
    for name in ("a", "b"):
        random.Random(name).shuffle(numbers)
        write_orders(shop, name, *(f"2024-03-01,Oslo,{number}" for number in numbers))
        assert shop.run().failures == ()
    store, plain = shop.store, shop.published().tables["plain"]
    query = "SELECT amount FROM plain"
    with engine.attached([plain], store.data_root):
        before = engine.cursor().execute(query).fetchall()
    compact(store, engine, replace(EAGER, file_rows=1000))
    plain = shop.published().tables["plain"]
    assert len(plain.files) == 1
    with engine.attached([plain], store.data_root):
        assert engine.cursor().execute(query).fetchall() == before


def test_a_plan_afterwards_has_nothing_to_do_and_later_runs_go_on(
    shop: Shop, engine: DuckDBEngine
) -> None:
    three_days(shop)
    compact(shop.store, engine, EAGER)
    assert shop.plan().nothing_to_do
    write_orders(shop, "4", "2024-03-04,Oslo,1")
    [step] = [each for each in shop.plan().steps if each.table == "orders"]
    assert len(step.files) == 1
    assert shop.run().failures == ()
    assert len(shop.published().tables["orders"].files) == 2


def test_a_cell_that_comes_back_is_found_in_its_new_place(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    compact(shop.store, engine, EAGER)
    [file] = shop.published().tables["orders"].files
    text = (shop.root / "data/orders/3.csv").read_text()
    (shop.root / "data/orders/3.csv").unlink()
    assert shop.run().failures == ()
    write_orders(shop, "3", *text.splitlines()[1:])
    assert shop.plan().steps == ()
    assert shop.run().failures == ()
    assert file in shop.published().tables["orders"].files
    assert len(shop.published().tables["orders"].files) == 1


def test_rollback_goes_to_what_was_published_before(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    store, before = shop.store, shop.published()
    compact(store, engine, EAGER)
    head = store.head("prod")
    assert head is not None
    # The newest older snapshot with other content is not the one that was compacted.
    assert store.rollback("prod").reason == f"rollback to {head.number - 2}"
    store.rollback("prod", to=head.number - 1)
    assert shop.published() == before
    assert shop.plan().nothing_to_do
    assert all_rows(engine, shop.published(), store) == all_rows(engine, before, store)


def test_answers_keep_their_etags(shop: Shop, engine: DuckDBEngine) -> None:
    shop.write("endpoints/daily.sql", "SELECT day, amount FROM daily ORDER BY day\n")
    three_days(shop)
    with served(shop) as client:
        before = client.get("/daily")
    compact(shop.store, engine, EAGER)
    with served(shop) as client:
        after = client.get("/daily")
        unchanged = client.get("/daily", headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.content) == (200, before.content)
    assert after.headers["etag"] == before.headers["etag"]
    assert after.headers["x-snapshot"] != before.headers["x-snapshot"]
    assert unchanged.status_code == 304


def test_environments_share_the_copies(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    dev = Shop(shop.root, "dev")
    assert dev.run().failures == ()
    write_orders(shop, "9", "2024-03-09,Oslo,1")
    assert dev.run().failures == ()
    store = shop.store
    before = all_rows(engine, dev.published(), store)
    assert [each.environment for each in compact(store, engine, EAGER)] == ["dev", "prod"]
    [own] = shop.published().tables["orders"].files
    assert own in dev.published().tables["orders"].files
    assert all_rows(engine, dev.published(), store) == before
    assert dev.plan().nothing_to_do


class BusyDisk(Disk):
    """A disk on which something happens once, when a file has been moved to its place."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = [meanwhile]

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        if self.meanwhile:
            self.meanwhile.pop()()


def test_what_a_run_publishes_meanwhile_stays(shop: Shop, engine: DuckDBEngine) -> None:
    """The copies are of cells, so that the newer head reads what it still holds of them there."""
    three_days(shop)

    def add_day() -> None:
        write_orders(shop, "5", "2024-03-05,Oslo,1")
        assert shop.run().failures == ()

    store = Store.open(shop.store.root, disk=BusyDisk(add_day))
    [done] = compact(store, engine, EAGER)
    after = shop.published()
    assert done.message == ""
    assert "2024-03-05" in {cell.partition for cell in after.tables["orders"].cells}
    assert len(after.tables["orders"].files) == 2
    assert shop.plan().nothing_to_do


def test_a_run_that_goes_on_is_not_made_to_fail(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    head = shop.store.head("prod")
    with shop.store.hold():
        [done] = compact(shop.store, engine, EAGER)
    assert (done.snapshot, done.message) == (None, "a run has begun meanwhile")
    assert CompactedTable("places", 4, 1) in done.tables
    assert shop.store.head("prod") == head
    [done] = compact(shop.store, engine, EAGER)
    assert done.message == ""


def test_somebody_who_publishes_in_that_very_moment_wins(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    other = shop.store

    class Racing(Disk):
        def link(self, source: Path, target: Path) -> None:
            other.rollback("prod")
            super().link(source, target)

    [done] = compact(Store.open(other.root, disk=Racing()), engine, EAGER)
    assert (done.snapshot, done.message) == (None, "somebody has published meanwhile")
    head = other.head("prod")
    assert head is not None
    assert head.reason == "rollback to 3"


def test_readers_of_the_old_snapshot_keep_its_files(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    store, before, head = shop.store, shop.published(), shop.store.head("prod")
    assert head is not None
    old = all_rows(engine, before, store)
    with store.pin(head, holder="test"):
        compact(store, engine, EAGER)
        for _ in range(2):
            store.collect(keep_days=0, keep_last=1, grace_seconds=-60)
        assert all_rows(engine, before, store) == old
    for _ in range(2):
        store.collect(keep_days=0, keep_last=1, grace_seconds=-60)
    assert all(store.is_whole(file) for file in before.tables["total"].files)
    assert not any(store.is_whole(file) for file in before.tables["orders"].files)
    assert shop.plan().nothing_to_do
    assert all_rows(engine, shop.published(), store) == old


def test_a_file_with_other_rows_than_it_should_have_stops_it(
    shop: Shop, engine: DuckDBEngine
) -> None:
    """A row of another day stands in for one that is gone, so that the file counts as before."""
    three_days(shop)
    store, orders = shop.store, shop.published().tables["orders"]
    file = orders.files[-1]
    path = store.data_root / file.path
    path.chmod(0o600)
    changed = store.root / "changed.parquet"
    duckdb.execute(
        f"COPY (SELECT * REPLACE (DATE '2024-03-09' AS day) FROM '{path}') TO '{changed}'"
    )
    changed.replace(path)
    head = store.head("prod")
    with pytest.raises(StoreError) as caught:
        compact(store, engine, EAGER)
    assert str(caught.value) == (
        "orders: its copy has 4 rows in 3 cells; expected the 6 rows in 4 cells, and the same"
        " values, that its 3 data files hold; nothing was published; `headrace doctor --verify`"
        " finds a damaged file, and `headrace gc --no-compact` leaves all tables as they are"
    )
    assert store.head("prod") == head


def test_a_file_that_is_gone_stops_it(shop: Shop, engine: DuckDBEngine) -> None:
    three_days(shop)
    store, orders = shop.store, shop.published().tables["orders"]
    path = store.data_root / orders.files[0].path
    path.unlink()
    with pytest.raises(StoreError) as caught:
        compact(store, engine, EAGER)
    assert str(caught.value) == (
        f'orders: cannot be compacted (IO Error: No files found that match the pattern "{path}");'
        " expected its data files as they were written, and room for a copy; nothing was"
        " published; `headrace doctor --verify` finds a damaged file, and `headrace gc"
        " --no-compact` leaves all tables as they are"
    )


def test_a_crash_at_any_operation_leaves_the_old_or_the_new_snapshot(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    shop = Shop(write_files(tmp_path / "shop", {name: FILES[name] for name in SMALL}))
    for day in (1, 2):
        write_orders(shop, f"{day}", f"2024-03-0{day},Oslo,1", f"2024-03-0{day},Rome,2")
        assert shop.run().failures == ()
    before, old = shop.published(), all_rows(engine, shop.published(), shop.store)
    copied = tmp_path / "copy"
    failed = 0
    for at in itertools.count(1):
        shutil.copytree(shop.store.root, copied)
        disk = FaultyDisk(fail_at=at)
        try:
            compact(Store.open(copied, disk=disk), engine, EAGER)
        except Crash:
            failed += 1
        store = Store.open(copied)
        head = store.head("prod")
        assert head is not None
        now = store.snapshot(head)
        assert now.content == before.content
        assert all_rows(engine, now, store) == old
        shutil.rmtree(copied)
        if len(disk.done) < at:
            break
    assert failed > 20
    assert now != before


SMALL = ("headrace.toml", "sources/orders.yaml")


@pytest.mark.parametrize("seed", range(2))
def test_runs_and_compactions_give_what_one_fresh_build_gives(
    tmp_path: Path, engine: DuckDBEngine, seed: int
) -> None:
    """Files come, are corrected and go, and in between everything is compacted."""
    chance = random.Random(seed)
    shop = Shop(write_files(tmp_path / "shop", FILES))
    for _ in range(5):
        for _ in range(chance.randint(1, 3)):
            change_files(shop, chance)
            assert shop.run().failures == ()
        before = shop.published()
        limits = replace(EAGER, file_rows=chance.choice([5, 40, 1000]))
        compact(shop.store, engine, limits)
        assert shop.plan().nothing_to_do
        assert shop.published().content == before.content
        assert all_rows(engine, before, shop.store) == all_rows(
            engine, shop.published(), shop.store
        )
    fresh = Shop(tmp_path / "fresh")
    shutil.copytree(shop.root, fresh.root, ignore=shutil.ignore_patterns(".headrace"))
    assert fresh.run().failures == ()
    assert all_rows(engine, shop.published(), shop.store) == all_rows(
        engine, fresh.published(), fresh.store
    )


def change_files(shop: Shop, chance: random.Random) -> None:
    """Write, correct or remove some raw files of the partitioned and of the changing sources."""
    for name in chance.sample("abcde", 2):
        for folder in ("orders", "customers"):
            path = shop.root / "data" / folder / f"{name}.csv"
            if path.exists() and chance.random() < 0.3:
                path.unlink()
            elif folder == "orders":
                days = (f"2024-03-0{chance.randint(1, 4)}" for _ in range(chance.randint(1, 9)))
                cities = ("Oslo", "Rome", "Lyon")
                write_orders(
                    shop,
                    name,
                    *(f"{day},{chance.choice(cities)},{chance.randint(1, 5)}" for day in days),
                )
            else:
                times = chance.sample(range("abcde".index(name), 5000, 5), chance.randint(1, 5))
                states = (f"{chance.randint(1, 6)},{chance.choice('OR')},{at}" for at in times)
                write_customers(shop, name, *states)

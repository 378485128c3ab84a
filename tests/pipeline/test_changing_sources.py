"""Whatever comes late, twice, corrected or out of order: the tables are those of all rows at once.

A replay in Python, with a dictionary, says what must come out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.engines.duckdb import DuckDBEngine
from headrace.store.snapshots import Snapshot
from tests.projects import Shop, built, write_files

TOML = 'name = "shop"\n'
CHANGES = """\
files: data/*.csv
mode: changes
key: [id, shop]
cursor: at
deletes: op = 'D'
history: true
columns: {op: text, id: int, shop: text, city: text, at: int}
"""
CITIES = "SELECT city, count(*) AS customers FROM customers GROUP BY ALL\n"


@dataclass(frozen=True)
class Change:
    """One row of a change feed; `at` never comes twice for a key."""

    op: str
    id: int
    shop: str
    city: str
    at: int

    def __str__(self) -> str:
        return f"{self.op},{self.id},{self.shop},{self.city},{self.at}"

    @property
    def key(self) -> tuple[int, str]:
        return self.id, self.shop

    @property
    def row(self) -> tuple[object, ...]:
        return self.op, self.id, self.shop, self.city, self.at


def random_changes(chance: random.Random, count: int) -> list[Change]:
    """Changes of some twenty keys, at different times."""
    return [
        Change(
            chance.choice("UUUD"),
            chance.randint(1, 10),
            chance.choice(["a", "b"]),
            chance.choice(["Oslo", "Rome", "Lyon"]),
            at,
        )
        for at in chance.sample(range(10_000), count)
    ]


def latest(changes: Iterable[Change]) -> list[tuple[object, ...]]:
    """The rows that hold in the end."""
    by_key: dict[tuple[int, str], Change] = {}
    for change in sorted(changes, key=lambda each: each.at):
        by_key[change.key] = change
    return sorted((each.row for each in by_key.values() if each.op != "D"), key=str)


def history(changes: Iterable[Change]) -> list[tuple[object, ...]]:
    """Every state with the time at which it came, and at which the next one came."""
    states: dict[tuple[int, str], list[Change]] = {}
    for change in sorted(changes, key=lambda each: each.at):
        known = states.setdefault(change.key, [])
        if not known or known[-1].row[:-1] != change.row[:-1]:
            known.append(change)
    found: list[tuple[object, ...]] = []
    for known in states.values():
        ends = [*(each.at for each in known[1:]), None]
        found += [
            (*state.row, state.at, end)
            for state, end in zip(known, ends, strict=True)
            if state.op != "D"
        ]
    return sorted(found, key=str)


def write_batch(shop: Shop, name: str, changes: Sequence[Change]) -> None:
    lines = ["op,id,shop,city,at", *map(str, changes)]
    shop.write(f"data/{name}.csv", "".join(f"{line}\n" for line in lines))


def rows(shop: Shop, table: str, snapshot: Snapshot | None = None) -> list[tuple[object, ...]]:
    """The published rows of a table, sorted."""
    engine = DuckDBEngine(threads=1)
    engine.attach((snapshot or shop.published()).tables[table], shop.store.data_root)
    found = engine.cursor().execute(f'SELECT * FROM "{table}"').fetchall()
    engine.close()
    return sorted(found, key=str)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    files = {
        "headrace.toml": TOML,
        "sources/customers.yaml": CHANGES,
        "models/cities.sql": CITIES,
    }
    return Shop(write_files(tmp_path / "shop", files))


@pytest.mark.parametrize("seed", range(3))
def test_batches_in_any_order_and_twice_give_what_all_at_once_gives(shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    changes = random_changes(chance, 60)
    shuffled = chance.sample(changes, 60) + chance.sample(changes, 10)
    for batch in range(4):
        write_batch(shop, f"{chance.random()}", shuffled[batch::4])
        assert shop.run().failures == ()
    assert rows(shop, "customers") == latest(changes)
    assert rows(shop, "customers__history") == history(changes)
    cities = [(city, number) for city, number in rows(shop, "cities")]
    assert sum(int(str(number)) for _, number in cities) == len(latest(changes))
    for path in (shop.root / "data").iterdir():
        path.unlink()
    write_batch(shop, "all", changes)
    assert shop.run().failures == ()
    assert rows(shop, "customers") == latest(changes)
    assert rows(shop, "customers__history") == history(changes)


def parts(shop: Shop, table: str) -> set[tuple[str | None, str]]:
    return {(cell.partition, cell.address) for cell in shop.published().tables[table].cells}


def test_a_change_rewrites_the_part_of_its_key_and_no_other(shop: Shop) -> None:
    changes = [Change("I", number, "a", "Oslo", number) for number in range(1, 200)]
    write_batch(shop, "1", changes)
    shop.run()
    before = parts(shop, "customers")
    assert len(before) > 50
    write_batch(shop, "2", [Change("U", 7, "a", "Rome", 1000)])
    report = shop.run()
    assert built(report) == ["cities", "customers", "customers__history", "customers__landed"]
    changed = parts(shop, "customers") - before
    assert len(changed) == 1
    assert {partition for partition, _ in changed} == {
        cell.partition
        for cell in shop.published().tables["customers__landed"].cells
        if cell.label == "data/2.csv"
    }


def test_a_file_that_is_gone_takes_its_changes_with_it(shop: Shop) -> None:
    first, second = Change("I", 1, "a", "Oslo", 1), Change("U", 1, "a", "Rome", 2)
    write_batch(shop, "1", [first])
    write_batch(shop, "2", [second])
    shop.run()
    assert rows(shop, "customers") == [second.row]
    (shop.root / "data/2.csv").unlink()
    assert shop.run().outcome == "published"
    assert rows(shop, "customers") == [first.row]
    write_batch(shop, "1", [Change("I", 1, "a", "Lyon", 1)])
    shop.run()
    assert rows(shop, "customers") == [("I", 1, "a", "Lyon", 1)]


def test_two_rows_of_a_key_at_one_cursor_stop_the_run_and_are_shown(shop: Shop) -> None:
    write_batch(shop, "1", [Change("I", 1, "a", "Oslo", 1)])
    shop.run()
    write_batch(shop, "2", [Change("U", 1, "a", "Rome", 5), Change("U", 1, "a", "Lyon", 5)])
    report = shop.run()
    assert report.failures == ("customers: one row for each id, shop and at: 1 wrong row",)
    [check] = [each for each in report.checks if each.stops_publish]
    assert check.sample == ({"id": "1", "shop": "a", "at": "5", "rows": "2"},)
    assert rows(shop, "customers") == [("I", 1, "a", "Oslo", 1)]


def test_a_row_without_a_key_or_a_cursor_is_set_aside(shop: Shop) -> None:
    shop.write("sources/customers.yaml", CHANGES + "tolerance: 90 %\n")
    shop.write("data/1.csv", "op,id,shop,city,at\nI,1,a,Oslo,1\nI,,a,Oslo,2\nI,2,a,Oslo,\n")
    assert shop.run().failures == ()
    reasons = [row[-1] for row in rows(shop, "customers__quarantine")]
    assert sorted(map(str, reasons)) == [
        "at: it is empty, and must not be",
        "id: it is empty, and must not be",
    ]


def test_a_corrected_file_with_other_columns_is_refused_and_nothing_changes(shop: Shop) -> None:
    write_batch(shop, "1", [Change("I", 1, "a", "Oslo", 1)])
    shop.run()
    shop.write("data/1.csv", "op,id,town,at\nI,1,Oslo,1\n")
    report = shop.run()
    [failure] = report.failures
    assert failure.startswith("customers__landed: sources/customers.yaml:1: data/1.csv:")
    assert "shop" in failure
    assert rows(shop, "customers") == [("I", 1, "a", "Oslo", 1)]


def test_keys_that_are_equal_and_written_differently_stay_one_key(shop: Shop) -> None:
    """0.0 is -0.0: they may not lie in two parts, of which one is built without the other."""
    floating = CHANGES.replace("id: int", "id: double")
    shop.write("sources/customers.yaml", floating)
    shop.write("data/1.csv", "op,id,shop,city,at\nI,0.0,a,Oslo,1\nU,-0.0,a,Rome,3\n")
    assert shop.run().failures == ()
    assert rows(shop, "cities") == [("Rome", 1)]
    shop.write("data/2.csv", "op,id,shop,city,at\nU,0.0,a,Lyon,2\n")
    assert shop.run().failures == ()
    assert rows(shop, "cities") == [("Rome", 1)]
    assert {partition for partition, _ in parts(shop, "customers")} == {None}


DEDUPLICATED = """\
files: data/*.csv
key: id
cursor: seen
partition: {column: day, by: day}
derive: {day: CAST(seen AS DATE)}
columns: {id: int, city: text, seen: timestamp}
"""


def test_a_cursor_without_changes_keeps_the_newest_row_of_each_key(shop: Shop) -> None:
    """What a feed delivers twice, or again with a newer version, is there once."""
    shop.write("sources/customers.yaml", DEDUPLICATED)
    shop.write("data/1.csv", "id,city,seen\n1,Oslo,2024-01-01 08:00\n2,Rome,2024-01-02 08:00\n")
    shop.write("data/2.csv", "id,city,seen\n1,Oslo,2024-01-01 08:00\n1,Lyon,2024-01-01 09:00\n")
    assert shop.run().failures == ()
    found = [(row[0], row[1]) for row in rows(shop, "customers")]
    assert found == [(1, "Lyon"), (2, "Rome")]
    assert [cell.partition for cell in shop.published().tables["customers"].cells] == [
        "2024-01-01",
        "2024-01-02",
    ]
    shop.write("data/3.csv", "id,city,seen\n1,Bonn,2024-01-02 09:00\n")
    report = shop.run()
    assert report.failures == ("customers.id: key: 1 wrong row",)


SNAPSHOT = """\
files: data/*.csv
mode: snapshot
key: id
columns: {id: int, shop: text, city: text}
"""


def snapshot_of(ids: dict[int, str]) -> str:
    return "id,shop,city\n" + "".join(f"{number},a,{city}\n" for number, city in ids.items())


def test_the_last_snapshot_is_the_table_and_only_what_differs_is_new(shop: Shop) -> None:
    shop.write("sources/customers.yaml", SNAPSHOT)
    cities = dict.fromkeys(range(1, 200), "Oslo")
    shop.write("data/2024-01-01.csv", snapshot_of(cities))
    shop.run()
    before = parts(shop, "customers")
    shop.write("data/2024-01-02.csv", snapshot_of(cities | {7: "Rome"}))
    assert shop.run().failures == ()
    assert len(parts(shop, "customers") - before) == 1
    assert len(rows(shop, "customers")) == 199
    assert (7, "a", "Rome") in rows(shop, "customers")
    files = shop.published().tables["customers"].files
    assert [file.rows for file in files][1:] == [
        cell.rows
        for cell in shop.published().tables["customers"].cells
        if (cell.partition, cell.address) not in before
    ]


@pytest.mark.parametrize("seed", range(3))
def test_history_of_snapshots_follows_each_key_through_them(shop: Shop, seed: int) -> None:
    dated = SNAPSHOT + (
        "history: true\ncursor: taken\n"
        "derive: {taken: \"CAST(regexp_extract($file, '[0-9]+') AS INT)\"}\n"
    )
    shop.write("sources/customers.yaml", dated)
    chance = random.Random(seed)
    snapshots: dict[int, dict[int, str]] = {}
    for taken in range(10, 16):
        ids = chance.sample(range(1, 6), chance.randint(1, 5))
        snapshots[taken] = {number: chance.choice(["Oslo", "Rome"]) for number in ids}
    for taken in chance.sample(sorted(snapshots), len(snapshots)):
        shop.write(f"data/{taken}.csv", snapshot_of(snapshots[taken]))
        assert shop.run().failures == ()
    newest = max(snapshots)
    expected = [(number, "a", city, newest) for number, city in snapshots[newest].items()]
    assert rows(shop, "customers") == sorted(expected, key=str)
    assert rows(shop, "customers__history") == states_of(snapshots)


def states_of(snapshots: dict[int, dict[int, str]]) -> list[tuple[object, ...]]:
    """Each state of each key, from its first snapshot to the first without it."""
    found: list[tuple[object, ...]] = []
    for number in range(1, 6):
        current: tuple[str, int] | None = None
        for taken in sorted(snapshots):
            city = snapshots[taken].get(number)
            if current is not None and city != current[0]:
                found.append((number, "a", current[0], current[1], current[1], taken))
                current = None
            if city is not None and current is None:
                current = (city, taken)
        if current is not None:
            found.append((number, "a", current[0], current[1], current[1], None))
    return sorted(found, key=str)


# Models of a key


KEYED = """\
/*
key: [number, shop]
*/
SELECT id AS number, shop, upper(city) AS city, "at" FROM customers WHERE "at" > 0
"""


def test_a_model_of_the_same_key_is_built_in_the_same_parts(shop: Shop) -> None:
    shop.write("models/named.sql", KEYED)
    write_batch(shop, "1", [Change("I", number, "a", "Oslo", number) for number in range(1, 200)])
    shop.run()
    before = parts(shop, "named")
    assert len(before) > 50
    write_batch(shop, "2", [Change("U", 7, "a", "Rome", 1000), Change("D", 9, "a", "", 1001)])
    assert shop.run().failures == ()
    changed = {label for label, _ in parts(shop, "named") - before}
    landed = shop.published().tables["customers__landed"].cells
    assert changed == {cell.partition for cell in landed if cell.label == "data/2.csv"}
    found = rows(shop, "named")
    assert len(found) == 198
    assert (7, "a", "ROME", 1000) in found
    assert [row for row in found if row[0] == 9] == []


@pytest.mark.parametrize(
    "sql",
    [
        "/*\nkey: [shop, number]\n*/\nSELECT id AS number, shop FROM customers\n",
        "/*\nkey: [number, shop]\n*/\nSELECT id + 1 AS number, shop FROM customers\n",
        "/*\nkey: [number, shop]\n*/\nSELECT id::bigint AS number, shop FROM customers\n",
        "/*\nkey: city\n*/\nSELECT city, count(*) AS number FROM customers GROUP BY ALL\n",
        (
            "/*\nkey: [number, shop]\n*/\nSELECT id AS number, shop, count(*) OVER () AS n"
            " FROM customers\n"
        ),
        "SELECT id AS number, shop FROM customers\n",
    ],
)
def test_a_model_whose_rows_are_not_certain_to_keep_their_key_is_built_whole(
    shop: Shop, sql: str
) -> None:
    """The order of the key's columns, and their types, decide in which part a key lies."""
    shop.write("models/named.sql", sql)
    write_batch(shop, "1", [Change("I", 1, "a", "Oslo", 1), Change("I", 2, "b", "Rome", 2)])
    assert shop.run().failures == ()
    assert [label for label, _ in parts(shop, "named")] == [None]


def test_a_model_over_a_model_of_the_key_and_a_plain_table_is_built_in_parts(shop: Shop) -> None:
    shop.write("models/named.sql", KEYED)
    shop.write("sources/shops.yaml", "files: shops.csv\ncolumns: {shop: text, street: text}\n")
    shop.write("shops.csv", "shop,street\na,North\nb,South\n")
    shop.write(
        "models/placed.sql",
        "/*\nkey: [number, shop]\n*/\nSELECT number, named.shop, max(street) AS street"
        " FROM named JOIN shops USING (shop) GROUP BY ALL\n",
    )
    write_batch(shop, "1", [Change("I", number, "a", "Oslo", number) for number in range(1, 100)])
    assert shop.run().failures == ()
    before = parts(shop, "placed")
    write_batch(shop, "2", [Change("U", 7, "a", "Rome", 1000)])
    assert shop.run().failures == ()
    assert len(parts(shop, "placed") - before) == 1
    shop.write("shops.csv", "shop,street\na,East\nb,South\n")
    assert shop.run().failures == ()
    assert len(parts(shop, "placed") - before) == len(before)


def test_a_row_without_a_derived_cursor_is_refused_and_not_dropped(shop: Shop) -> None:
    taken = "CAST(regexp_extract($file, '[0-9]+') AS INT)"
    dated = f'{SNAPSHOT}history: true\ncursor: taken\nderive: {{taken: "{taken}"}}\n'
    shop.write("sources/customers.yaml", dated)
    shop.write("data/10.csv", snapshot_of({1: "Oslo"}))
    assert shop.run().failures == ()
    shop.write("data/final.csv", snapshot_of({1: "Rome", 2: "Rome"}))
    assert shop.run().failures == (
        (
            "customers__landed: sources/customers.yaml:1: data/final.csv: 2 of its rows have no"
            " customers.taken, which is derived; expected a value in each; give what it derives"
            " from the rule `not_null`, or name the file as the expression expects"
        ),
    )
    assert rows(shop, "customers") == [(1, "a", "Oslo", 10)]

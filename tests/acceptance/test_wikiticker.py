"""39,244 edits of Wikipedia that come in 20 batches, shuffled, twice and late, and once in one."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from headrace.engines.duckdb import DuckDBEngine
from tests.projects import Shop, built, write_files

PROJECT = {
    "headrace.toml": 'name = "wiki"\n',
    "sources/edits.yaml": """\
        files: data/*.ndjson
        key: [time, channel, page, user]
        cursor: time
        partition: {column: hour, by: hour}
        derive: {hour: "date_trunc('hour', time AT TIME ZONE 'UTC')"}
        columns:
          time: timestamptz
          channel: text
          page: text
          user: text
          namespace: text
          comment: text
          cityName: text
          countryIsoCode: text
          countryName: text
          regionIsoCode: text
          regionName: text
          metroCode: int
          isAnonymous: boolean
          isMinor: boolean
          isNew: boolean
          isRobot: boolean
          isUnpatrolled: boolean
          delta: int
          added: int
          deleted: int
        """,
    "models/hourly.sql": """\
        /*
        key: [hour, channel]
        partition: {column: hour, by: hour}
        */
        SELECT hour, channel, count(*) AS edits, sum(added) AS added, sum(deleted) AS deleted,
               count(DISTINCT user) AS users
        FROM edits
        GROUP BY ALL
        """,
    "models/busiest_pages.sql": """\
        SELECT channel, page, count(*) AS edits, max(time) AS newest
        FROM edits
        GROUP BY ALL
        """,
    "models/robots.sql": "SELECT isRobot, sum(edits) AS edits FROM (SELECT isRobot, count(*) AS"
    " edits FROM edits GROUP BY ALL) GROUP BY ALL\n",
}
TABLES = ("edits", "hourly", "busiest_pages", "robots")
BATCHES = 20


@pytest.fixture
def lines(shared_data: Callable[[str], Path]) -> list[bytes]:
    path = shared_data("wikiticker") / "wikiticker-2015-09-12-sampled.json.gz"
    return gzip.decompress(path.read_bytes()).splitlines()


def land(shop: Shop, name: str, lines: Sequence[bytes]) -> None:
    (shop.root / "data" / f"{name}.ndjson").write_bytes(b"\n".join(lines) + b"\n")


def sorted_bytes(shop: Shop, table: str) -> bytes:
    """Every row of a published table as text, sorted."""
    engine = DuckDBEngine(threads=2)
    engine.attach(shop.published().tables[table], shop.store.data_root)
    found = engine.cursor().execute(
        f"SELECT CAST(to_json(t) AS VARCHAR) AS row FROM {table} AS t ORDER BY row"
    )
    text = "\n".join(row for (row,) in found.fetchall())
    engine.close()
    return text.encode()


def new_shop(folder: Path) -> Shop:
    (folder / "data").mkdir(parents=True)
    return Shop(write_files(folder, PROJECT))


def test_twenty_batches_give_what_one_gives(lines: list[bytes], tmp_path: Path) -> None:
    """Shuffled, 5 % of the edits twice, and so some late; equal byte for byte after sorting."""
    whole, replayed = new_shop(tmp_path / "whole"), new_shop(tmp_path / "replayed")
    land(whole, "all", lines)
    assert whole.run().failures == ()
    chance = random.Random(20150912)
    shuffled = chance.sample(lines, len(lines))
    for batch in range(BATCHES):
        again = chance.sample(lines, len(lines) // (20 * BATCHES))
        mixed = [*shuffled[batch::BATCHES], *again]
        chance.shuffle(mixed)
        land(replayed, f"{chance.random():.9f}", mixed)
        assert replayed.run().failures == ()
    for table in TABLES:
        assert sorted_bytes(replayed, table) == sorted_bytes(whole, table), table
    assert whole.published().tables["edits"].rows == 39_244
    assert replayed.published().tables["edits__landed"].rows > 39_244


def test_a_late_edit_builds_its_own_hour_only(lines: list[bytes], tmp_path: Path) -> None:
    shop = new_shop(tmp_path / "wiki")
    edits = sorted(lines)
    land(shop, "1", edits[:-1])
    assert shop.run().failures == ()
    before = {
        name: {(cell.partition, cell.address) for cell in version.cells}
        for name, version in shop.published().tables.items()
    }
    land(shop, "2", edits[-1:])
    assert built(shop.run()) == ["busiest_pages", "edits", "edits__landed", "hourly", "robots"]
    hours = {
        name: [
            cell.partition
            for cell in shop.published().tables[name].cells
            if (cell.partition, cell.address) not in before[name]
        ]
        for name in ("edits__landed", "edits", "hourly")
    }
    assert hours["edits"] == hours["hourly"] == hours["edits__landed"]
    assert len(hours["edits"]) == 1

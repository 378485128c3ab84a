"""336,776 real flights by day: each run builds the days whose rows changed, and no other cell."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from headrace.engines.duckdb import DuckDBEngine
from tests.projects import Shop, write_files

PROJECT = {
    "headrace.toml": 'name = "flights"\n',
    "sources/flights.yaml": """\
        files: data/flights/*.csv.gz
        nulls: [NA]
        derive: {flown_on: "make_date(year, month, day)"}
        partition: {column: flown_on, by: day}
        columns:
          year: {type: int, not_null: true, accepted: [2013]}
          month: {type: int, not_null: true, min: 1, max: 12}
          day: {type: int, not_null: true, min: 1, max: 31}
          dep_time: int
          dep_delay: int
          arr_time: int
          arr_delay: int
          carrier: {type: text, not_null: true}
          tailnum: text
          flight: int
          origin: {type: text, accepted: [EWR, JFK, LGA]}
          dest: {type: text, pattern: "[A-Z]{3}"}
          air_time: int
          distance: {type: int, min: 0}
          hour: int
          minute: int
        """,
    "sources/airlines.yaml": """\
        files: data/airlines.csv
        key: carrier
        columns: {carrier: text, name: text}
        """,
    "models/daily_flights.sql": """\
        /*
        key: [flown_on, origin]
        partition: {column: flown_on, by: day}
        */
        SELECT flown_on, origin, count(*) AS flights, sum(distance) AS miles
        FROM flights
        GROUP BY ALL
        """,
    "models/longest.sql": """\
        /*
        partition: {column: flown_on, by: day}
        */
        SELECT flown_on, airlines.name, tailnum, flight, distance
        FROM flights JOIN airlines USING (carrier)
        QUALIFY row_number() OVER (PARTITION BY flown_on ORDER BY distance DESC, flight) <= 3
        """,
    "models/monthly_flights.sql": """\
        /*
        partition: {column: month, by: month}
        */
        SELECT date_trunc('month', flown_on) AS month, sum(flights) AS flights
        FROM daily_flights
        GROUP BY ALL
        """,
    "models/carriers.sql": "SELECT carrier, count(*) AS flights FROM flights GROUP BY ALL\n",
    "models/names.sql": "SELECT upper(name) AS name FROM airlines\n",
}
BY_DAY = ("flights", "daily_flights", "longest")
DAYS = [str(date(2013, 1, 1) + timedelta(days=day)) for day in range(365)]
CORRECTED = ["2013-03-05", "2013-03-17"]


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Path:
    return shared_data("nycflights13")


@pytest.fixture
def flights(data: Path, tmp_path: Path) -> Shop:
    root = write_files(tmp_path / "flights", PROJECT)
    (root / "data/flights").mkdir(parents=True)
    shutil.copy(data / "airlines.csv", root / "data")
    return Shop(root)


def land(flights: Shop, data: Path, months: range) -> None:
    for month in months:
        name = f"flights_2013_{month:02d}.csv.gz"
        shutil.copy(data / "flights" / name, flights.root / "data/flights")


def correct_march(flights: Shop) -> None:
    """Write the file of March again, in another order, with other distances on two of its days."""
    path = flights.root / "data/flights/flights_2013_03.csv.gz"
    head, *rows = csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))
    day, distance = head.index("day"), head.index("distance")
    for row in rows:
        if f"2013-03-{int(row[day]):02d}" in CORRECTED:
            row[distance] = str(int(row[distance]) + 1)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *reversed(rows)])
    path.write_bytes(gzip.compress(text.getvalue().encode()))


def cells(flights: Shop) -> dict[str, dict[str | None, str]]:
    """Table -> partition -> the address of its cell."""
    tables = flights.published().tables
    found = {
        name: {cell.partition: cell.address for cell in version.cells}
        for name, version in tables.items()
        if "__" not in name
    }
    assert all(len(found[name]) == len(tables[name].cells) for name in found)
    return found


def rebuilt(
    before: dict[str, dict[str | None, str]], after: dict[str, dict[str | None, str]]
) -> dict[str, list[str | None]]:
    """Table -> the partitions whose cell is another, sorted."""
    return {
        name: sorted((label for label in now if before[name].get(label) != now[label]), key=str)
        for name, now in after.items()
    }


def rows(flights: Shop, table: str) -> list[tuple[object, ...]]:
    engine = DuckDBEngine(threads=1)
    engine.attach(flights.published().tables[table], flights.store.data_root)
    found = engine.cursor().execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
    engine.close()
    return found


def test_the_first_run_has_a_cell_for_each_day(flights: Shop, data: Path) -> None:
    land(flights, data, range(1, 13))
    assert flights.run().failures == ()
    found = cells(flights)
    for table in BY_DAY:
        assert list(found[table]) == DAYS
    assert list(found["monthly_flights"]) == [f"2013-{month:02d}" for month in range(1, 13)]
    assert list(found["carriers"]) == list(found["names"]) == list(found["airlines"]) == [None]


def test_december_last_builds_the_days_of_december_only(flights: Shop, data: Path) -> None:
    land(flights, data, range(1, 12))
    assert flights.run().failures == ()
    before = cells(flights)
    for table in BY_DAY:
        assert list(before[table]) == DAYS[:334]
    land(flights, data, range(12, 13))
    assert flights.run().failures == ()
    after = cells(flights)
    for table in BY_DAY:
        assert list(after[table]) == DAYS
    assert rebuilt(before, after) == {
        **dict.fromkeys(BY_DAY, DAYS[334:]),
        "monthly_flights": ["2013-12"],
        "carriers": [None],
        "names": [],
        "airlines": [],
    }


def test_a_corrected_march_builds_the_days_whose_rows_changed_only(
    flights: Shop, data: Path
) -> None:
    """In exactly the tables below: and what they hold is what a fresh build gives."""
    land(flights, data, range(1, 13))
    assert flights.run().failures == ()
    before = cells(flights)
    correct_march(flights)
    plan = flights.plan()
    assert [step.table for step in plan.steps] == ["flights"]
    assert {step.table for step in plan.waiting} == {
        "daily_flights",
        "longest",
        "monthly_flights",
        "carriers",
    }
    assert flights.run().failures == ()
    assert rebuilt(before, cells(flights)) == {
        **dict.fromkeys(BY_DAY, CORRECTED),
        "monthly_flights": ["2013-03"],
        "carriers": [None],
        "names": [],
        "airlines": [],
    }
    incremental = {name: rows(flights, name) for name in (*BY_DAY, "monthly_flights", "carriers")}
    shutil.rmtree(flights.root / ".headrace")
    assert flights.run().failures == ()
    assert {name: rows(flights, name) for name in incremental} == incremental

"""336,776 real flights in 12 monthly files: built file by file, checked, served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Shop, built, served, write_files
from tests.serve.shop import Client

PROJECT = {
    "headrace.toml": 'name = "flights"\nserve.default_access = "public"\n',
    "sources/flights.yaml": """\
        files: data/flights/*.csv.gz
        nulls: [NA]
        columns:
          year: {type: int, accepted: [2013]}
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
        checks:
        - references: {column: carrier, to: airlines.carrier}
        - references: {column: tailnum, to: planes.tailnum}
          severity: warn
        - references: {column: dest, to: airports.faa}
          severity: warn
        - not_null: dep_time
          severity: warn
        """,
    "sources/airlines.yaml": """\
        files: data/airlines.csv
        key: carrier
        columns: {carrier: text, name: text}
        """,
    "sources/airports.yaml": """\
        files: data/airports.csv
        key: faa
        nulls: [NA]
        columns:
          faa: text
          name: text
          lat: {type: double, min: -90, max: 90}
          lon: {type: double, min: -180, max: 180}
          alt: int
          tz: int
          dst: text
          tzone: text
        """,
    "sources/planes.yaml": """\
        files: data/planes.csv
        key: tailnum
        nulls: [NA]
        columns:
          tailnum: text
          year: int
          type: text
          manufacturer: text
          model: text
          engines: int
          seats: int
          speed: int
          engine: text
        """,
    "sources/weather.yaml": """\
        files: data/weather.csv
        nulls: [NA]
        columns:
          origin: text
          year: int
          month: int
          day: int
          hour: int
          temp: double
          dewp: double
          humid: double
          wind_dir: int
          wind_speed: double
          wind_gust: double
          precip: double
          pressure: double
          visib: double
          time_hour: timestamptz
        """,
    "models/origin_month.sql": """\
        /*
        key: [origin, month]
        */
        SELECT origin, month, count(*) AS flights,
               count(*) FILTER (WHERE dep_time IS NULL) AS cancelled,
               round(avg(arr_delay), 4) AS mean_arr_delay
        FROM flights
        GROUP BY origin, month
        """,
    "models/carrier_punctuality.sql": """\
        SELECT carrier, airlines.name, count(*) AS flights, avg(arr_delay) AS mean_arr_delay
        FROM flights JOIN airlines USING (carrier)
        GROUP BY ALL
        """,
    "models/daily_flights.sql": """\
        SELECT make_date(year, month, day) AS day, origin,
               count(*) AS flights, sum(distance) AS miles
        FROM flights
        GROUP BY ALL
        """,
    "models/windy_days.sql": """\
        WITH hourly AS (SELECT origin, make_date(year, month, day) AS day, wind_speed FROM weather)
        SELECT origin, day, max(wind_speed) AS wind_speed FROM hourly GROUP BY ALL
        """,
    "models/wind_and_delay.sql": """\
        SELECT windy_days.origin, windy_days.day, wind_speed, daily_flights.flights
        FROM windy_days JOIN daily_flights USING (origin, day)
        """,
    "models/plane_use.sql": """\
        SELECT planes.tailnum, manufacturer, seats, count(*) AS flights
        FROM planes LEFT JOIN flights ON flights.tailnum = planes.tailnum
        GROUP BY ALL
        """,
    "endpoints/origin.sql": """\
        /*
        path: /origins/{origin}/months
        defaults: {first: 1, last: 12}
        */
        SELECT origin, month, flights, cancelled, mean_arr_delay FROM origin_month
        WHERE origin = $origin AND month BETWEEN $first AND $last
        ORDER BY month
        """,
    "endpoints/carriers.sql": """\
        SELECT carrier, name, flights FROM carrier_punctuality ORDER BY flights DESC, carrier
        """,
    "endpoints/plane.sql": """\
        /*
        path: /planes/{tailnum}
        */
        SELECT * FROM plane_use WHERE tailnum = $tailnum
        """,
    "endpoints/days.sql": """\
        SELECT day, sum(flights) AS flights FROM daily_flights
        WHERE day BETWEEN $since AND $until GROUP BY day ORDER BY day
        """,
}


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Path:
    return shared_data("nycflights13")


@pytest.fixture
def expected(data: Path) -> Any:
    return json.loads((data / "expected.json").read_text())


@pytest.fixture
def flights(data: Path, tmp_path: Path) -> Shop:
    root = write_files(tmp_path / "flights", PROJECT)
    (root / "data/flights").mkdir(parents=True)
    for name in ("airlines", "airports", "planes", "weather"):
        shutil.copy(data / f"{name}.csv", root / "data")
    return Shop(root)


def land(flights: Shop, data: Path, months: range) -> None:
    for month in months:
        name = f"flights_2013_{month:02d}.csv.gz"
        shutil.copy(data / "flights" / name, flights.root / "data/flights")


@pytest.fixture
def client(flights: Shop, data: Path) -> Iterator[Client]:
    land(flights, data, range(1, 13))
    report = flights.run()
    assert report.failures == ()
    with served(flights) as client:
        yield client


def test_months_land_one_by_one(flights: Shop, data: Path, expected: Any) -> None:
    """Each new file is read alone; what does not depend on flights is never built again."""
    for month in range(1, 13):
        land(flights, data, range(month, month + 1))
        report = flights.run()
        assert report.outcome == "published", report.failures
        if month > 1:
            assert built(report) == [
                "carrier_punctuality",
                "daily_flights",
                "flights",
                "origin_month",
                "plane_use",
                "wind_and_delay",
            ]
        if month == 6:
            rows = flights.published().tables["flights"].rows
            assert rows == expected["incremental"]["rows_after_6_files"]
    tables = flights.published().tables
    assert {name: tables[name].rows for name in expected["inputs"]} == expected["inputs"]
    assert all(not version.rows for name, version in tables.items() if "__quarantine" in name)


def test_checks_find_the_known_wrong_rows(flights: Shop, data: Path, expected: Any) -> None:
    land(flights, data, range(1, 13))
    found = {check.result.name: check.result.failing for check in flights.run().checks}
    wanted = [check["expect_failing_rows"] for check in expected["checks"]]
    assert [
        found["flights.carrier: references airlines.carrier"],
        found["flights.tailnum: references planes.tailnum"],
        found["flights.dest: references airports.faa"],
        found["flights.dep_time: not_null"],
    ] == wanted


def test_the_api_answers_what_is_known(client: Client, expected: Any) -> None:
    [model] = expected["models"]
    answer = client.get("/origins/JFK/months?last=3")
    assert answer.status_code == 200
    assert answer.json() == model["rows_JFK_1_3"]
    everything = [
        row
        for origin in ("EWR", "JFK", "LGA")
        for row in client.get(f"/origins/{origin}/months").json()
    ]
    assert len(everything) == model["expect_rows"]
    assert sum(row["flights"] for row in everything) == expected["inputs"]["flights"]


def test_every_endpoint_answers(client: Client) -> None:
    assert len(client.get("/carriers").json()) == 16
    [plane] = client.get("/planes/N14228").json()
    assert plane["manufacturer"] == "BOEING"
    days = client.get("/days?since=2013-12-30&until=2013-12-31").json()
    assert [day["day"] for day in days] == ["2013-12-30", "2013-12-31"]
    assert client.get("/days?since=yesterday&until=2013-12-31").status_code == 422

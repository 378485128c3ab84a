"""What a given row of a source does not say is derived from what it says, as in a run."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from headrace.base.errors import ProjectError
from headrace.testing.running import open_suite
from tests.projects import write_files

FLIGHTS = {
    "headrace.toml": 'name = "flights"\n',
    "data/flights.csv": "carrier,year,month,day,delay\nAA,2024,2,29,5\n",
    "sources/flights.yaml": """\
        files: data/flights.csv
        key: [carrier, flown_on]
        partition: {column: flown_on, by: day}
        columns: {carrier: text, year: int, month: int, day: int, delay: double}
        derive:
          flown_on: make_date(year, month, day)
          is_late: delay > 10
          read_on: CAST(regexp_extract($file, '\\d{4}-\\d{2}-\\d{2}') AS DATE)
        """,
    "models/days.sql": "SELECT flown_on, is_late, read_on, carrier FROM flights\n",
}
CUSTOMERS = {
    "headrace.toml": 'name = "crm"\n',
    "data/customers/1.csv": "op,id,city,updated_at\nI,1,Lyon,2024-01-01\n",
    "sources/customers.yaml": """\
        files: data/customers/*.csv
        mode: changes
        key: id
        cursor: updated_at
        deletes: op = 'D'
        history: true
        columns: {op: text, id: int, city: text, updated_at: timestamp}
        """,
    "models/cities.sql": "SELECT city, count(*) AS customers FROM customers GROUP BY ALL\n",
    "models/moves.sql": "SELECT id, valid_from, valid_to FROM customers__history\n",
}


def passed(root: Path, files: dict[str, str], tests: str) -> None:
    write_files(root, files | {"tests/t.yaml": tests})
    with closing(open_suite(root)) as suite:
        outcomes = list(suite.run(suite.tests))
    assert [(each.test.name, each.differences, each.error) for each in outcomes] == [
        (each.test.name, (), "") for each in suite.tests
    ]


def test_derived_columns_follow_from_the_row(tmp_path: Path) -> None:
    tests = """\
        - test: computed from what is given
          given: {flights: [{carrier: AA, year: 2024, month: 2, day: 29, delay: 12}]}
          expect: {days: [{flown_on: 2024-02-29, is_late: true, read_on: ~}]}
        - test: given as it is
          given: {flights: [{year: 2024, month: 2, day: 29, FLOWN_ON: 1999-01-01, is_late: true}]}
          expect: {days: [{flown_on: 1999-01-01, is_late: true}]}
        - test: the raw file
          given: {flights: [{$file: data/2024-03-01.csv}, {$file: nowhere}, {}]}
          expect: {days: [{read_on: 2024-03-01}, {read_on: ~}, {read_on: ~}]}
        """
    passed(tmp_path, FLIGHTS, tests)


def test_what_must_be_there_and_does_not_follow_is_filled(tmp_path: Path) -> None:
    tests = """\
        - test: a partition
          given:
            flights:
            - {carrier: AA}
            - {carrier: AA}
            - {carrier: AA, year: 2024, month: 2, day: 30}
          expect: {days: [{flown_on: 2000-01-01}, {flown_on: 2000-01-02}, {flown_on: 2000-01-03}]}
        - test: a key that the derived column tells apart
          given:
            flights:
            - {year: 2024, month: 2, day: 28}
            - {year: 2024, month: 2, day: 29}
          expect: {days: [{flown_on: 2024-02-28}, {flown_on: 2024-02-29}]}
        """
    passed(tmp_path, FLIGHTS, tests)


def test_the_raw_file_is_no_column_of_a_source_that_derives_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        passed(
            tmp_path,
            CUSTOMERS,
            "- {test: a, given: {customers: [{$file: x}]}, expect: {cities: []}}\n",
        )
    assert [str(each) for each in caught.value.problems] == [
        (
            "tests/t.yaml:1:34: `customers` has no column `$file`; its columns are `op`, `id`,"
            " `city`, `updated_at`"
        )
    ]


def test_a_changing_source_is_given_as_it_is_read_or_as_it_landed(tmp_path: Path) -> None:
    tests = """\
        - test: as models read it
          given: {customers: [{id: 1, city: Lyon}, {id: 2, city: Lyon}]}
          expect: {cities: [{city: Lyon, customers: 2}]}
        - test: as it landed
          given:
            customers__landed:
            - {op: I, id: 1, city: Lyon, updated_at: 2024-01-01}
            - {op: U, id: 1, city: Oslo, updated_at: 2024-03-01}
            - {op: U, id: 1, city: Rome, updated_at: 2024-02-01}
            - {op: I, id: 2, city: Oslo, updated_at: 2024-01-01}
            - {op: D, id: 2, updated_at: 2024-01-05}
          expect:
            customers: [{id: 1, city: Oslo}]
            customers__history:
            - {id: 1, city: Lyon, valid_from: 2024-01-01, valid_to: 2024-02-01}
            - {id: 1, city: Rome, valid_from: 2024-02-01, valid_to: 2024-03-01}
            - {id: 1, city: Oslo, valid_from: 2024-03-01, valid_to: ~}
            - {id: 2, city: Oslo, valid_from: 2024-01-01, valid_to: 2024-01-05}
            cities: [{city: Oslo, customers: 1}]
        - test: without a cursor, the later row is the newer
          given: {customers__landed: [{id: 1, city: Lyon}, {id: 1, city: Oslo}]}
          expect: {customers: [{id: 1, city: Oslo}]}
        - test: without anything, each row is a key
          given: {customers__landed: [{}, {}, {}]}
          expect: {customers: [{}, {}, {}]}
        - test: a history
          given:
            customers__history:
            - {id: 1, updated_at: 2024-01-01, valid_to: 2024-02-01}
            - {id: 1, updated_at: 2024-02-01}
            - {id: 1, valid_from: 2024-03-01}
          expect:
            moves:
            - {id: 1, valid_from: 2024-01-01, valid_to: 2024-02-01}
            - {id: 1, valid_from: 2024-02-01, valid_to: ~}
            - {id: 1, valid_from: 2024-03-01, valid_to: ~}
        """
    passed(tmp_path, CUSTOMERS, tests)


def test_snapshots_are_given_by_their_time(tmp_path: Path) -> None:
    source = """\
        files: data/customers/*.csv
        mode: snapshot
        key: id
        cursor: taken_on
        history: true
        columns: {op: text, id: int, city: text, updated_at: timestamp}
        derive: {taken_on: "CAST(regexp_extract($file, '[-0-9]{10}') AS DATE)"}
        """
    tests = """\
        - test: the last one, and what went before
          given:
            customers__landed:
            - {$file: 2024-01-01.csv, id: 1, city: Lyon}
            - {$file: 2024-01-01.csv, id: 2, city: Oslo}
            - {$file: 2024-02-01.csv, id: 1, city: Rome}
          expect:
            customers: [{id: 1, city: Rome, taken_on: 2024-02-01}]
            moves:
            - {id: 1, valid_from: 2024-01-01, valid_to: 2024-02-01}
            - {id: 2, valid_from: 2024-01-01, valid_to: 2024-02-01}
            - {id: 1, valid_from: 2024-02-01, valid_to: ~}
        """
    passed(tmp_path, CUSTOMERS | {"sources/customers.yaml": source}, tests)


def test_what_was_not_given_of_a_changing_source_is_named_as_it_is_declared(tmp_path: Path) -> None:
    tests = "- {test: a, expect: {cities: [{customers: 1}]}}\n"
    write_files(tmp_path, CUSTOMERS | {"tests/t.yaml": tests})
    with closing(open_suite(tmp_path)) as suite:
        [outcome] = suite.run(suite.tests)
    assert outcome.empty == ("customers",)


def test_a_partitioned_model_is_computed_whole(tmp_path: Path) -> None:
    model = """\
        /*
        partition: {column: flown_on, by: day}
        lookback: 1 day
        */
        SELECT flown_on, sum(delay) OVER (ORDER BY flown_on ROWS 1 PRECEDING) AS of_two FROM flights
        """
    tests = """\
        - test: two days
          given:
            flights:
            - {flown_on: 2024-03-01, delay: 1}
            - {flown_on: 2024-03-02, delay: 2}
            - {flown_on: 2024-03-03, delay: 3}
          expect:
            two:
            - {flown_on: 2024-03-01, of_two: 1}
            - {flown_on: 2024-03-02, of_two: 3}
            - {flown_on: 2024-03-03, of_two: 5}
        """
    passed(tmp_path, FLIGHTS | {"models/two.sql": model}, tests)

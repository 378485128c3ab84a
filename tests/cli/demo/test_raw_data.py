"""The raw files are the same bytes everywhere, and wrong exactly where they are meant to be."""

import gzip
import json
from datetime import date, timedelta
from hashlib import sha256
from itertools import takewhile

import pytest

from headrace.cli.demo.chain import days
from headrace.cli.demo.raw_data import (
    BAD_EVERY_DAYS,
    LATE_DAY,
    LATE_FILE,
    REPEAT_EVERY_DAYS,
    REPEATED_ORDERS,
    order_file,
    raw_files,
)
from headrace.cli.demo.trade import orders_of

FIELDS = 11


def rows(data: bytes) -> list[list[str]]:
    return [line.split(",") for line in data.decode().splitlines()[1:]]


def days_where(every: int) -> list[date]:
    return [day for day in days()[1:] if day.toordinal() % every == 0]


@pytest.fixture(scope="module")
def small_files() -> dict[str, bytes]:
    """Every file before the first day's orders."""
    return dict(takewhile(lambda file: "/orders/" not in file[0], raw_files()))


def test_the_bytes_are_the_same_on_every_run_and_machine(small_files: dict[str, bytes]) -> None:
    digest = sha256()
    for path, data in small_files.items():
        digest.update(path.encode() + data)
    for day in (date(2024, 2, 29), LATE_DAY, date(2025, 12, 31)):
        digest.update(order_file(day))
    assert digest.hexdigest() == "e5510182c1912c5d0f3edf7ebbca8af736e865916cf9a4a3dfc83e23c958b24c"


def test_a_day_does_not_depend_on_the_days_made_before_it() -> None:
    day = days_where(REPEAT_EVERY_DAYS)[3]
    first = order_file(day)
    order_file(date(2024, 7, 1))
    assert order_file(day) == first


def test_each_source_is_in_the_format_of_its_contract(small_files: dict[str, bytes]) -> None:
    assert set(small_files) == {
        "data/stores.csv",
        "data/products.json",
        "data/prices.csv",
        "data/customers.ndjson",
        "data/weather.csv",
        "data/targets.tsv.gz",
    }
    assert len(json.loads(small_files["data/products.json"])) == 24
    customers = [json.loads(line) for line in small_files["data/customers.ndjson"].splitlines()]
    assert [row["email"] for row in customers if "@" not in row["email"]] == ["n/a"]
    assert small_files["data/weather.csv"].decode("latin-1").splitlines()[2].count(";") == 3
    targets = gzip.decompress(small_files["data/targets.tsv.gz"]).decode().splitlines()
    assert targets[0] == "store_id\tmonth\ttarget"


def test_the_late_store_is_missing_from_its_day() -> None:
    stores = {row[2] for row in rows(order_file(LATE_DAY))}
    assert "4" not in stores
    assert len(stores) == 11


def test_every_tenth_file_begins_with_the_end_of_the_file_before() -> None:
    for day in days_where(REPEAT_EVERY_DAYS)[:5]:
        before = rows(order_file(day - timedelta(days=1)))[-REPEATED_ORDERS:]
        again = rows(order_file(day))[:REPEATED_ORDERS]
        assert [row[0] for row in again] == [row[0] for row in before]
        for place, (new, old) in enumerate(zip(again, before, strict=True)):
            if place % 4 == 0:
                assert (new[9], new[10] > old[10]) == ("refunded", True)
            else:
                assert new == old


def test_a_broken_till_writes_one_to_four_bad_rows() -> None:
    found = set[str]()
    for day in days_where(BAD_EVERY_DAYS):
        good = {str(order.order_id) for order in orders_of(day)}
        bad = [row for row in rows(order_file(day)) if row[0] in good and fault(row)]
        assert 1 <= len(bad) <= 4
        found.update(fault(row) for row in bad)
    assert found == {"too few fields", "quantity", "amount", "status"}


def fault(row: list[str]) -> str:
    if len(row) != FIELDS:
        return "too few fields"
    wrong = {"quantity": row[5] == "two", "amount": row[7][0] == "-", "status": row[9] == "shipped"}
    return next((name for name, is_so in wrong.items() if is_so), "")


def test_the_late_file_is_named_for_a_later_day() -> None:
    assert f"data/orders/{LATE_DAY}.csv" < LATE_FILE

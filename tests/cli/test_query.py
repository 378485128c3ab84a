"""`headrace query` runs one SELECT over a published snapshot, and can do nothing else."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from tests.cli.shops import Shop

TABLES = {
    "orders": (
        "SELECT range AS id, CASE WHEN range > 0 THEN 'café' END AS note, 1.50 AS amount"
        " FROM range(3)"
    )
}
MANY = {"orders": "SELECT range AS id FROM range(5000)"}


def test_a_table_has_numbers_to_the_right_and_says_how_many_rows(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("query", "FROM orders ORDER BY id;")
    assert result.exit_code == 0
    assert result.stdout == (
        "id  note  amount\n 0  NULL    1.50\n 1  café    1.50\n 2  café    1.50\n"
    )
    assert result.stderr == "3 rows\n"


def test_a_table_is_cut_and_says_so(shop: Shop) -> None:
    shop.publish(MANY)
    result = shop.call("query", "SELECT id FROM orders")
    assert len(result.stdout.splitlines()) == 101
    assert result.stderr == "100 rows; there are more, --limit shows them\n"


def test_no_rows_still_have_their_columns(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("query", "FROM orders WHERE id > 5")
    assert (result.stdout, result.stderr) == ("id  note  amount\n", "0 rows\n")


def test_json_has_every_row(shop: Shop) -> None:
    shop.publish(MANY)
    rows = json.loads(shop.call("query", "--json", "FROM orders ORDER BY id").stdout)
    assert rows == [{"id": number} for number in range(5000)]


@pytest.mark.parametrize("limit", [0, 1, 2000, 4000])
def test_a_limit_holds_for_every_format(limit: int, shop: Shop) -> None:
    shop.publish(MANY)
    result = shop.call("query", "FROM orders", "--format", "ndjson", "--limit", str(limit))
    assert len(result.stdout.splitlines()) == limit


def test_csv_is_the_data_as_it_is(shop: Shop) -> None:
    shop.publish({"t": "SELECT '=1+1' AS a, NULL AS b"})
    assert shop.call("query", "FROM t", "--format", "csv").output == "a,b\n=1+1,\n"


def test_a_file_of_columns_goes_to_standard_output(shop: Shop) -> None:
    shop.publish({"t": "SELECT 1 AS a, 'x' AS b"})
    file = shop.call("query", "FROM t;", "--format", "parquet").stdout_bytes
    assert pq.read_table(io.BytesIO(file)).to_pylist() == [{"a": 1, "b": "x"}]


def test_an_older_snapshot_can_be_asked(shop: Shop) -> None:
    shop.publish({"t": "SELECT 1 AS a"})
    shop.publish({"t": "SELECT 2 AS a"})
    result = shop.call("query", "FROM t", "--snapshot", "1", "--json")
    assert json.loads(result.stdout) == [{"a": 1}]


def test_a_query_can_come_from_standard_input(shop: Shop) -> None:
    shop.publish({"t": "SELECT 1 AS a"})
    result = shop.call("query", "-", "--json", given="SELECT a\nFROM t -- all\n")
    assert json.loads(result.stdout) == [{"a": 1}]


def test_a_reader_that_goes_away_is_no_error(shop: Shop) -> None:
    shop.publish(TABLES)
    query = f"{sys.executable} -m headrace.cli.main query -C {shop.root} --format ndjson"
    line = f"{query} 'FROM range(1000000)' | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('{"range":0}\n', "")


def test_no_lease_is_left_behind(shop: Shop) -> None:
    shop.publish({"t": "SELECT 1 AS a"})
    shop.call("query", "FROM t")
    assert [each for each in (shop.store.root / "leases").rglob("*") if each.is_file()] == []


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "FROM ordrs",
            (
                "there is no table `ordrs` in snapshot 1 of prod; expected one of `orders`;"
                " did you mean `orders`?"
            ),
        ),
        (
            "DELETE FROM orders",
            "the query is DELETE; expected exactly one SELECT; a snapshot is read, never changed",
        ),
        (
            "SELECT 1; SELECT 2",
            (
                "the query is SELECT and SELECT; expected exactly one SELECT;"
                " a snapshot is read, never changed"
            ),
        ),
        (
            "FROM orders WHERE id = $id",
            (
                "the query has parameters: `id`; expected values in their place;"
                " an endpoint takes parameters: see `headrace explain`"
            ),
        ),
    ],
)
def test_what_cannot_be_answered_is_the_users_mistake(sql: str, message: str, shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("query", sql)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {message}\n"


def test_files_outside_of_the_store_cannot_be_read(shop: Shop) -> None:
    shop.publish(TABLES)
    result = shop.call("query", "SELECT * FROM read_text('/etc/hostname')")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the query cannot run: Permission Error")

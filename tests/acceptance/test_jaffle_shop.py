"""The jaffle shop: the smallest complete project, with answers that were computed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.projects import Shop, served, write_files

SOURCES = {
    "raw_customers": "{id: int, first_name: text, last_name: text}",
    "raw_orders": "{id: int, user_id: int, order_date: date, status: text}",
    "raw_payments": "{id: int, order_id: int, payment_method: text, amount: int}",
}
HEADERS = {
    "orders": """\
/*
key: order_id
columns:
  status: {accepted: [placed, shipped, completed, return_pending, returned]}
  customer_id: {references: customers.customer_id}
*/
""",
    "customers": """\
/*
key: customer_id
checks:
- not_null: first_order
  severity: warn
*/
""",
}
ENDPOINT = """\
/*
path: /customers
defaults: {min_orders: 0, limit: 10}
params:
  limit: {type: bigint, min: 1, max: 100}
*/
"""


@pytest.fixture
def data(shared_data: Callable[[str], Path]) -> Path:
    return shared_data("jaffle_shop_duckdb")


@pytest.fixture
def expected(data: Path) -> Any:
    return json.loads((data / "expected.json").read_text())


@pytest.fixture
def jaffle_shop(data: Path, expected: Any, tmp_path: Path) -> Shop:
    files = {"headrace.toml": 'name = "jaffle"\nserve.default_access = "public"\n'}
    for name, columns in SOURCES.items():
        files[f"sources/{name}.yaml"] = f"files: {data}/{name}.csv\ncolumns: {columns}\n"
    for model in expected["models"]:
        files[f"models/{model['name']}.sql"] = HEADERS[model["name"]] + model["sql"]
    [endpoint] = expected["endpoints"]
    files["endpoints/customers_by_value.sql"] = ENDPOINT + endpoint["sql"]
    return Shop(write_files(tmp_path / "jaffle", files))


def test_the_jaffle_shop_is_built_checked_and_served(jaffle_shop: Shop, expected: Any) -> None:
    report = jaffle_shop.run()
    assert report.failures == ()
    tables = jaffle_shop.published().tables
    assert {each["name"]: tables[each["name"]].rows for each in expected["inputs"]} == {
        each["name"]: each["rows"] for each in expected["inputs"]
    }
    assert tables["orders"].rows == expected["models"][0]["expect"]["rows"]
    assert tables["customers"].rows == expected["models"][1]["expect"]["rows"]
    found = {check.result.name: check.result.failing for check in report.checks}
    assert [
        found["orders.order_id: key"],
        found["orders.status: accepted placed, shipped, completed, return_pending, returned"],
        found["orders.customer_id: references customers.customer_id"],
        found["customers.first_order: not_null"],
    ] == [check["expect_failing_rows"] for check in expected["checks"]]
    [endpoint] = expected["endpoints"]
    with served(jaffle_shop) as client:
        for request in endpoint["requests"]:
            answer = client.get(f"{endpoint['path']}?{request['query']}")
            if "rows" in request:
                assert answer.json() == request["rows"]
            else:
                assert 400 <= answer.status_code < 500

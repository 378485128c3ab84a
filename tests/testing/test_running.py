"""Unit tests of a project are run in memory, and every mistake in them is said at once."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from headrace.base.errors import ProjectError
from headrace.testing.answers import AnswerDifference
from headrace.testing.comparing import TableDifference
from headrace.testing.running import Outcome, open_suite
from tests.projects import SHOP, write_files
from tests.tenants import TENANTS

FORECAST = """\
    import pyarrow as pa
    from headrace import model

    @model()
    def forecast(daily_revenue: pa.Table) -> pa.Table:
        rows = daily_revenue.to_pylist()
        if not rows:
            raise LookupError("no day")
        days = [row["day"] for row in rows]
        return pa.table({"day": days, "next": [float(row["revenue"]) * 2 for row in rows]})
    """
ROUTER = """\
    from fastapi import APIRouter
    from headrace.serve import SnapshotDep

    router = APIRouter()

    @router.get("/best")
    def best(data: SnapshotDep) -> dict[str, object]:
        [row] = data.query("SELECT max(revenue)::DOUBLE AS most FROM store_revenue")
        return {**row, "snapshot": data.number}

    @router.get("/secret")
    def secret(data: SnapshotDep) -> list[dict[str, object]]:
        return data.query("FROM read_text('headrace.toml')")
    """


def run(root: Path, tests: str, **files: str) -> list[Outcome]:
    """Run the tests of one file in the shop."""
    write_files(root, SHOP | files | {"tests/t.yaml": tests})
    with closing(open_suite(root)) as suite:
        return list(suite.run(suite.tests))


def passed(root: Path, tests: str, **files: str) -> None:
    outcomes = run(root, tests, **files)
    assert outcomes
    assert [(each.test.name, each.differences, each.error) for each in outcomes] == [
        (each.test.name, (), "") for each in outcomes
    ]


def problems(root: Path, tests: str, **files: str) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        run(root, tests, **files)
    return [str(problem).replace("tests/t.yaml", "t") for problem in caught.value.problems]


def test_models_in_between_are_computed(tmp_path: Path) -> None:
    tests = """\
        - test: cities add up
          given:
            ORDERS:
            - {store_id: 10, amount: 1.50}
            - {store_id: 10, amount: 2}
            stores: [{store_id: 10, CITY: Lyon}]
          expect:
            store_revenue: [{city: Lyon, revenue: 3.5}]
            cities: [{city: Lyon}]
            daily_revenue: [{orders: 2}]
        - test: they are not, where they are given
          given:
            daily_revenue: [{store_id: 10, revenue: 9}]
            stores: [{store_id: 10}]
          expect: {store_revenue: [{revenue: 9}]}
        - test: nothing is seen of another test
          expect: {store_revenue: [], daily_revenue: []}
        """
    passed(tmp_path, tests)


def test_nothing_is_written_but_the_compile_cache(tmp_path: Path) -> None:
    passed(tmp_path, "- {test: none, expect: {cities: []}}\n")
    assert [path.name for path in (tmp_path / ".headrace").rglob("*")] == ["cache", "compiled.json"]


def test_what_differs_is_found_and_what_was_not_given_is_named(tmp_path: Path) -> None:
    tests = """\
        - test: one
          given: {stores: [{store_id: 10, city: Lyon}]}
          expect:
            cities: [{city: Lyon}]
            store_revenue: [{city: Lyon}]
        """
    [outcome] = run(tmp_path, tests)
    [difference] = outcome.differences
    assert isinstance(difference, TableDifference)
    assert (difference.table, len(difference.pairs), outcome.empty) == (
        "store_revenue",
        1,
        ("orders",),
    )


def test_a_row_where_none_is_expected_is_found_whole(tmp_path: Path) -> None:
    tests = """\
        - test: none
          given: {stores: [{city: Lyon}]}
          expect: {cities: []}
        - test: two of whatever kind
          given: {stores: [{city: Lyon}, {city: Oslo}]}
          expect: {cities: [{}, {}]}
        """
    none, two = run(tmp_path, tests)
    [difference] = none.differences
    assert isinstance(difference, TableDifference)
    assert [pair.found and pair.found.texts for pair in difference.pairs] == [("Lyon",)]
    assert two.passed


def test_the_order_is_compared_when_asked_for(tmp_path: Path) -> None:
    tests = """\
        - test: wrong
          ordered: true
          given: {stores: [{store_id: 1}, {store_id: 2}]}
          expect: {sorted: [{store_id: 1}, {store_id: 2}]}
        - test: right
          ordered: true
          given: {stores: [{store_id: 1}, {store_id: 2}]}
          expect: {sorted: [{store_id: 2}, {store_id: 1}]}
        """
    model = {"models/sorted.sql": "SELECT store_id FROM stores ORDER BY store_id DESC\n"}
    assert [each.passed for each in run(tmp_path, tests, **model)] == [False, True]


def test_rows_may_be_in_a_csv_file(tmp_path: Path) -> None:
    tests = """\
        - test: csv
          given: {stores: tests/stores.csv}
          expect: {cities: tests/cities.csv}
        """
    files = {
        "tests/stores.csv": "store_id,city\n10,Lyon\n11,\n12,Lyon\n",
        "tests/cities.csv": 'city\nLyon\n""\n',
    }
    passed(tmp_path, tests, **files)


def test_quarantined_rows_can_be_given(tmp_path: Path) -> None:
    tests = """\
        - test: reasons
          given: {orders__quarantine: [{column_name: amount}, {column_name: amount, line: 7}]}
          expect: {reasons: [{column_name: amount, rows: 2}]}
        """
    model = {
        "models/reasons.sql": """\
            SELECT column_name, count(*) AS "rows" FROM orders__quarantine GROUP BY 1
            """
    }
    passed(tmp_path, tests, **model)


def test_endpoints_are_answered_as_they_are_served(tmp_path: Path) -> None:
    tests = """\
        - test: rows
          given: {orders: [{store_id: 10, ordered_at: 2024-03-01 10:00, amount: 2}]}
          get: /stores/10/revenue
          expect: {body: [{day: 2024-03-01, revenue: 2.00, orders: 1}]}
        - test: another format
          given: {daily_revenue: [{store_id: 10, day: 2024-03-01, revenue: 2, orders: 3}]}
          get: /stores/10/revenue.csv?since=2024-01-01
          expect: {body: "day,revenue,orders\\n2024-03-01,2.00,3\\n"}
        - test: a bad parameter
          get: /stores/10/revenue?since=x&untl=1
          expect:
            status: 422
            body: {errors: [{parameter: untl}, {parameter: since}]}
        - test: nothing there
          get: /nothing
          expect: {status: 404}
        """
    passed(tmp_path, tests)


TENANTS_TEST = """\
- test: {name}
  given:
    orders:
    - {{order_id: 1, store_id: 10, franchise: north, day: 2024-03-01, amount: 2, email: a@x}}
    - {{order_id: 2, store_id: 11, franchise: south, day: 2024-03-01, amount: 3, email: b@x}}
  get: {get}
{who}
  expect: {expect}
"""


@pytest.mark.parametrize(
    ("get", "who", "expect"),
    [
        ("/stores/10/revenue", "  as: nobody", "{status: 401}"),
        ("/stores/10/revenue", "", "{status: 401}"),
        ("/nothing", "  as: {roles: [analyst]}", "{status: 404}"),
        ("/stores/10/revenue", "  as: {}", "{status: 404}"),
        ("/stores/10/revenue", "  as: {roles: crm}", "{status: 404}"),
        ("/stores/10/revenue", "  as: {roles: analyst}", "{body: [{revenue: 2, orders: 1}]}"),
        ("/stores/10/revenue", "  as: {roles: store_manager}", "{body: []}"),
        (
            "/stores/10/revenue",
            "  as: {roles: [store_manager], claims: {store_id: 10}}",
            "{body: [{revenue: 2}]}",
        ),
        (
            "/stores/11/revenue",
            "  as: {roles: [store_manager], claims: {store_id: 10}}",
            "{body: []}",
        ),
        (
            "/orders?fields=order_id,email",
            "  as: {roles: [franchisee, analyst], claims: {tenant: south}}",
            "{body: [{email: a@x}, {email: b@x}]}",
        ),
        (
            "/orders?fields=order_id",
            "  as: {roles: [franchisee], claims: {tenant: south}, scopes: [some]}",
            "{body: [{order_id: 2}]}",
        ),
    ],
)
def test_a_test_says_who_asks(tmp_path: Path, get: str, who: str, expect: str) -> None:
    tests = TENANTS_TEST.format(name="a", get=get, who=who, expect=expect).replace("\n\n", "\n")
    write_files(tmp_path, TENANTS | {"tests/t.yaml": tests})
    with closing(open_suite(tmp_path)) as suite:
        [outcome] = suite.run(suite.tests)
    assert (outcome.differences, outcome.error) == ((), "")


def test_a_hash_is_the_same_in_every_run(tmp_path: Path) -> None:
    """So that a test may expect it."""
    hashed = [hash_of_an_address(tmp_path / name) for name in ("a", "b")]
    assert hashed[0] == hashed[1]
    assert len(hashed[0]) == 64


def hash_of_an_address(root: Path) -> str:
    tests = TENANTS_TEST.format(
        name="a",
        get="/orders?fields=email",
        who="  as: {roles: [store_manager], claims: {store_id: 10}}",
        expect="{body: [{email: ~}]}",
    )
    write_files(root, TENANTS | {"tests/t.yaml": tests})
    with closing(open_suite(root)) as suite:
        [outcome] = suite.run(suite.tests)
    [difference] = outcome.differences
    assert isinstance(difference, AnswerDifference)
    [line] = difference.lines
    return line.rpartition("found ")[2].strip('"')


def test_routers_answer_too_and_read_no_file(tmp_path: Path) -> None:
    tests = """\
        - test: best
          given:
            orders: [{store_id: 10, amount: 2}]
            stores: [{store_id: 10}]
          get: /best
          expect: {body: {most: 2.0, snapshot: 1}}
        - test: secret
          get: /secret
          expect: {status: 500}
        """
    passed(tmp_path, tests, **{"endpoints/best.py": ROUTER})


def test_a_router_that_cannot_be_imported_fails_its_tests(tmp_path: Path) -> None:
    tests = "- {test: best, get: /best, expect: {status: 200}}\n"
    router = "from fastapi import APIRouter\nrouter = APIRouter()\n1 / 0\n"
    [outcome] = run(tmp_path, tests, **{"endpoints/best.py": router})
    assert outcome.error == "the routers cannot be imported: ZeroDivisionError: division by zero"


def test_what_serving_logs_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tests = """\
        - test: broken
          given: {stores: [{city: Lyon}]}
          get: /broken
          expect: {body: []}
        """
    endpoint = {"endpoints/broken.sql": "SELECT CAST(city AS INTEGER) AS n FROM stores\n"}
    [outcome] = run(tmp_path, tests, **endpoint)
    [difference] = outcome.differences
    assert isinstance(difference, AnswerDifference)
    assert difference.lines[0] == "status: expected 200, found 500"
    assert "Could not convert string 'Lyon' to INT32" in difference.lines[-1]
    assert caplog.records == []


def test_python_models_run_and_show_their_columns(tmp_path: Path) -> None:
    tests = """\
        - test: what reads it is computed, too
          given: {orders: [{ordered_at: 2024-03-01 10:00, amount: 2}]}
          expect:
            forecast: [{day: 2024-03-01, next: 4}]
            doubled: [{twice: 8}]
        - test: an endpoint over it
          given: {orders: [{ordered_at: 2024-03-01 10:00, amount: 3}]}
          get: /doubled
          expect: {body: [{twice: 12.0}]}
        - test: what it raises has its place
          expect: {doubled: []}
        - test: a column that it does not return
          given: {orders: [{amount: 2}]}
          expect: {forecast: [{nxt: 4}]}
        """
    files = {
        "models/forecast.py": FORECAST,
        "models/doubled.sql": "SELECT next * 2 AS twice FROM forecast\n",
        "endpoints/doubled.sql": "SELECT twice FROM doubled\n",
    }
    outcomes = run(tmp_path, tests, **files)
    assert [(each.differences, each.error) for each in outcomes] == [
        ((), ""),
        ((), ""),
        ((), "models/forecast.py:8: LookupError: no day"),
        (
            (),
            "tests/t.yaml:14:24: `forecast` has no column `nxt`; did you mean `next`?",
        ),
    ]


def test_a_model_that_fails_says_where(tmp_path: Path) -> None:
    tests = """\
        - test: broken
          given: {stores: [{city: Lyon}]}
          expect: {broken: []}
        """
    model = {"models/broken.sql": "SELECT CAST(city AS INTEGER) AS n FROM stores\n"}
    [outcome] = run(tmp_path, tests, **model)
    assert outcome.error.startswith(
        "models/broken.sql:1: Conversion Error: Could not convert string 'Lyon' to INT32"
    )


OPEN = {
    "models/open_orders.sql": """\
        /* volatile: day */
        SELECT order_id, current_date - CAST(ordered_at AS DATE) AS days FROM orders
        """,
    "models/oldest.sql": "SELECT max(days) AS days FROM open_orders\n",
    "endpoints/oldest.sql": "SELECT days FROM oldest\n",
}


def test_a_test_says_what_time_it_is(tmp_path: Path) -> None:
    tests = """\
        - test: on the first
          at: 2024-03-01T00:00:00Z
          given: {orders: [{ordered_at: 2024-02-28 10:00}]}
          expect: {open_orders: [{days: 2}], oldest: [{days: 2}]}
        - test: a day later, by the clock of UTC
          at: 2024-03-03 00:30:00+01:00
          given: {orders: [{ordered_at: 2024-02-28 10:00}]}
          expect: {open_orders: [{days: 3}]}
        - test: through an endpoint
          at: 2024-03-11T00:00:00Z
          given: {orders: [{ordered_at: 2024-03-01 10:00}]}
          get: /oldest
          expect: {body: [{days: 10}]}
        - test: on the first, again
          at: 2024-03-01T00:00:00Z
          given: {orders: [{ordered_at: 2024-02-29 10:00}]}
          get: /oldest
          expect: {body: [{days: 1}]}
        - test: what is given is not computed
          given: {open_orders: [{days: 7}]}
          expect: {oldest: [{days: 7}]}
        - test: nothing volatile
          given: {stores: [{city: Lyon}]}
          expect: {cities: [{city: Lyon}]}
        """
    passed(tmp_path, tests, **OPEN)


def test_a_test_may_not_depend_on_today(tmp_path: Path) -> None:
    tests = """\
        - test: a
          expect: {oldest: []}
        - test: b
          get: /oldest
          expect: {status: 200}
        - test: c
          at: 2024-03-01
          expect: {oldest: []}
        """
    asks = (
        "`open_orders` asks for the time, and the test does not say what it is; expected `at:`,"
        " such as `at: 2024-03-01T00:00:00Z`; or give the rows of `open_orders`"
    )
    assert problems(tmp_path, tests, **OPEN) == [
        f"t:1:3: {asks}",
        f"t:3:3: {asks}",
        (
            "t:7:7: `at` is '2024-03-01'; expected a time with its zone, such as"
            " `2024-03-01T00:00:00Z`"
        ),
    ]


def test_a_router_may_read_what_asks_for_the_time(tmp_path: Path) -> None:
    tests = "- {test: best, get: /best, expect: {status: 200}}\n"
    [problem] = problems(tmp_path, tests, **OPEN, **{"endpoints/best.py": ROUTER})
    assert problem.startswith("t:1:3: `open_orders` asks for the time")


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    tests = """\
        - test: a
          given: {ordrs: [], orders: [{store: 7, amount: 1.239}, {product: 1}]}
          expect: {orders: [], daily_revenue: [{store_id: 7}, {day: 2024-03-32}]}
        - test: b
          given: {cities: []}
          expect: {cities: []}
        - test: c
          given: {forecast: [{}]}
          expect: {cities: []}
        - test: b
          expect: {cities: []}
        """
    assert problems(tmp_path, tests, **{"models/forecast.py": FORECAST}) == [
        "t:2:11: `ordrs` is not a table of this project; did you mean `orders`?",
        "t:2:32: `orders` has no column `store`; did you mean `store_id`?",
        "t:2:50: `amount` is 1.239; expected a value of type DECIMAL(12,2)",
        (
            "t:2:59: `orders` has no column `product`; its columns are `order_id`,"
            " `store_id`, `ordered_at`, `amount`"
        ),
        "t:3:12: `orders` is a source; expected a model, whose rows are computed",
        (
            "t:3:40: this row does not name `day`, which other rows name;"
            " expected the same columns in every row"
        ),
        "t:3:61: `day` is '2024-03-32'; expected a value of type DATE",
        ("t:6:12: `cities` is given, so nothing of it is computed; give rows of what it reads"),
        (
            "t:8:11: the columns of `forecast` are not known before it has run; declare"
            " their types in models/forecast.py, or give rows of what it reads"
        ),
        (
            "t:10:3: the test 'b' is already in line 4; expected a name of its own for each"
            " test of a file"
        ),
    ]


def test_mistakes_of_the_project_are_among_them(tmp_path: Path) -> None:
    found = problems(tmp_path, "- 7\n", **{"models/cities.sql": "SELECT town FROM stores\n"})
    assert [each.partition(": ")[0] for each in found] == [
        "models/cities.sql:1:8",
        "t:1:3",
    ]


def test_a_hundred_tests_take_no_longer_than_a_few_of_them_allow(tmp_path: Path) -> None:
    """The figure to keep is 5 s for the whole command; here, a bound that no machine misses."""
    one = """\
- test: {0}
  given:
    orders:
    - {{store_id: 10, ordered_at: 2024-03-01 10:00, amount: {0}}}
    - {{store_id: 11, ordered_at: 2024-03-01 10:00, amount: 1}}
    stores: [{{store_id: 10, city: Lyon}}, {{store_id: 11, city: Oslo}}]
"""
    models = (
        one
        + "  expect:\n"
        + "    store_revenue: [{{city: Lyon, revenue: {0}}}, {{city: Oslo, revenue: 1}}]\n"
    )
    endpoints = one + "  get: /stores/10/revenue\n  expect: {{body: [{{revenue: {0}}}]}}\n"
    tests = [models.format(n) for n in range(70)] + [endpoints.format(n) for n in range(70, 100)]
    started = time.process_time()
    passed(tmp_path, "".join(tests))
    assert time.process_time() - started < 5

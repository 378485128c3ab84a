"""Requests ask for what is in the data, as often as it is there; the same ones every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import pytest

from headrace.base.declarations import Value
from headrace.base.errors import UsageError
from headrace.base.tables import Column
from headrace.benching.drawing import Drawn, draw, target
from headrace.benching.sampling import sampling
from headrace.store.snapshots import Bound, EndpointContract, KeyedQuery, KeyPart, Parameter
from tests.cli.shops import Shop

ORDERS = """
SELECT CASE WHEN i % 10 = 0 THEN 11 ELSE 10 END AS store_id,
  DATE '2024-01-01' + CAST(i % 50 AS INTEGER) AS day,
  CASE WHEN i % 10 = 0 THEN 'Oslo/ä' ELSE 'Lyon' END AS city
FROM range(1000) AS t(i)
"""
STORE = Parameter("store_id", "path", "INTEGER", required=True, column="orders.store_id")
CITY = Parameter("city", "query", "VARCHAR", required=True, column="orders.city")
SINCE = Parameter("since", "query", "DATE", required=False, column="orders.day")
UNTIL = Parameter("until", "query", "DATE", required=False, column="orders.day")


def endpoint(
    *parameters: Parameter,
    path: str = "/orders",
    sql: str = "SELECT day FROM orders",
    keyed: KeyedQuery | None = None,
) -> EndpointContract:
    """A contract of an endpoint over `orders`."""
    return EndpointContract(
        name="found",
        path=path,
        recipe="recipe",
        sql=sql,
        tables=("orders",),
        parameters=parameters,
        columns=(Column("day", "DATE"),),
        limit=100,
        max_limit=1000,
        keyed=keyed,
    )


def drawn(
    shop: Shop,
    contract: EndpointContract,
    given: Mapping[str, Sequence[str]] | None = None,
    *,
    seed: int = 1,
    orders: str = ORDERS,
) -> Drawn:
    """What is drawn for an endpoint over a snapshot with orders."""
    ref = shop.publish({"orders": orders}, endpoints=())
    with sampling(shop.store.snapshot(ref), shop.store.data_root, seed, 500) as sampler:
        return draw(contract, sampler, given or {})


def queries(found: Drawn) -> list[dict[str, str]]:
    """The query of each request."""
    return [dict(parse_qsl(urlsplit(each).query)) for each in found.targets]


def test_values_come_as_often_as_rows_have_them(shop: Shop) -> None:
    found = drawn(shop, endpoint(STORE, path="/stores/{store_id}"))
    counts = Counter(found.targets)
    assert set(counts) == {"/stores/10", "/stores/11"}
    assert sum(counts.values()) == 500
    assert 20 < counts["/stores/11"] < 80


def test_parameters_of_one_table_have_values_of_one_row(shop: Shop) -> None:
    found = drawn(shop, endpoint(STORE, CITY, path="/stores/{store_id}"))
    assert set(found.targets) == {"/stores/10?city=Lyon", "/stores/11?city=Oslo%2F%C3%A4"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT day FROM orders WHERE day BETWEEN $since AND $until",
        "SELECT day FROM orders WHERE $since <= day AND $until > day",
    ],
)
def test_the_ends_of_a_range_are_two_values_in_order(shop: Shop, sql: str) -> None:
    found = queries(drawn(shop, endpoint(UNTIL, SINCE, sql=sql)))
    assert len({(each["since"], each["until"]) for each in found}) > 100
    assert all(each["since"] <= each["until"] for each in found)


def test_what_the_contract_says_of_a_range_counts_more_than_the_sql(shop: Shop) -> None:
    keyed = KeyedQuery(
        "SELECT day AS k0, day FROM orders",
        (KeyPart("DATE"),),
        low=Bound("since", inclusive=True),
        high=Bound("until", inclusive=False),
    )
    sql = "SELECT day FROM orders WHERE day < $until AND day >= $since"
    found = queries(drawn(shop, endpoint(SINCE, UNTIL, sql=sql, keyed=keyed)))
    assert all(each["since"] <= each["until"] for each in found)


def test_numbers_are_ordered_as_numbers(shop: Shop) -> None:
    low = Parameter("low", "query", "INTEGER", required=True, column="orders.n")
    high = Parameter("high", "query", "INTEGER", required=True, column="orders.n")
    contract = endpoint(low, high, sql="SELECT day FROM orders WHERE n BETWEEN $low AND $high")
    found = queries(drawn(shop, contract, orders="SELECT i AS n FROM range(200) AS t(i)"))
    assert all(int(each["low"]) <= int(each["high"]) for each in found)


def test_the_same_seed_draws_the_same_and_another_one_something_else(shop: Shop) -> None:
    contract = endpoint(SINCE, UNTIL)
    first = drawn(shop, contract)
    assert drawn(shop, contract) == first
    assert drawn(shop, contract, seed=2) != first


def test_a_list_gets_several_values(shop: Shop) -> None:
    days = Parameter("days", "query", "DATE[]", required=True, column="orders.day")
    found = drawn(shop, endpoint(days))
    assert {len(parse_qsl(urlsplit(each).query)) for each in found.targets} <= {1, 2, 3}
    assert "&" in found.targets[0]


@pytest.mark.parametrize(
    ("type_name", "value", "written"),
    [
        ("TIMESTAMP", "TIMESTAMP '2024-03-01 12:30:00.5'", "2024-03-01 12:30:00.5"),
        (
            "TIMESTAMP WITH TIME ZONE",
            "TIMESTAMPTZ '2024-03-01 12:30:00+02'",
            "2024-03-01T10:30:00.000000Z",
        ),
        ("BLOB", r"'\xAA\xAB'::BLOB", "qqs="),
        ("BOOLEAN", "true", "true"),
        ("DECIMAL(12,2)", "1.50::DECIMAL(12,2)", "1.50"),
        ("DOUBLE", "1e-7::DOUBLE", "1e-07"),
        ("TIME", "TIME '12:30:01'", "12:30:01"),
        ("DATE", "TIMESTAMP '2024-03-01 12:30:00'", "2024-03-01"),
    ],
)
def test_a_value_is_written_as_a_client_writes_it(
    shop: Shop, type_name: str, value: str, written: str
) -> None:
    parameter = Parameter("x", "query", type_name, required=True, column="orders.x")
    found = drawn(shop, endpoint(parameter), orders=f"SELECT {value} AS x")
    assert {each["x"] for each in queries(found)} == {written}


@pytest.mark.parametrize(
    "parameter",
    [
        Parameter("n", "query", "INTEGER", required=True, column="orders.n", min=5),
        Parameter("n", "query", "TINYINT", required=True, column="orders.n", pattern="[5-9]"),
        Parameter("n", "query", "INTEGER", required=True, column="orders.n", enum=(5, 7, 400)),
    ],
)
def test_values_that_break_the_parameters_rules_are_left_out(
    shop: Shop, parameter: Parameter
) -> None:
    orders = "SELECT CASE WHEN i < 10 THEN i ELSE NULL END AS n FROM range(20) AS t(i)"
    found = {int(each["n"]) for each in queries(drawn(shop, endpoint(parameter), orders=orders))}
    assert found == ({5, 7} if parameter.enum else {5, 6, 7, 8, 9})


def test_what_is_compared_with_no_column_comes_from_its_rules(shop: Shop) -> None:
    found = drawn(
        shop,
        endpoint(
            Parameter("kind", "query", "VARCHAR", required=False, default="a", enum=("a", "b")),
            Parameter("number", "query", "INTEGER", required=True, min=3, max=5),
            Parameter("share", "query", "DOUBLE", required=True, min=0.5, max=1),
            Parameter("open", "query", "BOOLEAN", required=True),
            Parameter("left", "query", "VARCHAR", required=False, default=None),
        ),
    )
    values = queries(found)
    assert {each["kind"] for each in values} == {"a", "b"}
    assert {each["number"] for each in values} == {"3", "4", "5"}
    assert {each["share"] for each in values} == {"0.5", "1"}
    assert {each["open"] for each in values} == {"true", "false"}
    assert not any("left" in each for each in values)


def test_without_parameters_there_is_one_request(shop: Shop) -> None:
    assert drawn(shop, endpoint()).targets == ("/orders",)


def test_given_values_are_the_only_ones(shop: Shop) -> None:
    given = {"store_id": ["7", "8"], "limit": ["5"], "elsewhere": ["x"]}
    found = drawn(shop, endpoint(STORE, path="/stores/{store_id}"), given)
    assert set(found.targets) == {"/stores/7?limit=5", "/stores/8?limit=5"}


def test_a_given_value_that_does_not_fit_is_refused(shop: Shop) -> None:
    with pytest.raises(UsageError) as caught:
        drawn(shop, endpoint(STORE, path="/stores/{store_id}"), {"store_id": ["seven"]})
    assert str(caught.value) == (
        "--param store_id=seven: found 'seven'; expected an integer from -2147483648 to 2147483647"
    )


@pytest.mark.parametrize("column", ["", "nowhere.q", "orders.nothing"])
@pytest.mark.parametrize("low", [None, 1])
def test_what_nothing_is_known_of_is_not_asked_for(shop: Shop, column: str, low: Value) -> None:
    parameter = Parameter("q", "query", "BIGINT", required=True, min=low, column=column)
    found = drawn(shop, endpoint(parameter))
    assert found.targets == ()
    assert found.missing == (
        "`q` is compared with no column, and has neither a default, nor `enum`, nor both `min` and"
        " `max`; `--param q=…` gives it a value"
    )


def test_a_column_without_values_is_not_asked_for(shop: Shop) -> None:
    found = drawn(shop, endpoint(CITY), orders="SELECT NULL::VARCHAR AS city")
    assert found.missing == (
        "no row of `orders` has a value that `city` may take; `--param city=…` gives it a value"
    )


@pytest.mark.parametrize(
    ("value", "path"),
    [("a.csv", "/files/a.csv.json"), ("a/b c", "/files/a%2Fb%20c"), ("plain", "/files/plain")],
)
def test_a_value_in_a_path_stays_a_value(value: str, path: str) -> None:
    parameter = Parameter("name", "path", "VARCHAR", required=True)
    assert target(endpoint(parameter, path="/files/{name}"), {"name": [value]}) == path


def test_an_empty_text_has_no_path(shop: Shop) -> None:
    parameter = Parameter("city", "path", "VARCHAR", required=True, column="orders.city")
    found = drawn(
        shop,
        endpoint(parameter, path="/cities/{city}"),
        orders="SELECT unnest(['', 'Lyon']) AS city",
    )
    assert set(found.targets) == {"/cities/Lyon"}

"""Contracts of endpoints: parameters, columns, lineage to sources, and wrong headers."""

from __future__ import annotations

import pytest

from headrace.base.declarations import ParameterRules
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.store.snapshots import Bound, EndpointContract, KeyedQuery, KeyPart, Parameter
from tests.pipeline.compile.projects import (
    ORDERS,
    compiled,
    endpoint,
    model,
    problems,
    source,
)

DAILY = model("daily", "SELECT store_id, day, sum(amount) AS revenue FROM orders GROUP BY ALL")
REVENUE = "SELECT day, revenue FROM daily WHERE store_id = $store_id AND day >= $since"
AT = Place("endpoints/e.sql", 3)


def contract(sql: str, path: str = "/e", **rest: object) -> EndpointContract:
    return compiled(DAILY, endpoint("e", sql, path, **rest)).endpoints[0]


def test_a_contract_holds_all_that_serving_needs() -> None:
    rules = (ParameterRules("store_id", AT, min=1, description="Which store."),)
    found = contract(
        REVENUE, "/stores/{store_id}/revenue", defaults={"since": "2024-01-01"}, params=rules
    )
    assert found.sql == (
        'SELECT "day", revenue FROM daily WHERE ((store_id = CAST($store_id AS INTEGER))'
        ' AND ("day" >= CAST($since AS DATE)))'
    )
    assert found.parameters == (
        Parameter(
            *("store_id", "path", "INTEGER", True),
            min=1,
            description="Which store.",
            column="daily.store_id",
        ),
        Parameter(*("since", "query", "DATE", False), default="2024-01-01", column="daily.day"),
    )
    assert found.columns == (Column("day", "DATE"), Column("revenue", "DECIMAL(38,2)"))
    assert found.tables == ("daily",)
    assert found.lineage == {"day": ("orders.day",), "revenue": ("orders.amount",)}
    assert (found.limit, found.max_limit) == (1000, 10_000)
    assert found.access_path == "keyed"
    assert found.reason == "store_id = $store_id, day from $since, in order of day"
    assert found.keyed == KeyedQuery(
        'SELECT store_id AS k0, "day" AS k1, "day", revenue FROM daily'
        ' WHERE ((store_id IS NOT NULL) AND ("day" IS NOT NULL))',
        (KeyPart("INTEGER"), KeyPart("DATE")),
        equal=("store_id",),
        low=Bound("since", inclusive=True),
        by_cell="daily",
    )


def test_a_query_that_pages_itself_has_no_caps_of_ours() -> None:
    found = contract("FROM daily ORDER BY day LIMIT $limit OFFSET $offset", defaults={"offset": 0})
    assert (found.limit, found.max_limit) == (0, 0)
    assert [each.type for each in found.parameters] == ["BIGINT", "BIGINT"]


def test_a_default_of_null_makes_a_parameter_optional() -> None:
    [parameter] = contract(
        "FROM daily WHERE $s IS NULL OR store_id = $s", defaults={"s": None}
    ).parameters
    assert (parameter.required, parameter.default) == (False, None)


def test_the_recipe_follows_the_rule_of_the_answer_and_not_its_description() -> None:
    plain = contract("FROM daily WHERE day = $d")
    again = contract("from daily -- x\nwhere day = $d;", description="other")
    assert (again.recipe, again.sql) == (plain.recipe, plain.sql)
    assert contract("FROM daily WHERE day = $d", limit=5).recipe != plain.recipe
    assert contract("FROM daily WHERE day = $d", defaults={"d": None}).recipe != plain.recipe
    assert contract("FROM daily WHERE day > $d").recipe != plain.recipe


def test_what_is_opened_is_in_the_contract_and_not_in_the_recipe() -> None:
    plain = contract("FROM daily")
    opened = contract("FROM daily", filters=(("day", AT),), sort=(("revenue", AT), ("day", AT)))
    assert (opened.filters, opened.sorts) == (("day",), ("revenue", "day"))
    assert opened.recipe == plain.recipe


def test_only_fields_of_one_value_can_be_opened() -> None:
    sql = "SELECT day, [revenue] AS list, {'a': day} AS pair FROM daily"
    found = problems(
        DAILY,
        endpoint("e", sql, filters=(("dey", AT), ("list", AT)), sort=(("pair", AT), ("z", AT))),
    )
    one = "expected a field of one value: a number, a text, a date, a time, a boolean; leave it out"
    none = "and the answer has no such field"
    assert found == [
        f"endpoints/e.sql:3: `filters` names `dey`, {none}; did you mean `day`?",
        f"endpoints/e.sql:3: `filters` names `list`, which is DECIMAL(38,2)[]; {one}",
        f"endpoints/e.sql:3: `sort` names `pair`, which is STRUCT(a DATE); {one}",
        f"endpoints/e.sql:3: `sort` names `z`, {none}; its fields are `day`, `list`, `pair`",
    ]


def rules(name: str, **rest: object) -> ParameterRules:
    return ParameterRules(name, AT, **rest)  # type: ignore[arg-type] # fields by name


WRONG = [
    (
        {"path": "/stores/{store}/x"},
        (
            "endpoints/e.sql:1: the path has {store}, and the query has no `$store`;"
            " did you mean `store_id`?"
        ),
    ),
    (
        {"defaults": {"sins": "2024-01-01"}},
        (
            "endpoints/e.sql:1: `defaults` names `sins`, and the query has no `$sins`;"
            " did you mean `since`?"
        ),
    ),
    (
        {"params": (rules("zzz"),)},
        (
            "endpoints/e.sql:3: `params` names `zzz`, and the query has no `$zzz`;"
            " its parameters are `$store_id`, `$since`, `$q`"
        ),
    ),
    (
        {"params": (rules("since", type="dat"),)},
        "endpoints/e.sql:3: 'dat' is not a type; did you mean `date`?",
    ),
    (
        {"defaults": {"since": "January"}},
        "endpoints/e.sql:1: parameter `since`: default is 'January'; expected a DATE",
    ),
    (
        {"params": (rules("store_id", min="a"),)},
        "endpoints/e.sql:3: parameter `store_id`: min is 'a'; expected a INTEGER",
    ),
    (
        {"params": (rules("store_id", enum=(1, "b")),)},
        "endpoints/e.sql:3: parameter `store_id`: enum is 'b'; expected a INTEGER",
    ),
    (
        {"params": (rules("store_id", min=1, max=5),), "defaults": {"store_id": 9}},
        (
            "endpoints/e.sql:3: parameter `store_id`: default 9 is outside its own min and max;"
            " expected 1 to 5"
        ),
    ),
    (
        {"params": (rules("store_id", enum=(1, 2)),), "defaults": {"store_id": 9}},
        (
            "endpoints/e.sql:3: parameter `store_id`: default 9 is not in its own enum;"
            " expected one of `1`, `2`"
        ),
    ),
    (
        {"params": (rules("q", type="text", min=1),)},
        "endpoints/e.sql:3: parameter `q`: min is 1; expected a VARCHAR",
    ),
    (
        {"params": (rules("q", type="text", max="b"),)},
        (
            "endpoints/e.sql:3: parameter `q`: VARCHAR has no order, so it can have no min or max;"
            " use `enum` or `pattern`"
        ),
    ),
    (
        {"params": (rules("store_id", pattern="a+"),)},
        "endpoints/e.sql:3: parameter `store_id`: pattern is for text, and it is INTEGER",
    ),
    (
        {"params": (rules("q", type="text", pattern="a("),)},
        (
            "endpoints/e.sql:3: parameter `q`: pattern 'a(': missing ), unterminated subpattern"
            " at position 1; expected a regular expression"
        ),
    ),
]


@pytest.mark.parametrize(("header", "text"), WRONG, ids=[text for _, text in WRONG])
def test_a_header_that_does_not_fit_its_query_is_told(header: dict[str, object], text: str) -> None:
    sql = f"{REVENUE} AND 'x' LIKE $q"
    assert problems(DAILY, endpoint("e", sql, **header)) == [text]  # type: ignore[arg-type] # fields by name


def test_of_a_query_that_cannot_be_read_nothing_else_is_told() -> None:
    found = problems(
        DAILY, endpoint("e", "SELEC day", "/{store_id}", defaults={"since": "2024-01-01"})
    )
    assert found == [
        'endpoints/e.sql:1:1: syntax error at or near "SELEC"; expected one SELECT',
    ]


WRONG_SQL = [
    (
        "FROM daily WHERE day = ?",
        "endpoints/e.sql:1:24: a parameter without a name; expected `$name`",
    ),
    (
        "FROM daily OFFSET $offset",
        "endpoints/e.sql:1:19: `$offset` without `$limit`; use both, or none of them",
    ),
    (
        "SELECT day, revenue AS Day FROM daily",
        "endpoints/e.sql:1: two columns are named `Day`; name one of them with AS",
    ),
    (
        "SELECT day FROM daily WHERE day > current_date",
        (
            "endpoints/e.sql:1:35: `current_date` gives another value at every run; expected an"
            " answer that follows from its snapshot; select it in a model with `volatile: day` in"
            " its header, and read that"
        ),
    ),
    (
        "SELECT $x AS x FROM daily",
        (
            "endpoints/e.sql:1:8: parameter `$x`: its type does not follow from its use;"
            " expected one type; say it in the header: params: {x: {type: …}}"
        ),
    ),
]


@pytest.mark.parametrize(("sql", "text"), WRONG_SQL, ids=[sql for sql, _ in WRONG_SQL])
def test_a_query_that_cannot_be_served_is_told(sql: str, text: str) -> None:
    assert problems(DAILY, endpoint("e", sql)) == [text]


def test_what_has_few_answers_is_kept_whatever_its_query() -> None:
    flag = ParameterRules("f", AT, type="boolean")
    kinds = ParameterRules("q", AT, enum=("a", "b"))
    assert chosen("FROM daily WHERE day > '2024-01-01'") == (
        "cache",
        "it has no parameters, so its answers are kept",
    )
    assert chosen("FROM daily ORDER BY day LIMIT $limit") == (
        "cache",
        "it has no parameters but those that page, so its answers are kept",
    )
    # Two values of one, and two or NULL of the other.
    assert chosen(
        "FROM daily WHERE 'a' LIKE $q OR $f", params=(flag, kinds), defaults={"q": None}
    ) == ("cache", "its parameters allow 6 answers, so all of them are kept")
    many = ParameterRules("q", AT, enum=tuple(map(str, range(65))))
    assert chosen("FROM daily WHERE 'a' LIKE $q", params=(many,))[0] == "columnar"
    assert chosen("FROM daily WHERE store_id = $s", params=(rules("s", enum=(1, 2)),))[0] == "keyed"


def chosen(sql: str, **rest: object) -> tuple[str, str]:
    found = contract(sql, "/e", **rest)
    assert (found.access_path == "keyed") is (found.keyed is not None)
    return found.access_path, found.reason


def test_a_slow_endpoint_has_a_reason_with_its_line_and_advice() -> None:
    found = contract("FROM daily\nWHERE store_id = $s\n  AND day IN ($a, $b)")
    assert found.reason == "`day IN ($a, $b)` (line 3) asks for several values at once"
    assert found.advice == "compare with one value by =, and send one request for each"


def test_a_header_may_ask_for_an_access_path() -> None:
    assert chosen("FROM daily WHERE store_id = $s", serve="columnar") == (
        "columnar",
        "its header says `serve: columnar`",
    )
    assert chosen("FROM daily ORDER BY day", serve="keyed") == ("keyed", "in order of day")
    sql = "FROM daily\nWHERE store_id = $s OR day = $d"
    [text] = problems(DAILY, endpoint("e", sql, serve="keyed"))
    assert text == (
        "endpoints/e.sql:2:7: this cannot be served by key (`serve: keyed`): `store_id = $s OR day"
        " = $d` leaves a choice between conditions; give each choice an endpoint of its own, with"
        " conditions that all hold (AND)"
    )


def test_the_access_path_is_no_part_of_the_answers_rule() -> None:
    plain = contract("FROM daily WHERE store_id = $s")
    slow = contract("FROM daily WHERE store_id = $s", serve="columnar")
    assert (slow.recipe, slow.keyed) == (plain.recipe, None)


def test_opposite_orders_of_what_is_never_null_are_one_copy() -> None:
    orders = source("orders", ORDERS, key=("order_id",))
    sql = "SELECT qty FROM orders WHERE store_id = $s ORDER BY {}"
    found = compiled(
        orders,
        endpoint("up", sql.format("order_id")),
        endpoint("down", sql.format("order_id DESC")),
        endpoint("other", sql.format("day DESC")),
    ).endpoints
    up, down, other = (each.keyed for each in found)
    assert up is not None
    assert down is not None
    assert other is not None
    assert (up.sql, up.key) == (down.sql, down.key)
    assert (up.reverse, down.reverse) == (False, True)
    assert other.key[1] == KeyPart("DATE", nulls_first=True)

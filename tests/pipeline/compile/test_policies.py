"""Row policies from declarations to contracts: what is bound, and what is refused."""

from __future__ import annotations

from headrace.base.access import Access
from headrace.base.declarations import Endpoint, Model, RowRule, RowsDeclaration, Source
from headrace.base.errors import Place
from headrace.store.snapshots import Case, Claim, Scope
from tests.pipeline.compile.projects import ORDERS, compiled, endpoint, model, problems, source

KNOWN = Access("authenticated")


def rows(file: str, *rules: tuple[str, str], public: str = "") -> RowsDeclaration:
    """`rows:` on line 2 of a file: pairs of a role, "" for everybody, and a predicate."""
    place = Place(file, 2)
    return RowsDeclaration(place, tuple(RowRule(role, sql, place) for role, sql in rules), public)


def orders(*rules: tuple[str, str]) -> Source:
    """The source `orders` with rules of its rows."""
    return source("orders", ORDERS, rows=rows("sources/orders.yaml", *rules))


def daily(*rules: tuple[str, str], public: str = "") -> Model:
    """A model over `orders` with rules of its rows."""
    sql = "SELECT store_id, day, sum(amount) AS revenue FROM orders GROUP BY ALL"
    return model("daily", sql, rows=rows("models/daily.sql", *rules, public=public))


def asked(sql: str, access: Access = KNOWN, **rest: object) -> Endpoint:
    return endpoint("e", sql, access=access, **rest)


BY_STORE = ("", "store_id = $auth.store_id")


def test_an_endpoint_reads_a_table_through_its_rows() -> None:
    graph = compiled(orders(BY_STORE), daily(BY_STORE), asked("SELECT day, revenue FROM daily"))
    [contract] = graph.endpoints
    assert contract.sql == (
        'SELECT "day", revenue FROM (SELECT store_id, "day", revenue FROM daily WHERE'
        " (CAST($auth_case_0 AS BOOLEAN) AND (store_id = CAST($auth_store_id AS INTEGER))))"
        " AS daily"
    )
    assert contract.scope == Scope((Claim("store_id", "INTEGER"),), (Case("", ("store_id",)),))
    assert contract.access == KNOWN
    assert contract.parameters == ()
    assert (contract.access_path, contract.keyed) == ("columnar", None)


def test_a_model_over_a_scoped_table_says_who_sees_its_own_rows() -> None:
    unsaid = model("daily", "SELECT store_id, sum(amount) AS revenue FROM orders GROUP BY ALL")
    [problem] = problems(orders(BY_STORE), unsaid)
    assert problem == (
        "models/daily.sql:1: `daily` derives from `orders`, whose rows are seen by `store_id`, and"
        " does not say who sees its own; its `store_id` derive from that; expected `rows:` in its"
        " header; write `rows: store_id = $auth.store_id`, or"
        " `rows: {public: <why everybody may see all of it>}`"
    )

"""Whom a keyed copy answers under row policies, what its key is then, and who gets the query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from headrace.base.declarations import Hiding
from headrace.pipeline.compile.access_scoping import TableCases, scoping_of
from headrace.pipeline.compile.duckdb_analyst import DuckDBAnalyst
from headrace.pipeline.compile.queries import Access
from headrace.store.snapshots import (
    Case,
    Claim,
    ColumnMask,
    KeyedCase,
    RowCase,
    Scope,
    TablePolicy,
)
from tests.pipeline.compile.projects import schema
from tests.pipeline.compile.scopes import ALL, planned, rows

TABLES = {
    "sales": schema(
        {
            "store_id": "INTEGER",
            "region": "VARCHAR",
            "day": "DATE",
            "items": "INTEGER",
            "secret": "BOOLEAN",
        }
    ),
    "stores": schema({"store_id": "INTEGER", "region": "VARCHAR", "city": "VARCHAR"}),
    "staff": schema({"store_id": "BIGINT", "name": "VARCHAR"}),
}
OWN = "store_id = $auth_store_id"
# Everybody sees the rows of their own store; or managers do, and head office sees all.
OWN_ONLY = {"sales": rows(everybody=OWN)}
BY_ROLE = {"sales": rows(manager=OWN, head=ALL)}
BOTH_BY_ROLE = {name: rows(manager=OWN, head=ALL) for name in ("sales", "stores")}
THREE = {"sales": rows(manager=OWN, region="region = $auth_region", head=ALL)}
Policies = Mapping[str, TablePolicy]
GUARDED = (("s", "store_id"),)
BY_CLAIM = (KeyedCase((0,)),)
BY_PARAMETER = (KeyedCase((0,), GUARDED), KeyedCase((0, 1)), KeyedCase((1,)))


def access(analyst: DuckDBAnalyst, sql: str, policies: Policies, **types: str) -> Access:
    """How a query over the tables above is answered."""
    return planned(analyst, sql, TABLES, policies, types)[1]


KEYED = [
    # The parameter of the request is compared with the claim.
    ("SELECT day FROM sales WHERE store_id = $s ORDER BY day", BY_ROLE, ("s",), BY_PARAMETER),
    ("SELECT day FROM sales WHERE sales.store_id = $s", BY_ROLE, ("s",), BY_PARAMETER),
    ("SELECT day FROM sales x WHERE $s = x.store_id", BY_ROLE, ("s",), BY_PARAMETER),
    (
        "SELECT store_id, sum(items) AS n FROM sales WHERE store_id = $s AND day >= $d GROUP BY 1",
        BY_ROLE,
        ("s",),
        BY_PARAMETER,
    ),
    # Through joins that make two columns equal, in both tables.
    (
        "SELECT day, city FROM sales JOIN stores USING (store_id) WHERE store_id = $s",
        BOTH_BY_ROLE,
        ("s",),
        BY_PARAMETER,
    ),
    (
        (
            "SELECT day, city FROM sales a JOIN stores b ON a.store_id = b.store_id"
            " WHERE b.store_id = $s"
        ),
        BY_ROLE,
        ("s",),
        BY_PARAMETER,
    ),
    (
        "SELECT day, city FROM sales a, stores b WHERE a.store_id = b.store_id AND b.store_id = $s",
        BOTH_BY_ROLE,
        ("s",),
        BY_PARAMETER,
    ),
    # The side of an outer join of which every row is kept.
    (
        "SELECT day, city FROM sales a LEFT JOIN stores b USING (region) WHERE a.store_id = $s",
        BY_ROLE,
        ("s",),
        BY_PARAMETER,
    ),
    # The claim is a part of the key.
    ("SELECT day FROM sales ORDER BY day", OWN_ONLY, ("auth_store_id",), BY_CLAIM),
    ("SELECT day FROM sales WHERE region = $r", BY_ROLE, ("auth_store_id", "r"), BY_CLAIM),
    ("SELECT count(*) FROM sales WHERE day >= $d", BY_ROLE, ("auth_store_id",), BY_CLAIM),
    ("SELECT DISTINCT day FROM sales WHERE day >= $d", OWN_ONLY, ("auth_store_id",), BY_CLAIM),
    (
        "SELECT day, city FROM sales LEFT JOIN stores USING (store_id) WHERE day = $d",
        OWN_ONLY,
        ("auth_store_id", "d"),
        BY_CLAIM,
    ),
    # Each place where a table is read has its own part of the key.
    (
        "SELECT a.day FROM sales a JOIN sales b USING (day) WHERE a.region = $r",
        OWN_ONLY,
        ("auth_store_id", "auth_store_id", "r"),
        BY_CLAIM,
    ),
    # `staff.store_id` is a BIGINT: what is equal to it need not be so to another type.
    (
        "SELECT day FROM sales a JOIN staff b ON a.store_id = b.store_id WHERE b.store_id = $s",
        OWN_ONLY,
        ("auth_store_id", "s"),
        BY_CLAIM,
    ),
    # Fixed conditions of a policy choose the copy's rows.
    (
        "SELECT day FROM sales WHERE day = $d",
        {"sales": rows(everybody=f"NOT secret AND {OWN}")},
        ("auth_store_id", "d"),
        BY_CLAIM,
    ),
    # Where a table is read in a subquery, only those who see all of it are answered.
    (
        "SELECT city FROM stores WHERE city = $c AND store_id IN (SELECT store_id FROM sales)",
        BY_ROLE,
        ("c",),
        (KeyedCase((0, 1)), KeyedCase((1,))),
    ),
    (
        "SELECT city FROM stores LEFT JOIN sales USING (store_id) WHERE city = $c",
        BY_ROLE,
        ("c",),
        (KeyedCase((0, 1)), KeyedCase((1,))),
    ),
    # Two roles with one policy see what one of them sees.
    (
        "SELECT day FROM sales WHERE region = $r",
        {"sales": rows(manager=OWN, deputy=OWN)},
        ("auth_store_id", "r"),
        (KeyedCase((0,)), KeyedCase((0, 1)), KeyedCase((1,))),
    ),
    # The union of two policies is everything, or the query's to find.
    (
        "SELECT day FROM sales WHERE store_id = $s AND region = $r",
        THREE,
        ("s", "r"),
        (
            KeyedCase((0,), GUARDED),
            KeyedCase((0, 1, 2)),
            KeyedCase((0, 2)),
            KeyedCase((1,), (("r", "region"),)),
            KeyedCase((1, 2)),
            KeyedCase((2,)),
        ),
    ),
]


@pytest.mark.parametrize(("sql", "policies", "equal", "cases"), KEYED)
def test_a_copy_answers_those_whose_rows_it_can_tell(
    analyst: DuckDBAnalyst,
    sql: str,
    policies: Policies,
    equal: tuple[str, ...],
    cases: tuple[KeyedCase, ...],
) -> None:
    keyed = access(analyst, sql, policies).keyed
    assert keyed is not None
    assert (keyed.equal, keyed.cases) == (equal, cases)


SAID = [
    (
        "SELECT day FROM sales WHERE store_id = $s ORDER BY day",
        BY_ROLE,
        "store_id = $s, in order of day; `manager` where $s = $auth.store_id",
    ),
    (
        "SELECT day FROM sales WHERE region = $r",
        BY_ROLE,
        (
            "sales.store_id = $auth.store_id, region = $r; `head` is answered by queries: "
            "the copy is kept by `sales.store_id = $auth.store_id`, not for all rows"
        ),
    ),
    (
        "SELECT day FROM sales WHERE day = $d",
        THREE,
        (
            "sales.store_id = $auth.store_id, day = $d; `region` is answered by queries: "
            "the copy is kept by `sales.store_id = $auth.store_id`, not by "
            "`sales.region = $auth.region`; `head` is answered by queries: "
            "the copy is kept by `sales.store_id = $auth.store_id`, not for all rows"
        ),
    ),
    (
        "SELECT city FROM stores LEFT JOIN sales USING (store_id) WHERE city = $c",
        BY_ROLE,
        (
            "city = $c; `manager` is answered by queries: "
            "`sales` is read within a subquery, or where a join pads its rows"
        ),
    ),
]


@pytest.mark.parametrize(("sql", "policies", "says"), SAID)
def test_who_is_answered_by_queries_is_said(
    analyst: DuckDBAnalyst, sql: str, policies: Policies, says: str
) -> None:
    assert access(analyst, sql, policies).says == says


def test_fixed_conditions_of_a_policy_are_said(analyst: DuckDBAnalyst) -> None:
    policies = {"sales": rows(manager=f"{OWN} AND NOT secret", auditor="secret", head=ALL)}
    found = access(analyst, "SELECT day, items FROM sales WHERE region = $r ORDER BY ALL", policies)
    kept = "the copy is kept by `sales.store_id = $auth.store_id` and fixed conditions"
    assert found.says == (
        "sales.store_id = $auth.store_id, region = $r, in order of day, items; "
        f"`auditor` is answered by queries: {kept}, not by fixed conditions; "
        f"`head` is answered by queries: {kept}, not for all rows"
    )


DEPENDS = "asks for rows that depend on who asks: everybody is answered by queries: "
NOT_KEYED = [
    (
        "SELECT city FROM stores LEFT JOIN sales USING (store_id) WHERE city = $c",
        OWN_ONLY,
        f"{DEPENDS}`sales` is read within a subquery, or where a join pads its rows",
    ),
    (
        "WITH own AS (FROM sales) SELECT day FROM own WHERE store_id = $s",
        OWN_ONLY,
        f"{DEPENDS}`sales` is read within a subquery, or where a join pads its rows",
    ),
    (
        "SELECT day FROM sales ASOF JOIN stores ON sales.day > stores.city::DATE",
        {"stores": rows(everybody=OWN)},
        f"{DEPENDS}`stores` is read within a subquery, or where a join pads its rows",
    ),
    (
        "SELECT day FROM sales AS x(a, b, day) WHERE day = $d",
        OWN_ONLY,
        f"{DEPENDS}`sales` is read within a subquery, or where a join pads its rows",
    ),
    (
        "SELECT day FROM sales WHERE store_id = $s",
        {"sales": rows(everybody="store_id IN ($auth_stores, 1)")},
        f"{DEPENDS}the policy of `sales` asks for several values at once",
    ),
    (
        "SELECT day FROM sales WHERE store_id = $s",
        {"sales": rows(everybody="day >= $auth_since")},
        f"{DEPENDS}the policy of `sales` asks for a range",
    ),
    (
        "SELECT day FROM sales WHERE store_id = $s",
        {"sales": rows(everybody=f"{OWN} AND store_id IN (SELECT 1)")},
        f"{DEPENDS}the policy of `sales` asks another query",
    ),
    (
        "SELECT day FROM sales",
        {"sales": rows(everybody="store_id = $auth_score")},
        (
            f"{DEPENDS}the rows that they see cannot be kept by key: it compares "
            "`sales.store_id`, an INTEGER, with a DOUBLE: no key of a copy does"
        ),
    ),
    (
        "SELECT day FROM sales",
        {"sales": rows()},
        f"{DEPENDS}they see no rows of `sales`",
    ),
    (
        "SELECT day FROM sales WHERE region LIKE $r",
        BY_ROLE,
        "compares with a pattern",
    ),
    (
        "SELECT day FROM sales WHERE store_id = $auth_store_id",
        OWN_ONLY,
        "has a parameter `$auth_store_id`, and those of whoever asks begin so",
    ),
]


@pytest.mark.parametrize(("sql", "policies", "says"), NOT_KEYED)
def test_what_cannot_be_proven_is_not_keyed(
    analyst: DuckDBAnalyst, sql: str, policies: Policies, says: str
) -> None:
    found = access(analyst, sql, policies)
    assert found.keyed is None
    assert found.says == says


def test_what_holds_for_everybody_chooses_the_rows_of_a_copy(analyst: DuckDBAnalyst) -> None:
    always = {"sales": rows(everybody="NOT secret")}
    found = access(analyst, "SELECT day FROM sales WHERE store_id = $s", always)
    assert found.keyed is not None
    assert (found.keyed.equal, found.keyed.cases) == (("s",), ())
    assert found.keyed.sql == (
        'SELECT store_id AS k0, "day" FROM sales WHERE ((NOT sales."secret") AND'
        " (store_id IS NOT NULL))"
    )
    also = {"sales": rows(everybody="NOT secret", head=ALL)}
    found = access(analyst, "SELECT day FROM sales WHERE store_id = $s", also)
    assert found.keyed is not None
    assert found.keyed.cases == (KeyedCase((0,)),)


@pytest.mark.parametrize("hide", ["masked", "hashed", "absent"])
def test_a_table_with_a_hidden_column_is_in_no_copy(analyst: DuckDBAnalyst, hide: Hiding) -> None:
    mask = ColumnMask("region", ("crm",), hide)
    masked = {"sales": replace(BY_ROLE["sales"], masks=(mask,))}
    found = access(analyst, "SELECT day FROM sales WHERE store_id = $s", masked)
    assert found.keyed is None
    assert found.says == (
        "reads a table with a column that not everybody may see, and a copy holds all of them"
    )


def test_policies_are_taken_by_the_numbers_of_the_scope() -> None:
    own = Case("manager", ("store_id",))
    scope = Scope((Claim("store_id", "INTEGER"),), (Case("head"), own))
    policies = {
        "sales": TablePolicy(
            rows=(
                RowCase("manager", OWN, ("store_id",)),
                RowCase("head"),
                RowCase("", "NOT secret"),
            )
        ),
        "stores": TablePolicy(),
        "staff": TablePolicy(rows=()),
    }

    def read(text: str) -> dict[str, str]:
        return {"text": text}

    found = scoping_of(policies, scope, read)
    assert found.tables == (
        TableCases("sales", ((1, read(OWN)), (0, None), (None, read("NOT secret")))),
        TableCases("staff", ()),
    )
    assert not found.is_masked
    masked = {"stores": TablePolicy(masks=(ColumnMask("city", ("crm",), "absent"),))}
    assert scoping_of(masked, None, read).is_masked
    assert scoping_of({}, replace(scope, masks=(("crm",),)), read).is_masked
    assert scoping_of({}, replace(scope, salted=True), read).is_masked

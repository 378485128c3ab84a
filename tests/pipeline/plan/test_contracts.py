"""A change of the API is told in words, and what no user can see is not told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.base.access import AUTHENTICATED, PUBLIC, Access
from headrace.base.changes import ContractChange
from headrace.base.declarations import Endpoint
from headrace.base.errors import Place
from headrace.base.tables import Column
from headrace.pipeline.plan.contracts import contract_changes
from headrace.store.snapshots import EndpointContract, Manifest, Parameter, PythonModule

STORE = Parameter("store_id", "path", "INTEGER", required=True)
SINCE = Parameter("since", "query", "DATE", required=False, default="2024-01-01")
REVENUE = EndpointContract(
    name="store_revenue",
    path="/stores/{store_id}/revenue",
    recipe="r1",
    sql="SELECT day, amount FROM revenue WHERE store_id = $store_id AND day >= $since",
    tables=("revenue",),
    parameters=(STORE, SINCE),
    columns=(Column("day", "DATE"), Column("amount", "DECIMAL(12,2)")),
    limit=100,
    max_limit=1000,
    access=PUBLIC,
)
STORES = replace(REVENUE, name="stores", path="/stores", parameters=())


def manifest(*endpoints: EndpointContract, modules: tuple[PythonModule, ...] = ()) -> Manifest:
    return Manifest("shop", endpoints, modules)


def details(before: EndpointContract, after: EndpointContract) -> list[str]:
    changes = contract_changes(manifest(before), manifest(after))
    assert all((each.endpoint, each.kind) == (after.name, "changed") for each in changes)
    return [each.detail for each in changes]


def test_the_same_contract_changes_nothing() -> None:
    assert contract_changes(manifest(REVENUE, STORES), manifest(STORES, REVENUE)) == ()
    assert contract_changes(manifest(), manifest()) == ()


def test_the_first_publish_adds_every_endpoint_by_name() -> None:
    changes = contract_changes(manifest(), manifest(STORES, REVENUE))
    assert [(each.endpoint, each.kind, each.detail, each.breaking) for each in changes] == [
        ("store_revenue", "added", "GET /stores/{store_id}/revenue", False),
        ("stores", "added", "GET /stores", False),
    ]


def test_an_endpoint_that_goes_is_removed() -> None:
    assert contract_changes(manifest(STORES, REVENUE), manifest(REVENUE)) == (
        ContractChange(
            "stores", "removed", "GET /stores", before="/stores", path="/stores", breaking=True
        ),
    )


def test_a_filter_or_sort_that_goes_breaks_and_one_that_comes_does_not() -> None:
    old = replace(REVENUE, filters=("day", "amount"), sorts=("day",))
    new = replace(REVENUE, filters=("day",), sorts=("amount",))
    changes = contract_changes(manifest(old), manifest(new))
    assert [(each.what, each.detail, each.breaking) for each in changes] == [
        ("filter", "filter by amount removed", True),
        ("sort", "sort by day removed", True),
        ("sort", "sort by amount added", False),
    ]


def test_an_endpoint_of_another_name_at_the_same_path_is_still_there() -> None:
    renamed = replace(REVENUE, name="takings", columns=REVENUE.columns[:1])
    changes = contract_changes(manifest(REVENUE, STORES), manifest(renamed, STORES))
    assert [(each.endpoint, each.detail, each.breaking) for each in changes] == [
        ("takings", "name store_revenue becomes takings", False),
        ("takings", "field amount (DECIMAL(12,2)) removed", True),
    ]


def test_an_endpoint_that_takes_over_the_path_of_one_that_moved_keeps_its_users() -> None:
    """As when the old contract gets a new file, and the file of old becomes version 2."""
    moved, new = replace(STORES, path="/shops"), replace(STORES, name="all_stores")
    changes = contract_changes(manifest(STORES), manifest(moved, new))
    assert [(each.endpoint, each.kind, each.detail, each.breaking) for each in changes] == [
        ("all_stores", "changed", "name stores becomes all_stores", False),
        ("stores", "added", "GET /shops", False),
    ]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            replace(REVENUE, path="/revenue/{store_id}"),
            ["path /stores/{store_id}/revenue becomes /revenue/{store_id}"],
        ),
        (
            replace(REVENUE, limit=50, max_limit=500),
            ["limit 100 (at most 1000) becomes 50 (at most 500)"],
        ),
        (
            replace(REVENUE, max_limit=500),
            ["limit 100 (at most 1000) becomes 100 (at most 500)"],
        ),
        (
            replace(REVENUE, columns=(Column("amount", "DOUBLE"), Column("month", "DATE"))),
            [
                "field day (DATE) removed",
                "field month (DATE) added",
                "field amount: DECIMAL(12,2) becomes DOUBLE",
            ],
        ),
        (replace(REVENUE, parameters=(STORE,)), ["parameter since removed"]),
        (
            replace(
                REVENUE,
                parameters=(
                    STORE,
                    SINCE,
                    Parameter("until", "query", "DATE", required=True),
                    Parameter("city", "query", "VARCHAR", required=False),
                ),
            ),
            [
                "parameter city (VARCHAR, optional) added",
                "parameter until (DATE, required) added",
            ],
        ),
    ],
)
def test_what_changes_for_the_users_of_an_endpoint_is_said(
    after: EndpointContract, said: list[str]
) -> None:
    assert details(REVENUE, after) == said


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (SINCE, replace(SINCE, type="TIMESTAMP"),
         'DATE, default "2024-01-01" becomes TIMESTAMP, default "2024-01-01"'),
        (SINCE, replace(SINCE, required=True), 'DATE, default "2024-01-01" becomes DATE, required'),
        (SINCE, replace(SINCE, default=None),
         'DATE, default "2024-01-01" becomes DATE, default null'),
        (replace(SINCE, default=None), replace(SINCE, default="None"),
         'DATE, default null becomes DATE, default "None"'),
        (replace(SINCE, default=""), replace(SINCE, default=True),
         'DATE, default "" becomes DATE, default true'),
        (STORE, replace(STORE, min=0, max=9),
         "INTEGER, required becomes INTEGER, required, min 0, max 9"),
        (replace(STORE, min=0), replace(STORE, min=1),
         "INTEGER, required, min 0 becomes INTEGER, required, min 1"),
        (STORE, replace(STORE, enum=("a", "é")),
         'INTEGER, required becomes INTEGER, required, enum ["a", "é"]'),
        (STORE, replace(STORE, pattern=r"\d+"),
         r'INTEGER, required becomes INTEGER, required, pattern "\\d+"'),
    ],
)  # fmt: skip
def test_what_changes_for_a_parameter_is_said(
    before: Parameter, after: Parameter, said: str
) -> None:
    found = details(replace(REVENUE, parameters=(before,)), replace(REVENUE, parameters=(after,)))
    assert found == [f"parameter {before.name}: {said}"]


@pytest.mark.parametrize(
    "after",
    [
        replace(REVENUE, recipe="r2", sql="SELECT 1", tables=()),
        replace(REVENUE, description="Revenue by day", reason="", lineage={"day": ("a.b",)}),
        replace(REVENUE, parameters=(replace(STORE, description="Which store"), SINCE)),
        replace(REVENUE, parameters=(SINCE, STORE)),
    ],
)
def test_what_no_request_and_no_answer_shows_is_not_said(after: EndpointContract) -> None:
    assert details(REVENUE, after) == []


def test_the_users_own_routers_are_told_by_file_and_other_modules_are_not() -> None:
    before = (
        PythonModule("endpoints/admin.py", "h1", router=True),
        PythonModule("endpoints/same.py", "h1", router=True),
        PythonModule("endpoints/old.py", "h1", router=True),
        PythonModule("lib.py", "h1", router=False),
    )
    after = (
        PythonModule("endpoints/admin.py", "h2", router=True),
        PythonModule("endpoints/same.py", "h1", router=True),
        PythonModule("endpoints/new.py", "h1", router=True),
        PythonModule("lib.py", "h2", router=False),
    )
    assert contract_changes(manifest(modules=before), manifest(modules=after)) == (
        ContractChange(
            "endpoints/admin.py",
            "changed",
            "the router's code changed: whether that breaks anybody cannot be told",
            "router",
        ),
        ContractChange("endpoints/new.py", "added", "router", "router"),
        ContractChange("endpoints/old.py", "removed", "router", "router", breaking=True),
    )


CRM = Access("granted", roles=("crm",), scopes=("read",))


@pytest.mark.parametrize(
    ("before", "after", "detail", "breaking"),
    [
        (PUBLIC, CRM, "only crm, scope read now (was public)", True),
        (AUTHENTICATED, PUBLIC, "now public (was authenticated)", False),
    ],
)
def test_who_may_ask_is_a_part_of_the_contract(
    before: Access, after: Access, detail: str, breaking: bool
) -> None:
    old, new = replace(REVENUE, access=before), replace(REVENUE, access=after)
    was, becomes = str(before), str(after)
    change = ContractChange(
        REVENUE.name,
        "changed",
        detail,
        "access",
        before=was,
        after=becomes,
        path=REVENUE.path,
        breaking=breaking,
    )
    assert contract_changes(manifest(old), manifest(new)) == (change,)
    routers = [
        manifest(modules=(PythonModule("endpoints/r.py", "h", router=True, access=access),))
        for access in (before, after)
    ]
    assert contract_changes(*routers) == (replace(change, endpoint="endpoints/r.py", path=""),)


def verdicts(before: EndpointContract, after: EndpointContract, today: str = "") -> dict[str, bool]:
    """What is said, and whether it breaks anybody."""
    changes = contract_changes(manifest(before), manifest(after), today=today)
    return {each.detail: each.breaking for each in changes}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (replace(REVENUE, path="/revenue/{store_id}"),
         {"path /stores/{store_id}/revenue becomes /revenue/{store_id}": True}),
        (replace(REVENUE, columns=REVENUE.columns[1:]), {"field day (DATE) removed": True}),
        (replace(REVENUE, columns=(*REVENUE.columns, Column("n", "BIGINT"))),
         {"field n (BIGINT) added": False}),
        (replace(REVENUE, columns=(Column("day", "TIMESTAMP"), REVENUE.columns[1])),
         {"field day: DATE becomes TIMESTAMP": True}),
        (replace(REVENUE, columns=(REVENUE.columns[0], Column("amount", "DECIMAL(38,2)"))),
         {"field amount: DECIMAL(12,2) becomes DECIMAL(38,2)": False}),
        (replace(REVENUE, columns=REVENUE.columns[::-1]), {}),
        (replace(REVENUE, parameters=(STORE,)), {"parameter since removed": True}),
        (replace(REVENUE, parameters=(STORE, SINCE, replace(SINCE, name="until"))),
         {"parameter until (DATE, optional) added": False}),
        (replace(REVENUE, parameters=(STORE, SINCE, replace(SINCE, name="u", required=True))),
         {"parameter u (DATE, required) added": True}),
        (replace(REVENUE, max_limit=500),
         {"limit 100 (at most 1000) becomes 100 (at most 500)": True}),
        (replace(REVENUE, limit=50), {"limit 100 (at most 1000) becomes 50 (at most 1000)": True}),
        (replace(REVENUE, limit=200, max_limit=2000),
         {"limit 100 (at most 1000) becomes 200 (at most 2000)": False}),
        (replace(REVENUE, deprecated="2026-12-01", sunset="2027-03-01"),
         {"deprecated from 2026-12-01": False, "sunset 2027-03-01": False}),
    ],
)  # fmt: skip
def test_every_change_is_breaking_or_not(after: EndpointContract, said: dict[str, bool]) -> None:
    assert verdicts(REVENUE, after) == said


def test_nobody_sees_what_a_part_of_the_path_is_called() -> None:
    renamed = replace(
        REVENUE,
        path="/stores/{id}/revenue",
        parameters=(replace(STORE, name="id", type="BIGINT"), SINCE),
    )
    assert verdicts(REVENUE, renamed) == {
        "path /stores/{store_id}/revenue becomes /stores/{id}/revenue": False,
        "parameter id: INTEGER, required becomes BIGINT, required": False,
    }


def test_a_field_that_may_be_null_now_breaks_its_readers_and_the_reverse_does_not() -> None:
    sure = replace(REVENUE, columns=(replace(REVENUE.columns[0], nullable=False),))
    unsure = replace(REVENUE, columns=(REVENUE.columns[0],))
    [change] = contract_changes(manifest(sure), manifest(unsure))
    assert (change.detail, change.breaking) == ("field day may be null now", True)
    assert (change.what, change.name) == ("field", "day")
    assert (change.before, change.after) == ("DATE NOT NULL", "DATE")
    assert verdicts(unsure, sure) == {"field day is never null now": False}


def test_a_floating_point_field_was_never_sure_to_hold_a_number() -> None:
    """NaN is written as null, whatever the column says."""
    sure = replace(REVENUE, columns=(Column("amount", "DOUBLE", nullable=False),))
    assert verdicts(sure, replace(sure, columns=(Column("amount", "DOUBLE"),))) == {}


def test_a_query_that_begins_to_page_itself_breaks_those_who_page() -> None:
    limit = Parameter("limit", "query", "BIGINT", required=False, default=100)
    own = replace(REVENUE, parameters=(STORE, SINCE, limit), limit=0, max_limit=0)
    assert verdicts(REVENUE, own) == {"limit 100 (at most 1000) becomes as the query has it": True}
    assert verdicts(own, REVENUE) == {"limit as the query has it becomes 100 (at most 1000)": True}


@pytest.mark.parametrize(("today", "breaking"), [("2027-02-28", True), ("2027-03-01", False)])
def test_an_endpoint_may_go_once_its_sunset_has_passed(today: str, breaking: bool) -> None:
    ending = replace(STORES, sunset="2027-03-01")
    [gone] = contract_changes(manifest(ending), manifest(), today=today)
    assert gone.breaking is breaking
    assert ("has passed" in gone.detail) is not breaking
    assert verdicts(ending, replace(ending, path="/shops"), today) == {
        "path /stores becomes /shops": breaking
    }


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "2027-03-01", {"sunset 2027-03-01": False}),
        ("", "2026-01-01", {"sunset 2026-01-01": True}),
        ("2027-03-01", "2027-06-01", {"sunset 2027-06-01 instead of 2027-03-01": False}),
        ("2027-03-01", "2027-02-01", {"sunset 2027-02-01 instead of 2027-03-01": True}),
        ("2027-03-01", "", {"no longer has a sunset": False}),
    ],
)
def test_a_sunset_leaves_users_the_time_that_they_were_told(
    before: str, after: str, said: dict[str, bool]
) -> None:
    old, new = replace(STORES, sunset=before), replace(STORES, sunset=after)
    assert verdicts(old, new, today="2026-11-26") == said


def test_of_an_endpoint_that_is_not_compiled_yet_nothing_is_said() -> None:
    pending = Endpoint("stores", Place("endpoints/stores.sql", 1), "/stores", "FROM later")
    assert contract_changes(manifest(STORES), manifest(), pending=[pending]) == ()
    elsewhere = replace(pending, name="other")
    assert contract_changes(manifest(STORES), manifest(), pending=[elsewhere]) == ()


def test_a_change_names_its_part_for_programs() -> None:
    after = replace(REVENUE, parameters=(STORE, replace(SINCE, default="2025-01-01")))
    assert contract_changes(manifest(REVENUE), manifest(after)) == (
        ContractChange(
            "store_revenue",
            "changed",
            'parameter since: DATE, default "2024-01-01" becomes DATE, default "2025-01-01"',
            "parameter",
            name="since",
            before='DATE, default "2024-01-01"',
            after='DATE, default "2025-01-01"',
            path="/stores/{store_id}/revenue",
            breaking=True,
        ),
    )


def test_another_access_path_breaks_nobody_and_says_why() -> None:
    keyed = replace(REVENUE, access_path="keyed", reason="store_id = $store_id")
    slow = replace(REVENUE, reason="`day LIKE $d` (line 3) compares with a pattern")
    assert details(keyed, slow) == [
        "access path keyed becomes columnar: `day LIKE $d` (line 3) compares with a pattern"
    ]
    [change] = contract_changes(manifest(keyed), manifest(slow))
    assert (change.what, change.before, change.after) == ("access path", "keyed", "columnar")
    assert not change.breaking

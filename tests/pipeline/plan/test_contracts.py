"""A change of the API is told in words, and what no user can see is not told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.base.tables import Column
from headrace.pipeline.plan.contracts import contract_changes
from headrace.pipeline.plan.plans import ContractChange
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
    assert contract_changes(manifest(), manifest(STORES, REVENUE)) == (
        ContractChange("store_revenue", "added", "GET /stores/{store_id}/revenue"),
        ContractChange("stores", "added", "GET /stores"),
    )


def test_an_endpoint_that_goes_is_removed() -> None:
    assert contract_changes(manifest(STORES, REVENUE), manifest(REVENUE)) == (
        ContractChange("stores", "removed", "GET /stores"),
    )


def test_an_endpoint_of_another_name_at_the_same_path_is_still_there() -> None:
    renamed = replace(REVENUE, name="takings", columns=REVENUE.columns[:1])
    assert contract_changes(manifest(REVENUE, STORES), manifest(renamed, STORES)) == (
        ContractChange("takings", "changed", "name store_revenue becomes takings"),
        ContractChange("takings", "changed", "field amount (DECIMAL(12,2)) removed"),
    )


def test_an_endpoint_that_takes_over_the_path_of_one_that_moved_is_added() -> None:
    moved, new = replace(STORES, path="/shops"), replace(STORES, name="all_stores")
    assert contract_changes(manifest(STORES), manifest(moved, new)) == (
        ContractChange("all_stores", "added", "GET /stores"),
        ContractChange("stores", "changed", "path /stores becomes /shops"),
    )


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
        replace(REVENUE, columns=(replace(REVENUE.columns[0], nullable=False), REVENUE.columns[1])),
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
        ContractChange("endpoints/admin.py", "changed", "the router's code changed"),
        ContractChange("endpoints/new.py", "added", "router"),
        ContractChange("endpoints/old.py", "removed", "router"),
    )

"""What a query takes from whoever asks fails closed, and tells those apart who see other rows."""

from __future__ import annotations

import pytest

from headrace.base.access import ANONYMOUS, ClaimValue, Principal
from headrace.serve.asking.parameters import Values
from headrace.serve.scoping import BoundScope, Scoping, unscoped
from headrace.store.snapshots import Case, Claim, Scope

BY_ROLE = Scope(
    claims=(Claim("store_id", "INTEGER"), Claim("tenant", "VARCHAR"), Claim("stores", "INTEGER[]")),
    cases=(
        Case("store_manager", ("store_id",)),
        Case("franchisee", ("tenant",)),
        Case("area_manager", ("stores",)),
        Case("head_office"),
    ),
    masks=(("crm", "head_office"),),
    salted=True,
)


def somebody(*roles: str, **claims: ClaimValue) -> Principal:
    return Principal("user:anna", frozenset(roles), claims=claims)


def bound(principal: Principal, scope: Scope = BY_ROLE) -> BoundScope:
    return Scoping(scope, "salt").bind(principal)


def test_a_case_holds_for_who_has_its_role_and_its_claims() -> None:
    found = bound(somebody("store_manager", store_id=7, tenant="north"))
    assert found.active == {0}
    assert found.values == {
        "auth_store_id": 7,
        "auth_tenant": None,
        "auth_stores": None,
        "auth_case_0": True,
        "auth_case_1": False,
        "auth_case_2": False,
        "auth_case_3": False,
        "auth_mask_0": False,
        "auth_salt": "salt",
    }


def test_several_roles_hold_together() -> None:
    found = bound(somebody("store_manager", "head_office", store_id=7))
    assert found.active == {0, 3}
    assert found.values["auth_mask_0"] is True


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"store_id": "seven"},
        {"store_id": "7 or 1=1"},
        {"store_id": 7.5},
        {"store_id": True},
        {"store_id": 2**40},
        {"store_id": (7, 8)},
        {"store_id": ""},
        {"Store_Id": 7},
    ],
)
def test_a_claim_that_is_missing_or_no_value_of_its_type_opens_nothing(
    claims: dict[str, ClaimValue],
) -> None:
    found = bound(somebody("store_manager", **claims))
    assert found.active == frozenset()
    assert found.values["auth_store_id"] is None
    assert found.values["auth_case_0"] is False


def test_nobody_known_has_no_case_but_everybodys() -> None:
    assert bound(ANONYMOUS).active == frozenset()
    everybody = Scope((Claim("store_id", "INTEGER"),), (Case("", ("store_id",)),))
    assert bound(ANONYMOUS, everybody).active == frozenset()
    assert bound(somebody(store_id="7"), everybody).values["auth_store_id"] == 7


def test_lists_are_read_value_by_value() -> None:
    assert bound(somebody("area_manager", stores=(7, "8"))).values["auth_stores"] == [7, 8]
    assert bound(somebody("area_manager", stores=7)).values["auth_stores"] == [7]
    assert bound(somebody("area_manager", stores=(7, "x"))).active == frozenset()
    # A list of none is a list: its rows are none, too.
    assert bound(somebody("area_manager", stores=())).values["auth_stores"] == []


def test_keys_differ_where_answers_may_and_nowhere_else() -> None:
    seven = bound(somebody("store_manager", store_id=7))
    assert bound(somebody("store_manager", store_id="7", tenant="south")).key == seven.key
    others = [
        somebody("store_manager", store_id=8),
        somebody("store_manager"),
        somebody("store_manager", "crm", store_id=7),
        somebody("franchisee", tenant="7"),
        somebody("area_manager", stores=(7,)),
        somebody("area_manager", stores=()),
        somebody("head_office"),
        somebody("head_office", "store_manager", store_id=7),
    ]
    keys = [bound(each).key for each in others]
    assert len({seven.key, *keys}) == len(others) + 1
    # Neither sees anything: they share what they get.
    assert bound(ANONYMOUS).key == bound(somebody("store_manager")).key


def test_a_key_tells_the_scope_and_the_request_and_keeps_its_pages_together() -> None:
    seven = bound(somebody("store_manager", store_id=7))
    values = seven.over(Values({"since": 3}, "abc"))
    assert values.bound == {"since": 3, **seven.values}
    assert values.key == seven.key + "abc"
    assert unscoped(values.bound) == {"since": 3}
    assert seven.key.startswith(f"scope {len(seven.key.split(' ', 2)[2]) - 1} ")


def test_somebody_is_bound_once() -> None:
    scoping, anna = Scoping(BY_ROLE, "salt"), somebody("head_office")
    assert scoping.bind(anna) is scoping.bind(anna)

"""Access is denied unless something says otherwise."""

from __future__ import annotations

import pytest

from headrace.base.access import (
    ADMINS,
    ANONYMOUS,
    AUTHENTICATED,
    NOBODY,
    PUBLIC,
    Access,
    Principal,
)

PLAIN = Principal("user:anna")
ANALYST = Principal("user:bo", frozenset({"analyst"}))
READER = Principal("service:loader", scopes=frozenset({"read"}))
ADMIN = Principal("user:root", frozenset({"admin"}))
EVERYBODY = (ANONYMOUS, PLAIN, ANALYST, READER, ADMIN)


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (Access(), ()),
        (NOBODY, ()),
        (PUBLIC, EVERYBODY),
        (AUTHENTICATED, (PLAIN, ANALYST, READER, ADMIN)),
        (Access("granted", ("analyst", "owner")), (ANALYST,)),
        (Access("granted", scopes=("read",)), (PLAIN, ANALYST, READER, ADMIN)),
        (Access("granted", scopes=("read", "write")), (PLAIN, ANALYST, ADMIN)),
        (Access("granted", ("analyst",), ("write",)), (ANALYST,)),
        (ADMINS, (ADMIN,)),
    ],
)
def test_access_is_what_it_says(access: Access, allowed: tuple[Principal, ...]) -> None:
    assert tuple(each for each in EVERYBODY if access.allows(each)) == allowed


def test_access_says_itself() -> None:
    assert str(Access("granted", ("analyst", "owner"), ("read",))) == "analyst, owner, scope read"
    assert [str(each) for each in (NOBODY, PUBLIC, AUTHENTICATED)] == [
        "nobody",
        "public",
        "authenticated",
    ]


def test_two_who_look_alike_are_not_the_same() -> None:
    assert Principal("user:anna") != Principal("user:anna")


def test_the_tenant_is_a_claim() -> None:
    assert Principal("user:anna", claims={"tenant": 7}).tenant == "7"
    assert PLAIN.tenant == ""

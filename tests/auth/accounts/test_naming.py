"""naming.py: what could be mistaken for another name, or never be stored, is no name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace.auth.accounts.naming import (
    require_account_name,
    require_claims,
    require_label,
    require_roles,
)
from headrace.base.access import ClaimValue
from headrace.base.errors import UsageError


def refused(check: Callable[[], None]) -> str:
    with pytest.raises(UsageError) as caught:
        check()
    return str(caught.value)


@pytest.mark.parametrize("name", ["anna", "anna@example.com", "7", "a.b_c+d-e", "x" * 100])
def test_accounts_may_be_called_so(name: str) -> None:
    require_account_name(name)


@pytest.mark.parametrize("name", ["", "Anna", "аnna", ".a", "a b", "a:b", "a/b", "x" * 101, "a\n"])
def test_accounts_may_not_be_called_so(name: str) -> None:
    assert refused(lambda: require_account_name(name)) == (
        f"{name!r} cannot be an account's name; expected at most 100 lower-case letters, digits and"
        " `.`, `_`, `@`, `+`, `-`, beginning with a letter or digit"
    )


def test_words_of_access_are_no_roles() -> None:
    require_roles(["head-office", "realm.admin", "orders:read"])
    assert refused(lambda: require_roles(["public"])) == (
        "'public' cannot be a role's name: `access: public` means something else; expected another"
        " name"
    )
    assert refused(lambda: require_roles(["a b"], "scope")) == (
        "'a b' cannot be a scope's name; expected at most 100 letters, digits and `_`, `-`, `.`,"
        " `:`, beginning with a letter, a digit or `_`"
    )
    require_roles(["public"], "group")


@pytest.mark.parametrize("value", [0, -(2**63), 1.5, True, "", "é" * 1000, (), (1, "a", 2.5)])
def test_claims_may_have_such_values(value: ClaimValue) -> None:
    require_claims({"store_id": value})


@pytest.mark.parametrize(
    "value", [2**63, float("nan"), float("inf"), "x" * 1001, "\ud800", "a\0", (1,) * 1001, (2**70,)]
)
def test_claims_may_not_have_such_values(value: ClaimValue) -> None:
    assert refused(lambda: require_claims({"store_id": value})) == (
        "the claim `store_id` has a value that cannot be kept; expected a text of at most 1000"
        " characters, a number of 64 bits, true or false, or a list of at most 1000 texts or"
        " numbers"
    )


def test_a_claim_is_called_as_a_policy_can_name_it() -> None:
    assert refused(lambda: require_claims({"store-id": 7})) == (
        "'store-id' cannot be a claim's name; expected at most 100 letters, digits and `_`, not"
        " beginning with a digit, as in `store_id`"
    )


def test_a_keys_remark_is_one_line() -> None:
    require_label("nightly load, café")
    assert refused(lambda: require_label("a\nb")) == (
        "'a\\nb' cannot be a key's name; expected at most 100 characters on one line"
    )

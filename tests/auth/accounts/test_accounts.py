"""accounts.py: every change is whole, raises the revision, and is seen by every process."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account, KeyEntry
from headrace.base.access import ClaimValue
from headrace.base.clock import SetClock
from headrace.base.errors import HeadraceError, NotFound, UsageError

NOW = 1793491200
ANNA = Account("anna", roles=frozenset(["crm", "store_manager"]), groups=frozenset(["south"]))


@pytest.fixture
def anna(accounts: Accounts) -> Account:
    accounts.add_account(ANNA, "$argon2id$v=19$hash")
    return accounts.directory().accounts["anna"]


def key(account: str, **columns: int | str | frozenset[str]) -> KeyEntry:
    _, entry = new_key("prod")
    return replace(entry, account=account, **columns)  # type: ignore[arg-type]


def test_an_account_is_there_as_it_was_added(accounts: Accounts) -> None:
    claims: dict[str, ClaimValue] = {
        "store_id": 7,
        "share": 1.0,
        "stores": (1, 2, 2**63 - 1),
        "trained": True,
        "tenant": 'Café "é" \\ 店',
        "none": (),
    }
    accounts.add_account(Account("loader", "service", claims=claims))
    found = accounts.directory().accounts["loader"]
    assert found == Account("loader", "service", claims=claims, epoch=1, created_at=NOW)
    assert [type(found.claims[name]) for name in claims] == [int, float, tuple, bool, str, tuple]
    assert found.id == "service:loader"


def test_the_file_is_readable_by_its_owner_alone(accounts: Accounts) -> None:
    assert stat.S_IMODE(accounts.database.path.stat().st_mode) == 0o600


def test_every_change_raises_the_revision_and_other_openers_see_it(
    accounts: Accounts, anna: Account
) -> None:
    entry = key("anna")
    changes: list[Callable[[], None]] = [
        lambda: accounts.add_account(Account("ben")),
        lambda: accounts.change_account("anna", roles=["crm"]),
        lambda: accounts.set_group("south", ["viewer"]),
        lambda: accounts.set_password_hash("anna", "$other"),
        lambda: accounts.end_sessions("anna"),
        lambda: accounts.disable("anna"),
        lambda: accounts.enable("anna"),
        lambda: accounts.add_key(entry),
        lambda: accounts.revoke_key(entry.id),
        lambda: accounts.remove_account("ben"),
    ]
    with closing(Accounts.open(accounts.database.path)) as other:
        for change in changes:
            before = other.revision()
            change()
            assert other.revision() == before + 1
        assert other.directory().revision == other.revision()


def test_what_was_refused_changes_nothing(accounts: Accounts, anna: Account) -> None:
    before = accounts.revision()
    refusals: list[Callable[[], None]] = [
        lambda: accounts.add_account(ANNA),
        lambda: accounts.change_account("bob", roles=["crm"]),
        lambda: accounts.disable("bob"),
        lambda: accounts.add_key(key("bob")),
        lambda: accounts.revoke_key("nothing"),
        lambda: accounts.remove_account("bob"),
    ]
    for refused in refusals:
        with pytest.raises(HeadraceError):
            refused()
    assert accounts.revision() == before


def test_groups_give_their_roles_to_their_members(accounts: Accounts, anna: Account) -> None:
    accounts.set_group("south", ["franchisee", "crm"])
    directory = accounts.directory()
    assert directory.roles_of(directory.accounts["anna"]) == {"crm", "store_manager", "franchisee"}
    accounts.set_group("south", [])
    directory = accounts.directory()
    assert directory.groups == {}
    assert directory.roles_of(directory.accounts["anna"]) == {"crm", "store_manager"}


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.change_account("anna", roles=["crm"]),
        lambda accounts: accounts.change_account("anna", groups=[]),
        lambda accounts: accounts.change_account("anna", claims={"store_id": 8}),
        lambda accounts: accounts.set_group("south", ["viewer"]),
        lambda accounts: accounts.set_password_hash("anna", "$other"),
        lambda accounts: accounts.end_sessions("anna"),
        lambda accounts: accounts.disable("anna"),
    ],
)
def test_what_ends_sessions_begins_a_new_epoch(
    accounts: Accounts, anna: Account, change: Callable[[Accounts], None]
) -> None:
    accounts.add_account(Account("ben"))
    ben = accounts.directory().accounts["ben"]
    change(accounts)
    after = accounts.directory()
    assert after.accounts["anna"].epoch > anna.epoch
    assert after.accounts["ben"].epoch == ben.epoch


def test_a_key_changes_no_epoch(accounts: Accounts, anna: Account) -> None:
    accounts.add_key(key("anna"))
    assert accounts.directory().accounts["anna"].epoch == anna.epoch


def test_an_account_that_is_made_again_has_no_epoch_of_the_removed_one(
    accounts: Accounts, anna: Account
) -> None:
    accounts.end_sessions("anna")
    last = accounts.directory().accounts["anna"].epoch
    accounts.remove_account("anna")
    accounts.add_account(ANNA)
    assert accounts.directory().accounts["anna"].epoch > last


def test_a_removed_account_takes_its_password_and_its_keys_along(
    accounts: Accounts, anna: Account
) -> None:
    accounts.add_key(key("anna"))
    accounts.remove_account("anna")
    accounts.add_account(ANNA)
    assert accounts.password_hash("anna") == ""
    assert accounts.directory().keys == {}


def test_a_password_is_kept_apart_and_shown_by_nothing(accounts: Accounts, anna: Account) -> None:
    assert accounts.password_hash("anna") == "$argon2id$v=19$hash"
    assert accounts.password_hash("nobody") == ""
    accounts.set_password_hash("anna", "$other")
    assert accounts.password_hash("anna") == "$other"
    assert "$other" not in repr(accounts.directory())


def test_a_key_is_there_as_it_was_added(accounts: Accounts, anna: Account) -> None:
    entry = key("anna", scopes=frozenset(["a:read"]), name="for the café", expires_at=NOW + 60)
    accounts.add_key(entry)
    assert accounts.directory().keys == {entry.id: replace(entry, created_at=NOW)}
    assert entry.digest not in repr(entry)


def test_a_key_without_scopes_is_not_one_that_is_confined_to_none(
    accounts: Accounts, anna: Account
) -> None:
    free, confined = key("anna"), key("anna", scopes=frozenset(), roles=frozenset())
    accounts.add_key(free)
    accounts.add_key(confined)
    keys = accounts.directory().keys
    assert (keys[free.id].scopes, keys[free.id].roles) == (None, None)
    assert (keys[confined.id].scopes, keys[confined.id].roles) == (frozenset(), frozenset())


def test_a_revoked_key_stays_revoked_since_the_first_time(
    accounts: Accounts, anna: Account, clock: SetClock
) -> None:
    entry = key("anna")
    accounts.add_key(entry)
    accounts.revoke_key(entry.id)
    clock.advance(60)
    accounts.revoke_key(entry.id)
    assert accounts.directory().keys[entry.id].revoked_at == NOW


def test_keys_that_are_long_invalid_are_forgotten_and_no_others(
    accounts: Accounts, anna: Account, clock: SetClock
) -> None:
    revoked, expired, valid = key("anna"), key("anna", expires_at=NOW + 1), key("anna")
    for entry in (revoked, expired, valid):
        accounts.add_key(entry)
    accounts.revoke_key(revoked.id)
    clock.advance(90 * 86_400)
    second = key("anna")
    accounts.add_key(second)
    assert accounts.directory().keys.keys() == {revoked.id, expired.id, valid.id, second.id}
    clock.advance(2)
    third = key("anna")
    accounts.add_key(third)
    assert accounts.directory().keys.keys() == {valid.id, second.id, third.id}


def test_uses_are_noted_without_a_new_revision_and_never_go_back(
    accounts: Accounts, anna: Account
) -> None:
    entry = key("anna")
    accounts.add_key(entry)
    before = accounts.revision()
    accounts.note_uses({entry.id: NOW + 9.7, "unknown": NOW})
    accounts.note_uses({entry.id: NOW + 3})
    assert accounts.directory().keys[entry.id].last_used_at == NOW + 9
    assert accounts.revision() == before


def test_a_key_that_would_be_expired_already_is_refused(accounts: Accounts, anna: Account) -> None:
    with pytest.raises(UsageError) as caught:
        accounts.add_key(key("anna", expires_at=NOW))
    assert str(caught.value) == "the key would be expired already; expected a time to come"


def test_errors_say_what_there_is(accounts: Accounts, anna: Account) -> None:
    with pytest.raises(NotFound) as caught:
        accounts.disable("ana")
    assert str(caught.value) == (
        "there is no account 'ana'; expected the name of one; did you mean `anna`?"
    )
    with pytest.raises(NotFound) as caught:
        accounts.disable("zacharias")
    assert str(caught.value) == (
        "there is no account 'zacharias'; expected the name of one; `headrace users` lists them"
    )
    with pytest.raises(NotFound) as caught:
        accounts.revoke_key("x")
    assert str(caught.value) == (
        "there is no key 'x'; expected the id of one, the twelve characters before its last two"
        " parts; `headrace keys` lists them"
    )
    with pytest.raises(UsageError) as exists:
        accounts.add_account(ANNA)
    assert str(exists.value) == (
        "there is an account 'anna' already; expected another name; `headrace users change` changes"
        " an account"
    )

"""key_proofs.py: serving lets a key in while it is valid, and writes down when it was used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import new_key
from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.accounts.key_proofs import KeyProofs
from headrace.auth.proofs import BadCredential, Proofs
from headrace.base.clock import SetClock
from headrace.serve.gate import Gate

NOW = 1793491200


def proofs(accounts: Accounts) -> KeyProofs:
    return KeyProofs(accounts, FollowedDirectory(accounts), "prod")


@pytest.fixture
def key(accounts: Accounts) -> tuple[bytes, str]:
    accounts.add_account(Account("anna"))
    secret, entry = new_key("prod")
    accounts.add_key(replace(entry, account="anna"))
    return secret.reveal().encode(), entry.id


def test_a_key_is_taken_and_whose_it_is_is_known(
    accounts: Accounts, key: tuple[bytes, str]
) -> None:
    text, _ = key
    keys: Proofs = proofs(accounts)
    assert keys.takes(text)
    assert not keys.takes(b"eyJhbGciOi")
    assert keys.verify(text, NOW).id == "user:anna"


def test_a_revoked_key_is_refused_after_the_next_look(
    accounts: Accounts, key: tuple[bytes, str]
) -> None:
    text, key_id = key
    keys = proofs(accounts)
    accounts.revoke_key(key_id)
    assert keys.refresh()
    with pytest.raises(BadCredential) as caught:
        keys.verify(text, NOW)
    assert str(caught.value) == "no valid key"


def test_a_change_is_news_to_keys_although_somebody_else_has_looked_first(
    accounts: Accounts, key: tuple[bytes, str]
) -> None:
    """Whoever signs in looks at the directory, too; a key that is revoked ends all the same."""
    text, key_id = key
    directory = FollowedDirectory(accounts)
    gate = Gate([KeyProofs(accounts, directory, "prod")], clock=lambda: NOW)
    authorization = b"Bearer " + text
    assert gate.quick(authorization) is not None
    accounts.revoke_key(key_id)
    assert directory.refresh()
    gate.refresh()
    assert gate.quick(authorization) is None


def test_uses_of_keys_are_written_once_a_minute(
    accounts: Accounts, key: tuple[bytes, str], clock: SetClock
) -> None:
    _, key_id = key
    keys = proofs(accounts)

    def last() -> int:
        return accounts.directory().keys[key_id].last_used_at

    keys.note_uses({f"key:{key_id}": NOW + 1.0, "session:ab": NOW + 1.0})
    assert last() == NOW + 1
    keys.note_uses({f"key:{key_id}": NOW + 20.0})
    assert last() == NOW + 1
    clock.advance(60)
    keys.note_uses({})
    assert last() == NOW + 20


def test_uses_that_cannot_be_written_fail_nothing(
    accounts: Accounts, key: tuple[bytes, str], caplog: pytest.LogCaptureFixture
) -> None:
    keys = proofs(accounts)
    accounts.close()
    keys.note_uses({f"key:{key[1]}": NOW})
    assert "when keys were used last cannot be noted" in caplog.text

"""following.py: changes are seen at the next look, and a file that is unreadable lets nobody in."""

from __future__ import annotations

from contextlib import closing

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.base.clock import SetClock


def test_a_change_by_another_process_is_seen_at_the_next_look(accounts: Accounts) -> None:
    followed = FollowedDirectory(accounts)
    assert not followed.refresh()
    with closing(Accounts.open(accounts.database.path)) as other:
        other.add_account(Account("anna"))
        assert "anna" not in followed.now.accounts
        assert followed.refresh()
        assert "anna" in followed.now.accounts
        assert not followed.refresh()


def test_a_file_that_cannot_be_read_lets_nobody_in_after_ten_seconds(
    accounts: Accounts, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    accounts.add_account(Account("anna"))
    followed = FollowedDirectory(accounts)
    accounts.close()
    clock.advance(9)
    assert not followed.refresh()
    assert "anna" in followed.now.accounts
    clock.advance(1)
    assert followed.refresh()
    assert followed.now.accounts == {}
    assert not followed.refresh()
    assert "the accounts file cannot be used" in caplog.text


def test_a_file_that_can_be_read_again_lets_in_again(accounts: Accounts, clock: SetClock) -> None:
    accounts.add_account(Account("anna"))
    followed = FollowedDirectory(accounts)
    with accounts.database.transaction() as connection:
        connection.execute("ALTER TABLE catalog RENAME TO elsewhere")
    clock.advance(10)
    followed.refresh()
    assert followed.now.accounts == {}
    with accounts.database.transaction() as connection:
        connection.execute("ALTER TABLE elsewhere RENAME TO catalog")
    assert followed.refresh()
    assert "anna" in followed.now.accounts

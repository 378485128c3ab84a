"""An accounts file with somebody in it, and the directory that follows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.base.clock import SetClock

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
SECRET = b"s" * 32


@dataclass
class People:
    """The accounts of one process: anna is an analyst, loader a program."""

    accounts: Accounts
    clock: SetClock
    directory: FollowedDirectory

    @classmethod
    def open(cls, folder: Path, clock: SetClock | None = None) -> People:
        """Open the file in a folder, as one more process."""
        clock = clock or SetClock(START)
        accounts = Accounts.open(folder / "accounts.db", clock=clock)
        return cls(accounts, clock, FollowedDirectory(accounts))

    @classmethod
    def settle(cls, folder: Path) -> People:
        """Make the file, with its two accounts."""
        people = cls.open(folder)
        anna = Account("anna", roles=frozenset({"analyst"}), claims={"store_id": 7})
        people.accounts.add_account(anna)
        people.accounts.add_account(Account("loader", "service", frozenset({"loader"})))
        people.read()
        return people

    @property
    def anna(self) -> Account:
        """Anna's account as it is known."""
        return self.directory.now.accounts["anna"]

    def read(self) -> None:
        """Know what the file says now."""
        self.directory.refresh()

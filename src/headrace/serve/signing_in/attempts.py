"""Attempts to sign in with a name and a password: limited first, hashed two at a time, alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.signing_in.passwords import AT_ONCE, Passwords
from headrace.base.secrets import Secret
from headrace.serve.answering.problems import Refused, unavailable

Limit = Callable[[str, str], Awaitable[None]]
"""Takes a client's address and an account's name; raises Refused, 429, when it is too often."""

# At some 40 ms each, the last of them waits for less than a second.
_MOST_WAITING = 32

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Attempts:
    """Verifies passwords for the event loop, in threads of its own."""

    accounts: Accounts
    directory: FollowedDirectory
    limit: Limit
    passwords: Passwords = field(default_factory=Passwords)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "headrace-password")
    )
    _waiting: int = 0

    async def account(self, name: str, password: Secret, address: str) -> Account | None:
        """The account, when the password is right; None whatever else is the case.

        Args:
            name: as it was given.
            password: as it was given.
            address: of the client.

        Raises:
            Refused: 429, too many attempts; 503, too many at the same time.
        """
        await self.limit(address, name)
        return await self._hashed(lambda: self._verified(name, password))

    async def hash(self, password: Secret) -> str:
        """What to keep of a new password. Raises Refused: 503, too many at the same time."""
        return await self._hashed(lambda: self.passwords.hash(password))

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verified(self, name: str, password: Secret) -> Account | None:
        # Before the password is looked at: when it changes meanwhile, this account is not it.
        self.directory.refresh()
        account = self.directory.now.accounts.get(name)
        stored = self.accounts.password_hash(name)
        verdict = self.passwords.verify(stored, password)
        if not verdict.matches or account is None:
            return None
        if verdict.renewed:
            row = {"name": name, "stored": stored, "renewed": verdict.renewed}
            self.accounts.database.write("renew_password", [row])
        return None if account.disabled or account.kind != "user" else account

    async def _hashed(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting >= _MOST_WAITING:
            raise Refused(unavailable("Too many people are signing in; try again.", "busy"))
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


async def unlimited(_address: str, _account: str) -> None:
    """Let every attempt through."""

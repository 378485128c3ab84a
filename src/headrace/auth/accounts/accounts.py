"""The accounts of a store, in a SQLite file: takes changes, gives the directory of who there is.

The file is private to its owner. It holds no password and no key, only what verifies them. The
queries lie in sql/, the migrations in sql/migrations/.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.auth.accounts.directory import Account, Directory, KeyEntry
from headrace.auth.accounts.naming import (
    require_account_name,
    require_claims,
    require_label,
    require_roles,
)
from headrace.base.access import ClaimValue
from headrace.base.clock import Clock, SystemClock
from headrace.base.errors import NotFound, UsageError
from headrace.base.names import near_miss
from headrace.store.database import BUSY_SECONDS, Database, DatabaseKind, Parameters

_KIND = DatabaseKind(
    "the accounts file",
    Path(__file__).parent / "sql",
    "without it nobody can sign in and no key is valid",
    private=True,
)
_SYSTEM_CLOCK = SystemClock()
KEPT_SECONDS = 90 * 86_400
"""How long a key is listed after it was revoked or has expired."""


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction that changes accounts or keys; `revision` is the one that it makes."""

    connection: sqlite3.Connection
    query: Callable[[str], str]
    revision: int

    def run(self, query: str, parameters: Parameters) -> int:
        """Run a named query; the number of rows that it changed."""
        return self.connection.execute(self.query(query), parameters).rowcount

    def column(self, query: str) -> list[str]:
        """The first column of a named query."""
        return [row[0] for row in self.connection.execute(self.query(query))]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The open file; may be used from any thread, and by several processes at once.

    `database` is for the verbs of what else lies in it, such as sessions.
    """

    database: Database
    clock: Clock

    @classmethod
    def open(
        cls, path: Path, *, clock: Clock = _SYSTEM_CLOCK, busy_seconds: float = BUSY_SECONDS
    ) -> Accounts:
        """The accounts in the file `path`, which is created, or brought to this version.

        Args:
            path: the file, `Store.accounts_path`.
            clock: what gives the times of accounts and keys.
            busy_seconds: how long to wait for others that write to it.

        Raises:
            StoreError: the file is none of accounts, or was made by a newer version.
        """
        return cls(Database.open(path, _KIND, busy_seconds=busy_seconds), clock)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def now(self) -> int:
        """The clock's time in whole seconds since 1970."""
        return int(self.clock.now().timestamp())

    def revision(self) -> int:
        """Raised by every change of accounts, groups and keys, whoever makes it. Cheap to read."""
        [(revision,)] = self.database.rows("revision")
        return int(revision)

    def directory(self) -> Directory:
        """Everything, as it is at one moment; read anew each time."""
        found: dict[str, list[str]] = {"revision": [], "account": [], "group": [], "key": []}
        for what, text in self.database.rows("picture"):
            found[what].append(text)
        accounts = [msgspec.json.decode(text, type=Account) for text in found["account"]]
        keys = [msgspec.json.decode(text, type=KeyEntry) for text in found["key"]]
        groups = [msgspec.json.decode(text, type=_Group) for text in found["group"]]
        return Directory(
            int(found["revision"][0]),
            {account.name: account for account in accounts},
            {key.id: key for key in keys},
            {group.name: group.roles for group in groups},
        )

    def password_hash(self, name: str) -> str:
        """What is kept of an account's password; "" without an account or a password."""
        rows = self.database.rows("password", {"name": name})
        return str(rows[0][0]) if rows else ""

    @contextmanager
    def change(self) -> Iterator[Change]:
        """A transaction that raises the revision: all of it, or nothing when the block raises."""
        with self.database.transaction() as connection:
            query = self.database.query
            [revision] = connection.execute(query("raise_revision")).fetchone()
            yield Change(connection, query, int(revision))

    # Accounts

    def add_account(self, account: Account, password_hash: str = "") -> None:
        """Add an account; its epoch and the time of its creation are set here.

        Raises:
            UsageError: there is one of this name, or something cannot be called so.
        """
        with self.change() as change:
            insert_account(change, account, self.now())
            if password_hash:
                change.run("put_password", {"name": account.name, "hash": password_hash})

    def change_account(
        self,
        name: str,
        *,
        roles: Iterable[str] | None = None,
        groups: Iterable[str] | None = None,
        claims: Mapping[str, ClaimValue] | None = None,
    ) -> None:
        """Give an account other roles, groups or claims, instead of those that it has.

        None leaves them as they are.

        Raises:
            NotFound: there is no such account.
            UsageError: something cannot be called so.
        """
        require_roles(roles or ())
        require_roles(groups or (), "group")
        require_claims(claims or {})
        self._update(
            name,
            roles=None if roles is None else _names(roles),
            groups=None if groups is None else _names(groups),
            claims=None if claims is None else json.dumps(dict(claims)),
        )

    def disable(self, name: str) -> None:
        """Let nobody in as this account any more, by whatever credential. NotFound: no such."""
        self._update(name, disabled=1)

    def enable(self, name: str) -> None:
        """Let a disabled account in again; sessions that it had stay ended. NotFound: no such."""
        self._update(name, disabled=0)

    def end_sessions(self, name: str) -> None:
        """Sign an account out everywhere; its keys stay valid. NotFound: no such account."""
        self._update(name)

    def set_password_hash(self, name: str, password_hash: str) -> None:
        """Set what is kept of an account's password, which signs it out everywhere.

        Raises:
            NotFound: there is no such account.
        """
        with self.change() as change:
            _update(change, name)
            change.run("put_password", {"name": name, "hash": password_hash})

    def remove_account(self, name: str) -> None:
        """Remove an account, its password and its keys. NotFound: no such account."""
        with self.change() as change:
            if not change.run("delete_account", {"name": name}):
                raise no_account(name, change.column("account_names"))

    def set_group(self, name: str, roles: Iterable[str]) -> None:
        """Set the roles that a group gives its members; none takes all of them away.

        Raises:
            UsageError: something cannot be called so.
        """
        require_roles([name], "group")
        has = _names(roles)
        require_roles(json.loads(has))
        with self.change() as change:
            change.run("end_epoch_of_members", {"name": name, "epoch": change.revision})
            if has == "[]":
                change.run("delete_group", {"name": name})
            else:
                change.run("put_group", {"name": name, "roles": has})

    # Keys

    def add_key(self, entry: KeyEntry) -> None:
        """Add a key, see `api_keys.new_key`; the time of its creation is set here.

        Keys that are invalid since `KEPT_SECONDS` are forgotten: whoever makes and revokes keys
        all day fills no disk.

        Raises:
            NotFound: there is no such account.
            UsageError: something cannot be called so, or the key would be expired already.
        """
        require_roles(entry.roles or ())
        require_roles(entry.scopes or (), "scope")
        require_label(entry.name)
        now = self.now()
        if 0 < entry.expires_at <= now:
            raise UsageError("the key would be expired already; expected a time to come")
        row = {**_columns(entry), "created_at": now}
        with self.change() as change:
            known = change.column("account_names")
            if entry.account not in known:
                raise no_account(entry.account, known)
            change.run("forget_keys", {"before": now - KEPT_SECONDS})
            change.run("insert_key", row)

    def revoke_key(self, key_id: str) -> None:
        """Make a key invalid for ever; revoking it twice is revoking it once.

        Raises:
            NotFound: there is no such key.
        """
        with self.change() as change:
            revoked = change.run("revoke_key", {"id": key_id, "at": self.now()})
            if not revoked and key_id not in change.column("key_ids"):
                raise NotFound(
                    f"there is no key {key_id!r}; expected the id of one, the twelve characters"
                    " before its last two parts; `headrace keys` lists them"
                )

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note key ids and when they were used, in one transaction; it is no change of revision."""
        self.database.write("note_use", [{"id": key, "at": int(at)} for key, at in uses.items()])

    def _update(self, name: str, **columns: str | int | None) -> None:
        with self.change() as change:
            _update(change, name, **columns)


class _Group(msgspec.Struct):
    name: str
    roles: frozenset[str]


def insert_account(change: Change, account: Account, now: int) -> None:
    """Add an account, as part of a change. `now` is when, in seconds since 1970.

    Raises:
        UsageError: there is one of this name, or something cannot be called so.
    """
    require_account_name(account.name)
    require_roles(account.roles)
    require_roles(account.groups, "group")
    require_claims(account.claims)
    if account.name in change.column("account_names"):
        raise UsageError(
            f"there is an account {account.name!r} already; expected another name;"
            " `headrace users change` changes an account"
        )
    row: Parameters = {
        "name": account.name,
        "kind": account.kind,
        "roles": _names(account.roles),
        "groups": _names(account.groups),
        "claims": json.dumps(dict(account.claims)),
        "epoch": change.revision,
        "created_at": now,
    }
    change.run("insert_account", row)


def _update(change: Change, name: str, **columns: str | int | None) -> None:
    """Change some columns of an account, and begin its next epoch."""
    unchanged: Parameters = {"roles": None, "groups": None, "claims": None, "disabled": None}
    row: Parameters = {**unchanged, **columns, "name": name, "epoch": change.revision}
    if not change.run("update_account", row):
        raise no_account(name, change.column("account_names"))


def no_account(name: str, known: Collection[str]) -> NotFound:
    """The error for an account that is not there; `known` are those that are."""
    hint = near_miss(name, known) or (
        "`headrace users` lists them" if known else "`headrace users add` adds one"
    )
    return NotFound(f"there is no account {name!r}; expected the name of one; {hint}")


def _names(names: Iterable[str]) -> str:
    return json.dumps(sorted(set(names)))


def _columns(entry: KeyEntry) -> dict[str, str | int | None]:
    return {
        "id": entry.id,
        "account": entry.account,
        "digest": entry.digest,
        "environment": entry.environment,
        "scopes": None if entry.scopes is None else _names(entry.scopes),
        "roles": None if entry.roles is None else _names(entry.roles),
        "name": entry.name,
        "expires_at": entry.expires_at,
    }

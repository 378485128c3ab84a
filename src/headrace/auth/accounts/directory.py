"""The directory: accounts and keys as they are at one moment, in memory; says who a name is.

Times are whole seconds since 1970; 0 is never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headrace.base.access import ClaimValue, Principal

AccountKind: TypeAlias = Literal["user", "service"]
_NO_ROLES: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may be let in: a person, or a program.

    Attributes:
        name: among all accounts, of both kinds.
        roles: its own; those of its groups come on top, see `Directory.roles_of`.
        groups: which it is a member of.
        claims: what is known of it: `$auth.<name>` in row policies. "tenant" is one of them.
        disabled: whether nothing lets it in any more.
        epoch: changes with every change of its roles, groups, claims or password, when it is
            disabled, and when it is signed out everywhere; never has an earlier value again, even
            when an account of that name was removed. What was proven at another epoch is void.
    """

    name: str
    kind: AccountKind = "user"
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    claims: Mapping[str, ClaimValue] = field(default_factory=dict)
    disabled: bool = False
    epoch: int = 0
    created_at: int = 0

    @property
    def id(self) -> str:
        """What a principal of it is called: "user:anna", "service:loader"."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What is kept of an API key; nothing that could be used as one.

    Attributes:
        id: the public part of the key.
        account: whose it is.
        digest: sha256 of the secret part, 64 hexadecimal digits.
        environment: where it may be used.
        scopes: what it is confined to; None when to nothing.
        roles: those of the account's roles that it has; None for all of them.
        name: a remark for people.
        last_used_at: to about a minute.
    """

    id: str
    account: str
    digest: str = field(repr=False)
    environment: str
    scopes: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    name: str = ""
    created_at: int = 0
    expires_at: int = 0
    last_used_at: int = 0
    revoked_at: int = 0

    def state(self, now: float) -> Literal["active", "expired", "revoked"]:
        """What has become of it."""
        if self.revoked_at:
            return "revoked"
        return "expired" if 0 < self.expires_at <= now else "active"


@dataclass(frozen=True, slots=True, eq=False)
class Directory:
    """All accounts and keys as they were at one moment.

    Attributes:
        revision: of the accounts when it was read.
        accounts: by name.
        keys: by id; revoked and expired ones too.
        groups: the roles that each group gives its members; a group without any may be missing.
    """

    revision: int = 0
    accounts: Mapping[str, Account] = field(default_factory=dict)
    keys: Mapping[str, KeyEntry] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def roles_of(self, account: Account) -> frozenset[str]:
        """An account's roles, those of its groups among them."""
        if not account.groups:
            return account.roles
        return account.roles.union(*(self.groups.get(each, _NO_ROLES) for each in account.groups))

    def principal_of(
        self,
        account: str,
        *,
        credential: str,
        scopes: frozenset[str] | None = None,
        roles: frozenset[str] | None = None,
        expires_at: float = 0.0,
    ) -> Principal | None:
        """Who has proven to be an account; None when there is none, or it is disabled.

        Args:
            account: its name.
            credential: what it was proven by, see `Principal`.
            scopes: what the credential is confined to; None when to nothing.
            roles: those of the account's roles that the credential has; None for all of them.
            expires_at: seconds since 1970 after which the proof holds no more; 0 for never.
        """
        found = self.accounts.get(account)
        if found is None or found.disabled:
            return None
        has = self.roles_of(found)
        return Principal(
            id=found.id,
            roles=has if roles is None else has & roles,
            scopes=scopes,
            claims=found.claims,
            credential=credential,
            expires_at=expires_at,
        )


EMPTY = Directory()

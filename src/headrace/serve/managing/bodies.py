"""What the management API takes and gives: the bodies of its requests, accounts and keys as JSON.

A field that is not named here is refused: nobody gives themselves a role by writing one more.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from headrace.auth.accounts.directory import Account, AccountKind, Directory, KeyEntry
from headrace.base.access import ClaimValue, Principal

_LONGEST_SECONDS = 100 * 366 * 86_400
Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=_LONGEST_SECONDS)]
Json: TypeAlias = dict[str, object]


class Grants(TypedDict, total=False):
    """What an account is given; what is missing stays."""

    roles: frozenset[str]
    groups: frozenset[str]
    claims: dict[str, ClaimValue]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /manage/users."""

    name: str
    kind: AccountKind = "user"
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    claims: dict[str, ClaimValue] = {}
    password: str | None = None


class ChangedUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of PATCH /manage/users/{name}: what is there replaces what was."""

    roles: frozenset[str] | UnsetType = UNSET
    groups: frozenset[str] | UnsetType = UNSET
    claims: dict[str, ClaimValue] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: str | UnsetType = UNSET
    sign_out: bool = False

    @property
    def grants(self) -> Grants:
        """What `Accounts.change_account` is to change."""
        given: Grants = {}
        if self.roles is not UNSET:
            given["roles"] = self.roles
        if self.groups is not UNSET:
            given["groups"] = self.groups
        if self.claims is not UNSET:
            given["claims"] = self.claims
        return given

    @property
    def detail(self) -> dict[str, str]:
        """The same for the record: names, and no values of claims."""
        given = {"roles": self.roles, "groups": self.groups, "claims": self.claims}
        return {
            what: " ".join(sorted(names)) for what, names in given.items() if names is not UNSET
        }


class NewOwnKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /manage/me/keys; null scopes and roles are all that may be had."""

    scopes: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    expires_in_seconds: Seconds | None = None
    name: str = ""


class NewKey(NewOwnKey, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /manage/keys."""

    account: str


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /manage/rollback: one of both, so that it can be sent twice.

    `to` is the number of the snapshot to publish again; `from` that of the one that is published,
    to go back to the newest one that differs from it.
    """

    to: int | None = None
    from_: int | None = msgspec.field(default=None, name="from")


def user_json(directory: Directory, account: Account) -> Json:
    """An account; `all_roles` are those of its groups, too."""
    return {
        "name": account.name,
        "kind": account.kind,
        "roles": sorted(account.roles),
        "groups": sorted(account.groups),
        "all_roles": sorted(directory.roles_of(account)),
        "claims": dict(account.claims),
        "disabled": account.disabled,
        "created_at": account.created_at,
    }


def key_json(key: KeyEntry, now: float) -> Json:
    """What is known of a key; `now` and all times are in seconds since 1970, 0 is never."""
    return {
        "id": key.id,
        "account": key.account,
        "environment": key.environment,
        "name": key.name,
        "scopes": None if key.scopes is None else sorted(key.scopes),
        "roles": None if key.roles is None else sorted(key.roles),
        "state": key.state(now),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked_at": key.revoked_at,
    }


def principal_json(principal: Principal) -> Json:
    """Who asks, as the credential has proven it."""
    return {
        "id": principal.id,
        "roles": sorted(principal.roles),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "claims": dict(principal.claims),
        "credential": principal.credential,
        "expires_at": principal.expires_at,
    }

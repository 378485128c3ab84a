"""Who may ask for something, and who asks: takes what was declared and proven, says yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

ClaimValue: TypeAlias = "str | int | float | bool | tuple[str | int | float, ...]"
"""What is known of somebody: one value, or a list of them."""

ADMIN = "admin"
"""The one role that headrace itself knows: it may manage accounts, keys and snapshots."""


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """Somebody who asks, as a credential has proven it. Equal only to itself.

    Attributes:
        id: "user:anna", "service:loader", "issuer|subject" of a token of another issuer; "" for
            somebody who has shown no credential.
        roles: as the catalog or the issuer gives them; those of groups among them.
        scopes: what the credential is confined to; None when it is confined to nothing.
        claims: claim -> value: what `$auth.<claim>` is in a row policy. "tenant" is one of them.
        credential: what it was proven by, for limits and the audit log: "key:<id>",
            "token:<issuer>", "session:<start of its id>"; never a secret.
        expires_at: seconds since 1970 after which the proof holds no more; 0 for never.
    """

    id: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    claims: Mapping[str, ClaimValue] = field(default_factory=dict)
    credential: str = ""
    expires_at: float = 0.0

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody knows who asks."""
        return not self.id

    @property
    def tenant(self) -> str:
        """The claim "tenant" as text; "" without one."""
        return str(self.claims.get("tenant", ""))


ANONYMOUS = Principal(scopes=frozenset())


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    Attributes:
        kind: "nobody", the default; "public" is everybody; "authenticated" everybody with a
            credential; "granted" those who have one of the `roles` (any role, when there are none)
            and all of the `scopes`.
    """

    kind: Literal["nobody", "public", "authenticated", "granted"] = "nobody"
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def allows(self, principal: Principal) -> bool:
        """Whether somebody may ask."""
        if self.kind == "public":
            return True
        if self.kind == "nobody" or principal.is_anonymous:
            return False
        if self.kind == "authenticated":
            return True
        has_role = not self.roles or not principal.roles.isdisjoint(self.roles)
        confined = principal.scopes
        return has_role and (confined is None or confined.issuperset(self.scopes))

    def __str__(self) -> str:
        if self.kind != "granted":
            return self.kind
        scopes = [f"scope {scope}" for scope in self.scopes]
        return ", ".join([*self.roles, *scopes])


NOBODY = Access()
PUBLIC = Access("public")
AUTHENTICATED = Access("authenticated")
ADMINS = Access("granted", roles=(ADMIN,))

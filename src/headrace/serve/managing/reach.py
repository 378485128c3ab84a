"""What somebody may have of their own account: takes who asks for a key, says how far it may go.

A key is never broader than the account, and never broader than the credential that asks for it:
whoever has found a narrow key cannot make a wide one of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.auth.accounts.directory import Account, Directory, KeyEntry
from headrace.base.access import Principal
from headrace.base.names import listed
from headrace.serve.answering.problems import Refused, problem, unfit

MOST_KEYS = 100
_DAY_SECONDS = 86_400
_KEY = "key:"
_SESSION = "session:"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a key goes; as in `KeyEntry`."""

    scopes: frozenset[str] | None
    roles: frozenset[str] | None
    expires_at: int


def own_account(directory: Directory, principal: Principal) -> Account:
    """The account of somebody.

    Raises:
        Refused: 404, they have none here: another issuer knows them.
    """
    _, _, name = principal.id.partition(":")
    account = directory.accounts.get(name)
    if account is None or account.id != principal.id:
        raise Refused(problem(404, "You have no account here; your token's issuer knows you."))
    return account


def within(directory: Directory, principal: Principal, wanted: Reach, now: int) -> Reach:
    """The key that somebody gets who wants one.

    What is not asked for (None, 0) is as far as may be. Only somebody who has signed in gets a key
    that outlives what they ask with.

    Args:
        directory: as it is now.
        principal: who asks.
        wanted: what for.
        now: seconds since 1970.

    Raises:
        Refused: 422, it would go further than the credential; 409, there are too many.
    """
    account = own_account(directory, principal)
    keys = [key for key in directory.keys.values() if key.account == account.name]
    if sum(not key.revoked_at for key in keys) >= MOST_KEYS:
        raise Refused(problem(409, f"You have {MOST_KEYS} keys; revoke one first."))
    if sum(key.created_at > now - _DAY_SECONDS for key in keys) >= MOST_KEYS:
        raise Refused(problem(409, f"You have made {MOST_KEYS} keys in a day; wait a while."))
    return Reach(
        scopes=_narrowed("scopes", wanted.scopes, principal.scopes, principal.scopes),
        roles=_narrowed("roles", wanted.roles, principal.roles, _roles(directory, principal)),
        expires_at=_end(principal, wanted.expires_at),
    )


def reaches(directory: Directory, principal: Principal, key: KeyEntry) -> bool:
    """Whether somebody may revoke a key of their account: one that goes no further than they do.

    Else whoever has found a narrow key could end those that matter.
    """
    has = directory.roles_of(own_account(directory, principal))
    is_within = principal.scopes is None or (
        key.scopes is not None and key.scopes <= principal.scopes
    )
    return is_within and (has if key.roles is None else has & key.roles) <= principal.roles


def _narrowed(
    what: str,
    wanted: frozenset[str] | None,
    most: frozenset[str] | None,
    unasked: frozenset[str] | None,
) -> frozenset[str] | None:
    if wanted is None:
        return unasked
    if most is not None and not wanted <= most:
        raise unfit(what, listed(sorted(wanted - most)), f"some of {listed(sorted(most))}")
    return wanted


def _roles(directory: Directory, principal: Principal) -> frozenset[str] | None:
    """The roles of a key for which none were asked; None for whatever its account will have."""
    if principal.credential.startswith(_SESSION):
        return None
    key = directory.keys.get(principal.credential.removeprefix(_KEY))
    if key is not None and principal.credential.startswith(_KEY):
        return key.roles
    return principal.roles


def _end(principal: Principal, wanted: int) -> int:
    """When a key ends: with what it was asked for by, unless that is a session."""
    most = 0 if principal.credential.startswith(_SESSION) else int(principal.expires_at)
    return min(wanted, most) if wanted and most else wanted or most

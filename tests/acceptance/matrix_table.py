"""Who gets in where in the matrix project: written down, not computed.

A route that is served and not in `TABLE` is a failure of the test.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

# Everybody who is somebody.
ANALYSTS = frozenset(
    {
        *("ada", "gina", "loader", "ada for reports", "ada elsewhere", "session of ada"),
        *("token of an analyst", "token elsewhere", "own token of ada", "own token of loader"),
    }
)
MANAGERS = frozenset({"maria", "sven", "token of a manager"})
FRANCHISEES = frozenset({"nora", "sofia"})
AUDITORS = frozenset({"vera"})
ADMINS = frozenset({"root", "session of root"})
ROLELESS = frozenset(
    {
        *("plain", "ada without roles", "root elsewhere", "token without roles"),
        *("token of an admin", "token of another ada"),
    }
)
SELLERS = ANALYSTS | MANAGERS | FRANCHISEES
KNOWN = SELLERS | AUDITORS | ADMINS | ROLELESS
ELSEWHERE = frozenset({"ada elsewhere", "token elsewhere", "root elsewhere"})
OF_OTHER_ISSUERS = frozenset(
    {
        *("token of an analyst", "token of a manager", "token elsewhere"),
        *("token without roles", "token of an admin", "token of another ada"),
    }
)
SESSIONS = frozenset({"session of ada", "session of root"})
NOBODIES = frozenset(
    {
        *("nothing", "no session", "two sessions"),
        *("session of the disabled", "session of who has changed"),
    }
)
EVERYBODY = KNOWN | NOBODIES
NONE: frozenset[str] = frozenset()

MARKS: Mapping[str, frozenset[int]] = {
    **{name: frozenset({1, 2, 3, 4}) for name in ANALYSTS},
    **{name: frozenset({1, 2}) for name in ("maria", "token of a manager")},
    **{name: frozenset({3}) for name in ("sven", "sofia")},
    "nora": frozenset({1, 2, 4}),
}
"""The orders that each may see; all others see none."""
ALL = frozenset({1, 2, 3, 4})


@dataclass(frozen=True)
class Row:
    """Who gets in, and what they get.

    Attributes:
        who: by name; those with a bad credential get in nowhere.
        marks: those of the orders that the answer to all of it would hold.
        status: of whoever gets in.
        other: name -> another status.
    """

    who: Collection[str]
    marks: frozenset[int] = frozenset()
    status: int = 200
    other: Mapping[str, int] = field(default_factory=dict)


def statuses(names: Collection[str], status: int) -> dict[str, int]:
    """The same status for each."""
    return dict.fromkeys(names, status)


PUBLIC: Mapping[str, Row] = {
    "/": Row(EVERYBODY),
    "/openapi.json": Row(EVERYBODY),
    "/batch": Row(EVERYBODY, status=405),
    "/days": Row(EVERYBODY),
    "POST /shared": Row(EVERYBODY),
    "OPTIONS /shared": Row(EVERYBODY, status=204),
    "PURGE /shared": Row(EVERYBODY, status=405),
    "POST /split": Row(EVERYBODY),
    "POST /auth/token": Row(EVERYBODY, status=415),
    "POST /auth/revoke": Row(EVERYBODY, status=415),
    "POST /auth/sign-in": Row(EVERYBODY, status=415),
    "POST /auth/sign-out": Row(EVERYBODY, status=303),
    "POST /auth/sessions/{handle}/end": Row(EVERYBODY, status=303),
    "POST /auth/setup": Row(EVERYBODY, status=415),
    "GET /auth/oidc/{issuer}": Row(EVERYBODY, status=404),
    "GET /auth/oidc/{issuer}/callback": Row(EVERYBODY, status=404),
    "GET /console": Row(EVERYBODY, status=303, other=statuses(SESSIONS, 200)),
    "GET /console/sign-in": Row(EVERYBODY, other=statuses(SESSIONS, 303)),
    "GET /console/setup": Row(EVERYBODY, status=303),
    "GET /console/static/{name}": Row(EVERYBODY),
}
"""Every route that is open to somebody whom nobody knows."""

HEALTH = ("/livez", "/readyz")
"""Those that look at no credential, not even at a bad one."""

GUARDED: Mapping[str, Row] = {
    "/stores/{store_id}/revenue": Row(SELLERS, frozenset({1, 2})),
    "/orders": Row(SELLERS, ALL),
    "/own": Row(KNOWN, ALL),
    "/reports": Row(ANALYSTS - ELSEWHERE, ALL),
    "/scoped": Row(KNOWN - ELSEWHERE, ALL),
    "/vault": Row(AUDITORS | ANALYSTS),
    "GET /mine": Row(ANALYSTS | MANAGERS, ALL),
    "HEAD /mine": Row(ANALYSTS | MANAGERS),
    "POST /mine": Row(ANALYSTS | MANAGERS),
    "OPTIONS /mine": Row(ANALYSTS | MANAGERS, status=204),
    "PURGE /mine": Row(ANALYSTS | MANAGERS, status=405),
    "GET /shared": Row(AUDITORS),
    "HEAD /shared": Row(AUDITORS),
    "GET /split": Row(AUDITORS),
    "HEAD /split": Row(AUDITORS),
    "OPTIONS /split": Row(AUDITORS, status=204),
    "PURGE /split": Row(AUDITORS, status=405),
    # Of a path that is an endpoint's, a router has only the methods that are its own.
    "POST /orders": Row(AUDITORS),
    "HEAD /orders": Row(SELLERS),
    "OPTIONS /orders": Row(SELLERS, status=204),
    "PURGE /orders": Row(SELLERS, status=405),
    "GET /manage/users": Row(ADMINS),
    "POST /manage/users": Row(ADMINS, status=415),
    "PATCH /manage/users/{name}": Row(ADMINS, status=415),
    "GET /manage/keys": Row(ADMINS),
    "POST /manage/keys": Row(ADMINS, status=415),
    "DELETE /manage/keys/{id}": Row(ADMINS, status=404),
    "POST /manage/rollback": Row(ADMINS, status=415),
    "GET /manage/audit": Row(ADMINS),
    "GET /manage/me": Row(KNOWN),
    "GET /manage/me/keys": Row(KNOWN, other=statuses(OF_OTHER_ISSUERS, 404)),
    "POST /manage/me/keys": Row(KNOWN, status=415),
    "DELETE /manage/me/keys/{id}": Row(KNOWN, status=404),
}
TABLE = {**PUBLIC, **GUARDED}

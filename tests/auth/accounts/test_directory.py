"""directory.py: who a name is, at one moment, without a look at any file."""

from __future__ import annotations

from headrace.auth.accounts.directory import Account, Directory, KeyEntry

ANNA = Account(
    "anna",
    roles=frozenset(["crm"]),
    groups=frozenset(["south", "unheard_of"]),
    claims={"tenant": "south"},
)
LOADER = Account("loader", "service", disabled=True)
DIRECTORY = Directory(
    accounts={"anna": ANNA, "loader": LOADER},
    groups={"south": frozenset(["viewer"]), "north": frozenset(["admin"])},
)


def test_a_principal_has_the_roles_of_its_groups() -> None:
    found = DIRECTORY.principal_of("anna", credential="session:ab", expires_at=7.0)
    assert found is not None
    assert (found.id, found.credential, found.expires_at) == ("user:anna", "session:ab", 7.0)
    assert found.roles == {"crm", "viewer"}
    assert found.scopes is None
    assert found.tenant == "south"


def test_a_credential_narrows_and_never_adds() -> None:
    found = DIRECTORY.principal_of(
        "anna", credential="c", roles=frozenset(["viewer", "admin"]), scopes=frozenset(["read"])
    )
    assert found is not None
    assert found.roles == {"viewer"}
    assert found.scopes == frozenset(["read"])


def test_nobody_is_who_is_unknown_or_disabled() -> None:
    assert DIRECTORY.principal_of("ben", credential="c") is None
    assert DIRECTORY.principal_of("loader", credential="c") is None


def test_a_key_is_active_until_it_expires_or_is_revoked() -> None:
    key = KeyEntry("id", "anna", "digest", "prod")
    assert key.state(1e12) == "active"
    expiring = KeyEntry("id", "anna", "digest", "prod", expires_at=100)
    assert (expiring.state(99.9), expiring.state(100)) == ("active", "expired")
    assert KeyEntry("id", "anna", "d", "prod", expires_at=9, revoked_at=1).state(10) == "revoked"

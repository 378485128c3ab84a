"""configured.py: a server is open to other machines only when somebody can prove who they are."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.configured import is_configured
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import SetClock, parse_time

NOTHING = AuthSettings()
NOW = parse_time("2026-11-26T12:00:00.000000Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.db"


def put(path: Path, sql: str) -> None:
    with closing(Accounts.open(path)) as accounts, accounts.database.transaction() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO accounts (name, kind, roles, groups, claims, epoch, created_at)"
            " VALUES ('anna', 'user', '[]', '[]', '{}', 0, 0)"
        )
        connection.execute(sql)


def key(expires_at: float = 0, revoked_at: int = 0) -> str:
    return (
        "INSERT INTO keys (id, account, digest, environment, name, created_at, expires_at,"
        f" revoked_at) VALUES ('k', 'anna', '', 'prod', '', 0, {expires_at}, {revoked_at})"
    )


def configured(path: Path, settings: AuthSettings = NOTHING) -> bool:
    return is_configured(settings, path, SetClock(NOW))


def test_without_accounts_nobody_can_and_no_file_is_made(path: Path) -> None:
    assert not configured(path)
    assert not path.exists()


def test_an_issuer_is_enough(path: Path) -> None:
    issuer = Issuer("corp", "https://id.example", "api")
    assert configured(path, AuthSettings(issuers=(issuer,)))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", False),
        ("INSERT INTO passwords VALUES ('anna', 'x')", True),
        (key(), True),
        (key(expires_at=NOW.timestamp() + 1), True),
        (key(expires_at=NOW.timestamp()), False),
        (key(revoked_at=1), False),
    ],
)
def test_an_account_needs_a_password_or_a_key_that_holds(
    path: Path, sql: str, expected: bool
) -> None:
    put(path, sql)
    assert configured(path) is expected


def test_a_disabled_account_is_nobody(path: Path) -> None:
    put(path, key())
    put(path, "UPDATE accounts SET disabled = 1")
    assert not configured(path)

"""Whether anybody can prove who they are: takes the settings and the accounts, says yes or no."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from headrace.auth.accounts.accounts import Accounts
from headrace.base.auth_settings import AuthSettings
from headrace.base.clock import Clock, SystemClock

_SYSTEM_CLOCK = SystemClock()


def is_configured(
    settings: AuthSettings, accounts_path: Path, clock: Clock = _SYSTEM_CLOCK
) -> bool:
    """Whether there is an issuer, or an account with a password or a key that holds.

    Args:
        settings: of the project.
        accounts_path: the file of the accounts; where there is none, none is made.
        clock: by which keys expire.

    Raises:
        StoreError: the file is none of accounts.
    """
    if settings.issuers:
        return True
    if not accounts_path.exists():
        return False
    with closing(Accounts.open(accounts_path, clock=clock)) as accounts:
        [(found,)] = accounts.database.rows("has_credential", {"now": accounts.now()})
    return bool(found)

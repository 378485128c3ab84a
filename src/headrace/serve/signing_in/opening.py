"""Everything that signing in needs: takes the accounts and what trusts whom, gives the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.recording import Audit, recorded_nowhere
from headrace.auth.signing_in.sessions import Sessions
from headrace.auth.tokens.openid import IdTokenKeys
from headrace.auth.tokens.own_tokens import OwnTokens
from headrace.auth.tokens.signing_keys import Sealing, SigningKeys
from headrace.base.auth_settings import AuthSettings
from headrace.serve.signing_in.attempts import Attempts, Limit, unlimited
from headrace.serve.signing_in.face import SigningIn
from headrace.serve.signing_in.openid import OpenIdSignIn


@dataclass(frozen=True, slots=True)
class House:
    """What signing in is built on.

    Attributes:
        accounts: the accounts' file.
        directory: the one that everything of the process follows.
        secret: of the store.
        project, environment: what tokens are issued for.
        settings: `[auth]`.
        keys: of other issuers, by their names; the same that verify their access tokens.
        limit: asked before each attempt.
        note: for the audit log.
        root: the project's folder, where the path of a secret's file begins.
    """

    accounts: Accounts
    directory: FollowedDirectory
    secret: bytes = field(repr=False)
    project: str
    environment: str
    settings: AuthSettings
    keys: Mapping[str, IdTokenKeys] = field(default_factory=dict)
    limit: Limit = unlimited
    note: Audit = recorded_nowhere
    root: Path | None = None


def open_signing_in(house: House) -> SigningIn:
    """The face at /auth; `close` it at last.

    Its `sessions` are what `SessionProofs` takes, and `tokens.trust()` is for the verifier of
    tokens.

    Raises:
        UsageError: the secret of a client cannot be read, or Authlib is not installed.
        StoreError: the accounts' file cannot be used.
    """
    accounts, settings, clock = house.accounts, house.settings, house.accounts.clock
    database = accounts.database
    sessions = Sessions(database, house.directory, settings, clock)
    sessions.refresh()
    tokens = OwnTokens(
        database,
        SigningKeys.open(database, house.secret, clock),
        house.directory,
        settings,
        clock,
        f"headrace:{house.project}:{house.environment}",
    )
    openid = OpenIdSignIn.make(
        settings.issuers,
        house.keys,
        Sealing(house.secret),
        database,
        clock,
        house.limit,
        house.root,
    )
    attempts = Attempts(accounts, house.directory, house.limit)
    return SigningIn(accounts, sessions, tokens, attempts, openid, house.note)

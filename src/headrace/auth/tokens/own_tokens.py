"""Headrace's own access tokens: takes who has signed in, gives a token; takes it, says whose it is.

An access token is a JWT of type `at+jwt`, signed with Ed25519 by a key that only the accounts' file
holds, sealed. It lives for minutes, and says at which epoch of its account it was made: at another
one it is void. A refresh token is an opaque text that is good for one use.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

import jwt

from headrace.auth.accounts.directory import Account
from headrace.auth.accounts.following import FollowedDirectory
from headrace.auth.tokens.key_sets import VerificationKey
from headrace.auth.tokens.signing_keys import ALGORITHM, SigningKeys
from headrace.auth.tokens.verifying import BadToken, Claims, KeyNeeded, Trust
from headrace.base.access import Principal
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import Clock
from headrace.base.secrets import Secret
from headrace.store.database import Database

MOST_SECONDS = 900
OWN_NAME = "headrace"
# Somebody who signs in again and again must not fill the file.
FAMILIES_OF_ONE = 50
TYPE = "at+jwt"
_REFRESH = "hrr_"
_REFRESH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """What `account` gets, which has signed in; `refresh` is None for a program with a key."""

    account: str
    access: Secret
    expires_seconds: int
    refresh: Secret | None = None


class RefreshReused(Exception):
    """A refresh token was shown a second time: somebody else has it. Its family is revoked."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__("a refresh token was used twice")


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Makes tokens of one environment of one project, and says whether they hold still.

    Attributes:
        database: the accounts' file.
        keys: what signs.
        directory: gives the accounts as they are now.
        name: "headrace:<project>:<environment>", the issuer and the audience of every token.
    """

    database: Database
    keys: SigningKeys
    directory: FollowedDirectory
    settings: AuthSettings
    clock: Clock
    name: str

    # Making

    def grant(self, account: Account) -> Grant:
        """Tokens for somebody whose password was right. Blocks."""
        family = secrets.token_hex(16)
        expires_at = self._now() + self.settings.refresh_token_seconds
        refresh = _new_refresh()
        with self.database.transaction() as connection:
            connection.execute(
                self.database.query("delete_ended_refresh_tokens"), {"now": self._now()}
            )
            owner = (account.name, account.epoch)
            self._keep(connection, refresh, family, owner, expires_at)
            connection.execute(
                self.database.query("delete_oldest_refresh_families"),
                {"account": account.name, "keep": FAMILIES_OF_ONE},
            )
        return self._grant(account, refresh=refresh)

    def grant_for_key(self, account: Account, key_id: str) -> Grant:
        """An access token for a program that has shown its API key; it is confined as the key is,
        and void when the key is.
        """
        return self._grant(account, key_id=key_id)

    def refreshed(self, token: str) -> Grant | None:
        """New tokens for a refresh token, which is good no more; None for one that is not. Blocks.

        Raises:
            RefreshReused: it was good once.
        """
        if not self.database.rows("refresh_token", {"digest": _digest(token)}):
            # Whoever guesses must not make others wait for the file.
            return None
        refresh = _new_refresh()
        with self.database.transaction() as connection:
            row = connection.execute(
                self.database.query("refresh_token"), {"digest": _digest(token)}
            ).fetchone()
            if row is None:
                return None
            family, name, epoch, expires_at, used = row
            account = self._account(name, epoch)
            reused = bool(used)
            if reused or account is None or expires_at <= self._now():
                connection.execute(self.database.query("revoke_refresh_family"), {"family": family})
            else:
                connection.execute(
                    self.database.query("use_refresh_token"), {"digest": _digest(token)}
                )
                self._keep(connection, refresh, family, (name, epoch), expires_at)
        if reused:
            raise RefreshReused(name)
        if account is None or expires_at <= self._now():
            return None
        return self._grant(account, refresh=refresh)

    def revoke(self, token: str) -> str:
        """Make a refresh token, and all that came of the same sign-in, good for nothing; the name
        of the account, "" for a token that is none. Blocks.
        """
        for family, name, *_ in self.database.rows("refresh_token", {"digest": _digest(token)}):
            self.database.write("revoke_refresh_family", [{"family": family}])
            return str(name)
        return ""

    def _keep(
        self,
        connection: sqlite3.Connection,
        refresh: Secret,
        family: str,
        owner: tuple[str, int],
        expires_at: float,
    ) -> None:
        row = {
            "digest": _digest(refresh.reveal()),
            "family": family,
            "account": owner[0],
            "epoch": owner[1],
            "expires_at": expires_at,
        }
        connection.execute(self.database.query("insert_refresh_token"), row)

    def _grant(self, account: Account, *, refresh: Secret | None = None, key_id: str = "") -> Grant:
        now = int(self._now())
        seconds = min(self.settings.access_token_seconds, MOST_SECONDS)
        claims = {
            "iss": self.name,
            "aud": self.name,
            "sub": account.id,
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(16),
            "client_id": "headrace",
            "epoch": account.epoch,
        }
        if key_id:
            claims["key"] = key_id
        key = self.keys.signing()
        headers = {"typ": TYPE, "kid": key.kid}
        token = jwt.encode(claims, key.private(), algorithm=ALGORITHM, headers=headers)
        return Grant(account.name, Secret(token), seconds, refresh)

    # Verifying

    def trust(self) -> Trust:
        """What a verifier of tokens needs to believe these."""
        own = Issuer(OWN_NAME, self.name, self.name, algorithms=(ALGORITHM,))
        return Trust(own, _Followed(self.keys, self.directory), self.accept)

    def accept(self, principal: Principal, claims: Claims) -> Principal:
        """Whose a token is, whose signature, issuer and times are right.

        Raises:
            BadToken: its account or its key is not what it was.
            KeyNeeded: it was made in another process, after a change that is not known here yet.
        """
        epoch, key_id = claims.get("epoch"), claims.get("key", "")
        if type(epoch) is int and epoch > self.directory.now.revision:
            raise KeyNeeded(OWN_NAME)
        name = str(claims["sub"]).partition(":")[2]
        account = self._account(name, epoch) if type(epoch) is int else None
        if account is None or account.id != claims["sub"]:
            raise BadToken("revoked")
        directory = self.directory.now
        scopes = roles = None
        expires_at = principal.expires_at
        if key_id:
            key = directory.keys.get(str(key_id))
            if key is None or key.account != name or key.state(self._now()) != "active":
                raise BadToken("revoked")
            scopes, roles = key.scopes, key.roles
            # A proof is remembered until then, and not looked at again.
            expires_at = min(expires_at, key.expires_at or expires_at)
        found = directory.principal_of(
            name,
            credential=principal.credential,
            scopes=scopes,
            roles=roles,
            expires_at=expires_at,
        )
        if found is None:
            raise BadToken("revoked")
        return found

    def _account(self, name: str, epoch: int) -> Account | None:
        """The account, if it may be let in, and nothing of it has changed since."""
        account = self.directory.now.accounts.get(name)
        if account is None or account.disabled or account.epoch != epoch:
            return None
        return account

    def _now(self) -> float:
        return self.clock.now().timestamp()


class _Followed:
    """The signing keys, and the accounts with them, as a source of keys."""

    def __init__(self, keys: SigningKeys, directory: FollowedDirectory) -> None:
        self._keys = keys
        self._directory = directory

    @property
    def generation(self) -> int:
        return self._keys.generation

    def key(self, kid: str) -> VerificationKey | None:
        return self._keys.key(kid)

    def may_help(self) -> bool:
        return self._keys.may_help()

    async def fetch(self) -> None:
        await asyncio.to_thread(self._directory.refresh)
        await self._keys.fetch()


def is_refresh_token(text: str) -> bool:
    """Whether a text is a refresh token by its form."""
    return text.startswith(_REFRESH)


def _new_refresh() -> Secret:
    return Secret(_REFRESH + secrets.token_urlsafe(_REFRESH_BYTES))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

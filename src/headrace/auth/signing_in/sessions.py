"""Browser sessions: takes the id that a cookie holds, gives whose session it is, until it ends.

A session is in the accounts' file, under the SHA-256 of its id; whoever reads the file cannot use
one. Serving looks at a picture of it in memory, which follows the file about once a second, so that
a session that is ended anywhere has ended everywhere a second later.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from headrace.auth.accounts.directory import EMPTY, Account, Directory
from headrace.auth.accounts.following import FollowedDirectory
from headrace.base.access import ClaimValue, Principal
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import Clock
from headrace.base.hashing import address
from headrace.base.secrets import Secret
from headrace.store.database import Database, Parameters

_ID_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_HANDLE_CHARACTERS = 16
# What SQLite has room for.
_EPOCH_DIGITS = 12
_BROWSER_CHARACTERS = 200
# Somebody who signs in again and again must not fill the file.
SESSIONS_OF_ONE = 50
# Uses are written this often: so much later may an idle session end in another process.
USE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in; times are seconds since 1970.

    Attributes:
        digest: of its id.
        owner: `Principal.id` of who has signed in.
        account: name of the local account; "" for somebody of another issuer.
        epoch: of the account, or of what the settings say of the issuer, when the session began;
            it ends when that is another one.
        issuer: name of the other issuer; "" for a local account.
        known: of somebody of another issuer, who it is.
        begun_at, used_at: sign-in, and last use as far as it is written.
        ends_at: whatever happens.
        browser: what it calls itself.
    """

    digest: bytes
    owner: str
    account: str
    epoch: int
    issuer: str
    known: Principal | None
    begun_at: float
    used_at: float
    ends_at: float
    browser: str

    @property
    def handle(self) -> str:
        """What it is called where its id must not be seen."""
        return self.digest.hex()[:_HANDLE_CHARACTERS]

    @property
    def credential(self) -> str:
        """What `Principal.credential` says of it."""
        return f"session:{self.handle}"


@dataclass(slots=True)
class Sessions:
    """All sessions; `find` and `principal_of` never block, everything else may."""

    database: Database
    directory: FollowedDirectory
    settings: AuthSettings
    clock: Clock
    _known: dict[bytes, Session] = field(default_factory=dict)
    _used: dict[bytes, float] = field(default_factory=dict)
    _principals: dict[bytes, tuple[Directory, Principal]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _changed: int = -1
    _written_at: float = 0.0
    _epochs: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._epochs = {each.name: _epoch_of(each) for each in self.settings.issuers}

    # Beginning and ending

    def begin_for(self, account: Account, browser: str = "") -> tuple[Secret, Session]:
        """Sign a local account in: the id for the cookie, new each time, and the session.

        Args:
            account: as it was when its password was verified; if it has changed since, the session
                has ended already.
            browser: its User-Agent.
        """
        return self._begin(account.id, account.name, account.epoch, "", None, browser)

    def begin_by(
        self, issuer: str, principal: Principal, browser: str = ""
    ) -> tuple[Secret, Session]:
        """Sign in whom another issuer knows; see `begin_for`.

        Args:
            issuer: its name in the settings. When they say anything else of it, such as other
                roles, its sessions have ended.
            principal: who it is.
            browser: its User-Agent.
        """
        return self._begin(principal.id, "", self._epochs[issuer], issuer, principal, browser)

    def _begin(
        self,
        owner: str,
        account: str,
        epoch: int,
        issuer: str,
        known: Principal | None,
        browser: str,
    ) -> tuple[Secret, Session]:
        now = self._now()
        secret = secrets.token_urlsafe(_ID_BYTES)
        session = Session(
            digest=digest_of(secret),
            owner=owner,
            account=account,
            epoch=epoch,
            issuer=issuer,
            known=known,
            begun_at=now,
            used_at=now,
            ends_at=now + self.settings.session_seconds,
            browser=browser[:_BROWSER_CHARACTERS],
        )
        with self._lock:
            self.database.write("insert_session", [_row(session)])
            keep: Parameters = {"owner": owner, "keep": SESSIONS_OF_ONE}
            if self.database.write("delete_oldest_sessions", [keep]):
                self._read_all()
            self._known[session.digest] = session
        return Secret(secret), session

    def end(self, *sessions: Session) -> None:
        """Sign browsers out."""
        with self._lock:
            self.database.write("delete_session", [{"digest": each.digest} for each in sessions])
            for session in sessions:
                self._forget(session.digest)

    def of(self, owner: str) -> list[Session]:
        """The sessions of somebody that have not ended, newest first."""
        now = self._now()
        # A copy: a thread may add a session meanwhile.
        known = list(self._known.values())
        listed = [replace(each, used_at=self._used_at(each)) for each in known]
        mine = [each for each in listed if each.owner == owner and self._holds(each, now)]
        return sorted(mine, key=lambda each: each.begun_at, reverse=True)

    # Finding

    def find(self, cookie: str) -> Session | None:
        """The session of an id, from memory; notes that it was used."""
        session = self._known.get(digest_of(cookie))
        if session is None:
            return None
        now = self._now()
        if not self._holds(session, now):
            return None
        self._used[session.digest] = now
        return session

    def is_known(self, digest: bytes) -> bool:
        """Whether memory can tell what has become of a session."""
        session = self._known.get(digest)
        if session is None:
            return False
        return not session.account or session.epoch <= self.directory.now.revision

    def look_up(self, digest: bytes) -> None:
        """Let `find` know a session that has just begun in another process, if there is one."""
        self.directory.refresh()
        with self._lock:
            for row in self.database.rows("session", {"digest": digest}):
                session = _session(row)
                self._known[session.digest] = session

    def principal_of(self, session: Session) -> Principal | None:
        """Who has signed in: the same object for as long as the directory is the same. None when
        the account is no more, or disabled.
        """
        directory = self.directory.now
        kept = self._principals.get(session.digest)
        if kept is not None and kept[0] is directory:
            return kept[1]
        proof, until = session.credential, session.ends_at
        if session.known is not None:
            made = replace(session.known, credential=proof, expires_at=until)
        else:
            found = directory.principal_of(session.account, credential=proof, expires_at=until)
            if found is None:
                return None
            made = found
        self._principals[session.digest] = (directory, made)
        return made

    # Following the file

    def refresh(self) -> None:
        """Take what other processes have changed, and write what is due."""
        with self._lock:
            [(changed,)] = self.database.rows("changed_by_others")
            if changed != self._changed:
                self._read_all()
                self._changed = changed
            if self._now() - self._written_at >= USE_SECONDS:
                self._write()

    def close(self) -> None:
        """Write when sessions were last used."""
        with self._lock:
            self._write()

    def _read_all(self) -> None:
        read = [_session(row) for row in self.database.rows("sessions")]
        self._known = {session.digest: session for session in read}
        for digest in [*self._used, *self._principals]:
            if digest not in self._known:
                self._forget(digest)

    def _write(self) -> None:
        self._written_at = now = self._now()
        used = [(digest, at) for digest, at in list(self._used.items()) if digest in self._known]
        late = [(digest, at) for digest, at in used if at > self._known[digest].used_at]
        if late:
            rows: list[Parameters] = [{"digest": digest, "used_at": at} for digest, at in late]
            self.database.write("use_session", rows)
            for digest, at in late:
                self._known[digest] = replace(self._known[digest], used_at=at)
        # Twice as late, so that another process has had time to write that it was used.
        idle_since = now - self.settings.session_idle_seconds - 2 * USE_SECONDS
        ended = [
            digest
            for digest, each in list(self._known.items())
            if each.ends_at <= now or each.used_at <= idle_since
        ]
        if ended:
            self.database.write("delete_ended_sessions", [{"now": now, "idle_since": idle_since}])
            for digest in ended:
                self._forget(digest)

    def _forget(self, digest: bytes) -> None:
        self._known.pop(digest, None)
        self._used.pop(digest, None)
        self._principals.pop(digest, None)

    def _holds(self, session: Session, now: float) -> bool:
        """Whether a session has not ended, by a limit or by what has become of its owner."""
        idle_at = self._used_at(session) + self.settings.session_idle_seconds
        if now >= min(session.ends_at, idle_at):
            return False
        if session.account:
            account = self.directory.now.accounts.get(session.account)
            return account is not None and not account.disabled and account.epoch == session.epoch
        if self.directory.now is EMPTY:
            # The file cannot be read: nobody knows which sessions were ended since.
            return False
        return self._epochs.get(session.issuer) == session.epoch

    def _used_at(self, session: Session) -> float:
        return max(session.used_at, self._used.get(session.digest, 0.0))

    def _now(self) -> float:
        return self.clock.now().timestamp()


def _epoch_of(issuer: Issuer) -> int:
    """A number that changes with everything that the settings say of an issuer."""
    return int(address("issuer", asdict(issuer))[:_EPOCH_DIGITS], 16)


def digest_of(cookie: str) -> bytes:
    """What a session is kept under, by its id; empty for what is no id."""
    if not _ID.fullmatch(cookie):
        return b""
    return hashlib.sha256(cookie.encode("ascii")).digest()


def _row(session: Session) -> Parameters:
    return {
        "digest": session.digest,
        "owner": session.owner,
        "account": session.account,
        "epoch": session.epoch,
        "issuer": session.issuer,
        "known": _written(session.known),
        "begun_at": session.begun_at,
        "used_at": session.used_at,
        "ends_at": session.ends_at,
        "browser": session.browser,
    }


def _session(row: tuple[Any, ...]) -> Session:
    digest, owner, account, epoch, issuer, known, begun_at, used_at, ends_at, browser = row
    return Session(
        digest, owner, account, epoch, issuer, _read(known), begun_at, used_at, ends_at, browser
    )


def _written(principal: Principal | None) -> str:
    if principal is None:
        return ""
    known: dict[str, object] = {
        "id": principal.id,
        "roles": sorted(principal.roles),
        "scopes": None if principal.scopes is None else sorted(principal.scopes),
        "claims": dict(principal.claims),
    }
    return json.dumps(known)


def _read(known: str) -> Principal | None:
    if not known:
        return None
    read = json.loads(known)
    claims: Mapping[str, ClaimValue] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in read["claims"].items()
    }
    scopes = None if read["scopes"] is None else frozenset(read["scopes"])
    return Principal(read["id"], frozenset(read["roles"]), scopes, claims)

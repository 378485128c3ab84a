"""The gate: takes what a request shows of who sends it, gives the principal, or refuses.

It looks at headers alone. Proofs that held are remembered by their digest until they expire, or
until anything changes that a proof rests on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

from headrace.auth.proofs import BadCredential, KeysMissing, Proofs
from headrace.base.access import ANONYMOUS, Access, Principal
from headrace.serve.answering.answers import Answer, Headers
from headrace.serve.answering.problems import Refused, not_found, problem

_LOG = logging.getLogger("headrace.serve")

COOKIE = "__Host-headrace"
_COOKIE = COOKIE.encode()
_MOST_PROOFS = 20_000
_BEARER = b"bearer "
# A token of 8 KiB is refused by whoever reads it; nothing longer is even hashed.
_MOST_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class _Proof:
    principal: Principal
    until: float


class Gate:
    """Tells who asks; `quick` from one thread, everything else from any."""

    def __init__(
        self,
        bearers: Iterable[Proofs] = (),
        sessions: Proofs | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Believe these kinds of credential.

        Args:
            bearers: of the Authorization header.
            sessions: of the cookie.
            clock: seconds since 1970.
        """
        self._bearers = tuple(bearers)
        self._sessions = sessions
        self._clock = clock
        self._proofs: dict[bytes, _Proof] = {}
        self._uses: dict[str, float] = {}

    def quick(self, authorization: bytes) -> Principal | None:
        """The principal of an Authorization header, if it can be told at once.

        None: `principal` has to look, or to refuse.
        """
        proof = self._proofs.get(sha256(authorization).digest())
        now = self._clock()
        if proof is not None and proof.until > now:
            self._uses[proof.principal.credential] = now
            return proof.principal
        try:
            return self._verified(authorization, now)
        except (BadCredential, KeysMissing):
            return None

    async def principal(self, headers: Headers) -> Principal:
        """Who sends a request with these headers; ANONYMOUS without a credential.

        Raises:
            Refused: 401, what it shows proves nothing.
        """
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) > 1:
            raise unauthenticated("two Authorization headers")
        if given:
            return await self._bearer(given[0])
        session = session_cookie(headers) if self._sessions is not None else ""
        return await self._session(session.encode()) if session else ANONYMOUS

    def refresh(self) -> None:
        """Look at what proofs rest on, about once a second; blocks."""
        kinds = [*self._bearers, *([self._sessions] if self._sessions else [])]
        # Each of them, whatever the others say.
        changed = [each.refresh() for each in kinds]
        if any(changed):
            self._proofs = {}
        uses, self._uses = self._uses, {}
        if uses:
            for each in kinds:
                each.note_uses(uses)

    async def _bearer(self, authorization: bytes) -> Principal:
        for attempt in (1, 2):
            try:
                return self._verified(authorization, self._clock())
            except BadCredential as exc:
                raise unauthenticated(str(exc)) from exc
            except KeysMissing as exc:
                if attempt == 2:
                    raise unauthenticated("unknown key") from exc
                for kind in self._bearers:
                    await kind.fetch(exc.issuer)
        raise AssertionError("the second attempt returns or raises")

    async def _session(self, cookie: bytes) -> Principal:
        assert self._sessions is not None
        for attempt in (1, 2):
            now = self._clock()
            try:
                principal = self._sessions.verify(cookie, now)
            except BadCredential as exc:
                # A session that has ended makes nobody of the browser: public pages stay open.
                _LOG.debug("a session proves nothing: %s", exc)
                return ANONYMOUS
            except KeysMissing as exc:
                # It may have begun in another process a moment ago.
                if attempt == 1:
                    await self._sessions.fetch(exc.issuer)
            else:
                self._uses[principal.credential] = now
                return principal
        return ANONYMOUS

    def _verified(self, authorization: bytes, now: float) -> Principal:
        if len(authorization) > _MOST_BYTES:
            raise BadCredential("too long")
        if authorization[: len(_BEARER)].lower() != _BEARER:
            raise BadCredential("no bearer")
        credential = authorization[len(_BEARER) :].strip(b" ")
        # What changes from here on replaces them: a proof that rested on the old is kept nowhere.
        proofs = self._proofs
        for kind in self._bearers:
            if kind.takes(credential):
                principal = kind.verify(credential, now)
                if len(proofs) >= _MOST_PROOFS:
                    proofs.clear()
                until = principal.expires_at or float("inf")
                proofs[sha256(authorization).digest()] = _Proof(principal, until)
                self._uses[principal.credential] = now
                return principal
        raise BadCredential("of no known kind")


OPEN_GATE = Gate()
"""Knows nobody: every credential is refused, and without one there is ANONYMOUS."""


def session_cookie(headers: Headers) -> str:
    """The session's cookie; "" when there is none, or more than one."""
    found = [value for name, value in headers if name == b"cookie" and _COOKIE in value]
    if len(found) != 1:
        return ""
    try:
        morsel = SimpleCookie(found[0].decode("latin-1")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def has_session(value: bytes) -> bool:
    """Whether a Cookie header may hold a session."""
    return _COOKIE in value


def unauthenticated(reason: str) -> Refused:
    """A refusal of a credential, to be raised; the reason is for the log alone."""
    _LOG.debug("a credential proves nothing: %s", reason)
    answer = _unauthenticated("The credential is not valid.", error="invalid_token")
    return Refused(answer, denied=True)


def require(access: Access, principal: Principal) -> None:
    """Make sure that somebody may ask.

    Raises:
        Refused: 401 or 404, see `refusal`.
    """
    if not access.allows(principal):
        raise refusal(principal)


def refusal(principal: Principal) -> Refused:
    """A refusal to be raised: the same whether what was asked for exists or not.

    401 to somebody unknown; 404 to somebody who is known, and may not.
    """
    if principal.is_anonymous:
        return Refused(_unauthenticated("A credential is needed here."), denied=True)
    return Refused(not_found(), denied=True)


def _unauthenticated(detail: str, error: str = "") -> Answer:
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return problem(401, detail, headers={"WWW-Authenticate": challenge})

"""Signed tokens: takes the text of one and what is trusted, gives the principal that it proves.

`TokenVerifier.verify` asks nobody and reads no file: it may be called on the event loop for every
request. It raises `BadToken` with one word for the log, or `KeyNeeded` when the token names a key
that is not known and its issuer may be asked for; `prove` does that, too:

    principal = await verifier.prove(token)

What is trusted is a list of `Trust`: an issuer's settings, its keys, and a further check. Those of
other issuers are made of `IssuerKeys`; headrace's own access tokens are one more of them:

    def accept(principal: Principal, claims: Claims) -> Principal:
        account = accounts.get(str(claims["sub"]))
        if account is None or claims.get("epoch") != account.epoch:
            raise BadToken("revoked")
        return replace(principal, id=account.id, roles=account.roles)

    verifier.trust(Trust(Issuer("headrace", "headrace", audience), own_keys, accept))

`own_keys` is any `KeySource`; `StaticKeys` serves for keys that are at hand. A proof that is kept
for a while holds until `expires_at`, and only as long as `verifier.generation` is what it was
before the proof; what `accept` looks at must be looked at again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import jwt

from headrace.auth.tokens.issuers import IssuerKeys, refresh
from headrace.auth.tokens.key_sets import VerificationKey, decoded, is_kid
from headrace.base.access import ADMIN, ClaimValue, Principal
from headrace.base.auth_settings import Issuer
from headrace.base.clock import Clock, SystemClock

Claims: TypeAlias = Mapping[str, Any]
"""The claims of a token whose signature holds, as JSON has them."""

MAX_TOKEN_BYTES = 8 * 1024
LEEWAY_SECONDS = 30
_MAX_TEXT = 1024
_FAR_FUTURE = 10**11

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
# A key, or an address of one, that comes with the token; what would change how it is read.
_REFUSED_MEMBERS = frozenset(
    {"jku", "jwk", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty", "epk", "apu", "apv", "p2s"}
)
_REQUIRED = frozenset({"exp", "iat", "iss", "aud", "sub"})
_OF_ID_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash"})


class BadToken(Exception):
    """A token proves nothing; `reason` is one word that holds nothing of the token."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class KeyNeeded(Exception):
    """A token names a key that is not known, and its issuer may be asked for it: see `fetch`."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        super().__init__(issuer)


class KeySource(Protocol):
    """The keys of one issuer."""

    @property
    def generation(self) -> int:
        """Grows whenever a key came, changed or went."""
        ...

    def key(self, kid: str) -> VerificationKey | None:
        """The key of that name, which counts now."""
        ...

    def may_help(self) -> bool:
        """Whether `fetch` may find a key that is not known."""
        ...

    async def fetch(self) -> None:
        """Look for further keys; never raises for a failure."""
        ...


@dataclass(slots=True)
class StaticKeys:
    """Keys that are at hand, by name; `publish` replaces them."""

    keys: Mapping[str, VerificationKey]
    generation: int = 0

    def publish(self, keys: Mapping[str, VerificationKey]) -> None:
        """From now on, these keys count, and no others."""
        self.keys = keys
        self.generation += 1

    def key(self, kid: str) -> VerificationKey | None:
        """The key of that name."""
        return self.keys.get(kid)

    def may_help(self) -> bool:
        """Never: there is nobody to ask."""
        return False

    async def fetch(self) -> None:
        """Nothing: there is nobody to ask."""


Accept: TypeAlias = Callable[[Principal, Claims], Principal]
"""A further check of a proven token: gives the principal, changed or not, or raises BadToken."""


def as_it_is(principal: Principal, _claims: Claims) -> Principal:
    """The check of an issuer that needs no further one."""
    return principal


@dataclass(frozen=True, slots=True)
class Trust:
    """An issuer that is believed: what it says (see `Issuer`), its keys, and a further check."""

    issuer: Issuer
    keys: KeySource
    accept: Accept = as_it_is


class TokenVerifier:
    """Verifies tokens of the issuers that it trusts."""

    def __init__(
        self,
        issuers: Sequence[Issuer] = (),
        keys: Mapping[str, KeySource] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Trust `issuers`, with `keys` by their names; those without are asked for theirs."""
        self._clock = clock or SystemClock()
        self._trusted: dict[str, Trust] = {}
        known = keys or {}
        for issuer in issuers:
            source = known.get(issuer.name) or IssuerKeys(issuer, clock=self._clock)
            self.trust(Trust(issuer, source))

    @property
    def generation(self) -> int:
        """Grows whenever a key of any issuer came, changed or went; never shrinks."""
        return sum(trust.keys.generation for trust in self._trusted.values())

    def trust(self, trust: Trust) -> None:
        """Believe one more issuer.

        Raises:
            ValueError: its URL or its name is that of another.
        """
        others = [other.issuer.name for other in self._trusted.values()]
        if trust.issuer.url in self._trusted or trust.issuer.name in others:
            raise ValueError(f"issuer {trust.issuer.name} is trusted already")
        self._trusted[trust.issuer.url] = trust

    def is_due(self) -> bool:
        """Whether `refresh` has something to do."""
        return any(keys.is_due() for keys in self._asked())

    def refresh(self) -> None:
        """Ask for the keys that are due again; about once a second, from a thread. It waits."""
        refresh(self._asked())

    def _asked(self) -> list[IssuerKeys]:
        sources = [trust.keys for trust in self._trusted.values()]
        return [source for source in sources if isinstance(source, IssuerKeys)]

    def verify(self, token: str, now: float | None = None) -> Principal:
        """Whom a token proves, by the keys that are known.

        Args:
            token: its text, without "Bearer ".
            now: seconds since 1970; None asks the clock.

        Raises:
            BadToken: nobody.
            KeyNeeded: its key is not known, and `fetch` may find it.
        """
        encoded_header, encoded_claims = _parts(token)
        header = _members(encoded_header)
        algorithm, kid = _checked_header(header)
        claims = _members(encoded_claims)
        trust = self._trust_of(claims)
        _check_kind(header, claims, trust.issuer)
        _check_times(claims, self._clock.now().timestamp() if now is None else now)
        key = _key(trust, kid)
        if algorithm not in key.algorithms or algorithm not in trust.issuer.algorithms:
            raise BadToken("algorithm")
        verify_signature(token, key, algorithm)
        return trust.accept(principal_of(claims, trust.issuer), claims)

    async def fetch(self, issuer: str) -> None:
        """Ask an issuer, by its name, for its keys; once a minute at most."""
        for trust in self._trusted.values():
            if trust.issuer.name == issuer:
                await trust.keys.fetch()

    async def prove(self, token: str) -> Principal:
        """Whom a token proves, by the keys that are known, or that its issuer gives now.

        Raises:
            BadToken: nobody.
        """
        try:
            return self.verify(token)
        except KeyNeeded as needed:
            await self.fetch(needed.issuer)
        try:
            return self.verify(token)
        except KeyNeeded as exc:
            raise BadToken("key") from exc

    def _trust_of(self, claims: Claims) -> Trust:
        issuer = claims.get("iss")
        trust = self._trusted.get(issuer) if isinstance(issuer, str) else None
        if trust is None:
            raise BadToken("issuer")
        return trust


def verify_signature(token: str, key: VerificationKey, algorithm: str) -> bytes:
    """The payload of a token whose header says `algorithm`, one of the key's.

    Raises:
        BadToken: the signature is not of this key.
    """
    signed, _, signature = token.rpartition(".")
    try:
        holds = _ALGORITHMS[algorithm].verify(signed.encode(), key.key, decoded(signature))
        payload = decoded(signed.partition(".")[2])
    except (KeyError, ValueError, TypeError) as exc:
        raise BadToken("signature") from exc
    if not holds:
        raise BadToken("signature")
    return payload


# PyJWT's own way reads the whole token again, letter by letter, which costs more than RS256 does.
_ALGORITHMS = {
    f"{family}{bits}": jwt.get_algorithm_by_name(f"{family}{bits}")
    for family in ("RS", "PS", "ES")
    for bits in (256, 384, 512)
} | {"EdDSA": jwt.get_algorithm_by_name("EdDSA")}


def _parts(token: str) -> tuple[str, str]:
    if len(token) > MAX_TOKEN_BYTES:
        raise BadToken("size")
    if not _FORM.fullmatch(token):
        # Also of four parts or more, which are encrypted, and of an empty signature.
        raise BadToken("form")
    header, claims, signature = token.split(".")
    try:
        decoded(signature)
    except ValueError as exc:
        raise BadToken("form") from exc
    return header, claims


def _members(encoded: str) -> dict[str, Any]:
    """The members of a JSON object that is read in one way only."""
    try:
        text = decoded(encoded).decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_finite,
        )
        if "\\u" in text:
            # Half a character can be written by an escape, and by nothing else.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as exc:
        raise BadToken("json") from exc
    if not isinstance(value, dict):
        raise BadToken("json")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_number(_text: str) -> float:
    raise ValueError("no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large a number")
    return number


def _checked_header(header: Mapping[str, Any]) -> tuple[str, str]:
    """The algorithm and the name of the key of a header that asks for nothing strange."""
    if not _REFUSED_MEMBERS.isdisjoint(header):
        raise BadToken("header")
    kind, algorithm, kid = header.get("typ"), header.get("alg"), header.get("kid")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise BadToken("type")
    if not isinstance(algorithm, str):
        raise BadToken("algorithm")
    if not is_kid(kid):
        raise BadToken("kid")
    return algorithm, str(kid)


def _check_kind(header: Mapping[str, Any], claims: Claims, issuer: Issuer) -> None:
    """Refuse what is no access token for this audience."""
    if not claims.keys() >= _REQUIRED:
        raise BadToken("claims")
    audience = claims["aud"]
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(it, str) for it in audiences):
        raise BadToken("audience")
    if issuer.audience not in audiences or not issuer.audience:
        raise BadToken("audience")
    is_for_client = bool(issuer.client_id) and set(audiences) == {issuer.client_id}
    is_said = header["typ"].lower() != "jwt"
    if not _OF_ID_TOKENS.isdisjoint(claims) or (is_for_client and not is_said):
        raise BadToken("id_token")
    # Some issuers say in a claim what a token is for: to refresh, to sign out, or an ID token.
    if str(claims.get("typ", "Bearer")).lower() != "bearer" or "events" in claims:
        raise BadToken("kind")
    if "cnf" in claims:
        # Bound to a key of its holder, which a bearer does not show.
        raise BadToken("bound")


def _check_times(claims: Claims, now: float) -> None:
    """Refuse a token that holds no more or not yet; all times are seconds since 1970."""
    moments = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    if not all(_is_moment(moment) for moment in moments):
        raise BadToken("times")
    if claims["exp"] <= now - LEEWAY_SECONDS:
        raise BadToken("expired")
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY_SECONDS:
        raise BadToken("early")


def _is_moment(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _FAR_FUTURE
    )


def _key(trust: Trust, kid: str) -> VerificationKey:
    key = trust.keys.key(kid)
    if key is None and trust.keys.may_help():
        raise KeyNeeded(trust.issuer.name)
    # Once more: it may have come between the two questions, by another thread.
    key = key or trust.keys.key(kid)
    if key is None:
        raise BadToken("key")
    return key


def principal_of(claims: Claims, issuer: Issuer) -> Principal:
    """Whom the claims of a verified token name.

    Raises:
        BadToken: nobody.
    """
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject or not _is_plain(subject):
        raise BadToken("subject")
    return Principal(
        id=f"{issuer.name}|{subject}",
        roles=roles_of(claims, issuer),
        scopes=_scopes(claims),
        claims=_claims(claims, issuer.claims),
        credential=f"token:{issuer.name}",
        expires_at=float(claims["exp"]),
    )


def roles_of(claims: Claims, issuer: Issuer) -> frozenset[str]:
    """The roles that an issuer gives: by its mapping, where it has one, else as they are called.

    `admin` is given by a mapping that says so, and by nothing else.
    """
    given = set(_words(_found(claims, issuer.roles_claim)))
    if issuer.roles:
        return frozenset(issuer.roles[value] for value in given.intersection(issuer.roles))
    return frozenset(given - {ADMIN})


def _scopes(claims: Claims) -> frozenset[str] | None:
    names = [name for name in ("scope", "scp") if name in claims]
    if not names:
        return None
    # Nothing that is understood is nothing that is allowed.
    return frozenset(_words(claims[names[0]]))


def _words(value: object) -> list[str]:
    listed = value.split() if isinstance(value, str) else value
    if not isinstance(listed, list):
        return []
    return [word for word in listed if isinstance(word, str) and word and _is_plain(word)]


def _found(claims: Claims, name: str) -> object:
    """A claim: by its whole name, which may hold dots, or else by the way into its object."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _claims(claims: Claims, wanted: Mapping[str, str]) -> dict[str, ClaimValue]:
    found = {name: _claim(_found(claims, path)) for name, path in wanted.items()}
    return {name: value for name, value in found.items() if value is not None}


def _claim(value: object) -> ClaimValue | None:
    """A claim as policies see it; None for what they do not: objects, and lists of other things."""
    if isinstance(value, list):
        return tuple(value) if all(_is_scalar(item) for item in value) else None
    if isinstance(value, bool) or _is_scalar(value):
        return value  # type: ignore[return-value]  # _is_scalar has told
    return None


def _is_scalar(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) or (isinstance(value, str) and _is_plain(value))


def _is_plain(text: str) -> bool:
    return len(text) <= _MAX_TEXT and _CONTROL.search(text) is None

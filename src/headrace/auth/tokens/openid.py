"""ID tokens of OpenID Connect: takes one and the sign-in that it answers, gives who has signed in.

An ID token says to a client who has signed in; it is no credential for anything else, and what
verifies access tokens refuses it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Protocol

import jwt
import msgspec

from headrace.auth.tokens.key_sets import VerificationKey
from headrace.auth.tokens.verifying import (
    LEEWAY_SECONDS,
    MAX_TOKEN_BYTES,
    BadToken,
    Claims,
    KeySource,
    principal_of,
    verify_signature,
)
from headrace.base.access import Principal
from headrace.base.auth_settings import Issuer

# The hash that at_hash is made with is that of the signature.
_HASHES = {"256": "sha256", "384": "sha384", "512": "sha512", "DSA": "sha512"}
_HEADER = frozenset({"alg", "kid", "typ"})


class IdTokenKeys(KeySource, Protocol):
    """The keys of an issuer that signs people in."""

    def only(self) -> VerificationKey | None:
        """The key, where there is just one."""
        ...


class CodeExchange(Protocol):
    """What an issuer gives for a code."""

    @property
    def id_token(self) -> str:
        """Says who has signed in."""
        ...

    @property
    def access_token(self) -> str:
        """For the issuer's own services; "" for none."""
        ...


async def signed_in(
    exchanged: CodeExchange, issuer: Issuer, keys: IdTokenKeys, nonce: str, now: float
) -> Principal:
    """Who has signed in at an issuer.

    Args:
        exchanged: what it gave for the code.
        issuer: with the `client_id` that the token must be for.
        keys: of the issuer.
        nonce: of the sign-in.
        now: seconds since 1970.

    Raises:
        BadToken: nobody.
    """
    token = exchanged.id_token
    algorithm, kid = _header(token, issuer)
    claims = _claims(await _verified(token, algorithm, kid, keys))
    _check_parties(claims, issuer)
    _check_times(claims, now)
    if not _same(claims.get("nonce"), nonce.encode()):
        raise BadToken("nonce")
    _check_hash(claims, exchanged.access_token, algorithm)
    return principal_of(claims, issuer)


def _header(token: str, issuer: Issuer) -> tuple[str, str]:
    if len(token) > MAX_TOKEN_BYTES:
        raise BadToken("size")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as exc:
        raise BadToken("form") from exc
    algorithm, kid = header.get("alg"), header.get("kid")
    if not _HEADER.issuperset(header) or not isinstance(kid, str | None):
        raise BadToken("header")
    if algorithm not in issuer.algorithms:
        raise BadToken("algorithm")
    return str(algorithm), kid or ""


async def _verified(token: str, algorithm: str, kid: str, keys: IdTokenKeys) -> bytes:
    """The payload of a token, by the keys that are known, or that the issuer gives now."""
    try:
        return _payload(token, algorithm, keys.key(kid) if kid else keys.only())
    except BadToken:
        # A token that names no key tells by its signature alone that the key is another one now.
        if not keys.may_help():
            raise
    await keys.fetch()
    return _payload(token, algorithm, keys.key(kid) if kid else keys.only())


def _payload(token: str, algorithm: str, key: VerificationKey | None) -> bytes:
    if key is None:
        raise BadToken("key")
    if algorithm not in key.algorithms:
        raise BadToken("algorithm")
    return verify_signature(token, key, algorithm)


def _claims(payload: bytes) -> Claims:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.DecodeError as exc:
        raise BadToken("json") from exc


def _check_parties(claims: Claims, issuer: Issuer) -> None:
    """Refuse a token of another issuer, or for another client."""
    if claims.get("iss") != issuer.url:
        raise BadToken("issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if issuer.client_id not in audiences:
        raise BadToken("audience")
    # Of several it says whom it was made for.
    for_whom = claims.get("azp", issuer.client_id if len(audiences) == 1 else None)
    if for_whom != issuer.client_id:
        raise BadToken("audience")
    if "sub" not in claims:
        raise BadToken("subject")


def _check_times(claims: Claims, now: float) -> None:
    times = (claims.get("exp"), claims.get("iat"))
    for moment in times:
        if not isinstance(moment, int | float) or isinstance(moment, bool):
            raise BadToken("times")
    if claims["exp"] <= now - LEEWAY_SECONDS:
        raise BadToken("expired")
    if claims["iat"] > now + LEEWAY_SECONDS:
        raise BadToken("early")


def _check_hash(claims: Claims, access_token: str, algorithm: str) -> None:
    """Refuse a token that was made together with another access token."""
    given = claims.get("at_hash")
    if given is None or not access_token:
        return
    digest = hashlib.new(_HASHES[algorithm[-3:]], access_token.encode("utf-8")).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not _same(given, expected):
        raise BadToken("at_hash")


def _same(given: object, expected: bytes) -> bool:
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected
    )

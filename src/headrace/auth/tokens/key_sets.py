"""Keys that signatures are verified with: takes a JWK set, gives those of its keys that are fit.

A set is refused as a whole when it holds a secret or when two of its keys have one name: whoever
wrote it has made a mistake that no choice among its keys repairs. A single key that is weak, meant
for something else or of an algorithm that is not allowed is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MAX_KEYS = 100
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
_LEAST_EXPONENT = 65_537
_EXPONENT_BITS = 256
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
# A name is never looked up but in a mapping; it is strict because others have built paths and
# queries of it, and a token with such a name is an attempt.
_KID = re.compile(r"[A-Za-z0-9_=+@:.-]{1,128}")
_ENCODED = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_MEMBERS = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})


class BadKeys(Exception):
    """A key set is refused as a whole; the text says why, and holds nothing of it."""


class UnsafeKeys(BadKeys):
    """It is a key set, and whoever published it has given a secret away or named two keys alike."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key, and the algorithms of its one family that it may be used with."""

    kid: str
    key: PublicKey
    algorithms: frozenset[str]


class _Unfit(Exception):
    """One key is left out."""


def is_kid(text: object) -> bool:
    """Whether `text` may be the name of a key."""
    return isinstance(text, str) and _KID.fullmatch(text) is not None and ".." not in text


def read_key_set(document: object, algorithms: Sequence[str]) -> Mapping[str, VerificationKey]:
    """The keys of a JWK set that may be used with one of `algorithms`, by their names.

    Raises:
        BadKeys: it is no such set.
        UnsafeKeys: it is none to rely on.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise BadKeys("it is no JWK set")
    if len(listed) > MAX_KEYS:
        raise BadKeys(f"it holds more than {MAX_KEYS} keys")
    entries = cast("list[dict[str, object]]", listed)
    if any(entry.get("kty") == "oct" or not _SECRET_MEMBERS.isdisjoint(entry) for entry in entries):
        raise UnsafeKeys("it holds a secret or private key")
    names = [entry["kid"] for entry in entries if "kid" in entry]
    if len({str(name) for name in names}) != len(names):
        raise UnsafeKeys("two of its keys have the same `kid`")
    found: dict[str, VerificationKey] = {}
    for entry in entries:
        try:
            key = _read_key(entry, algorithms)
        except _Unfit:
            continue
        found[key.kid] = key
    return found


def _read_key(entry: Mapping[str, object], allowed: Sequence[str]) -> VerificationKey:
    kid = entry.get("kid")
    if not is_kid(kid):
        raise _Unfit
    if entry.get("use", "sig") != "sig":
        raise _Unfit
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _Unfit
    usable = _family(entry, allowed).intersection(allowed)
    if "alg" in entry:
        usable = usable.intersection({str(entry["alg"])})
    if not usable:
        raise _Unfit
    try:
        return VerificationKey(str(kid), _public_key(entry), usable)
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError) as exc:
        raise _Unfit from exc


def _family(entry: Mapping[str, object], allowed: Sequence[str]) -> frozenset[str]:
    """The algorithms of the one family that a key belongs to."""
    kind, curve = entry.get("kty"), entry.get("crv")
    if kind == "EC":
        return frozenset({_CURVES.get(str(curve), "")})
    if kind == "OKP":
        return frozenset({"EdDSA"} if curve == "Ed25519" else ())
    if kind != "RSA":
        return frozenset()
    # With both paddings allowed, a key that says nothing is one for the usual padding.
    named = str(entry.get("alg", ""))[:2] or ("RS" if "RS" in {it[:2] for it in allowed} else "PS")
    return frozenset(f"{named}{bits}" for bits in (256, 384, 512) if named in ("RS", "PS"))


def _public_key(entry: Mapping[str, object]) -> PublicKey:
    """Only the members that a key needs are looked at: never a certificate, never an address."""
    kind = entry["kty"]
    if kind == "EC":
        members = {name: _encoded(entry, name) for name in ("x", "y")}
        jwk = {"kty": "EC", "crv": str(entry["crv"]), **members}
        return cast("EllipticCurvePublicKey", ECAlgorithm.from_jwk(jwk))
    if kind == "OKP":
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": _encoded(entry, "x")}
        return cast("Ed25519PublicKey", OKPAlgorithm.from_jwk(jwk))
    jwk = {"kty": "RSA", "n": _encoded(entry, "n"), "e": _encoded(entry, "e")}
    key = cast("RSAPublicKey", RSAAlgorithm.from_jwk(jwk))
    _refuse_weak(key)
    return key


def _encoded(entry: Mapping[str, object], member: str) -> str:
    value = entry.get(member)
    if not isinstance(value, str) or not _ENCODED.fullmatch(value):
        raise _Unfit
    return value


def _refuse_weak(key: RSAPublicKey) -> None:
    numbers = key.public_numbers()
    exponent = numbers.e
    if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS or numbers.n % 2 == 0:
        raise _Unfit
    is_usual = exponent % 2 == 1 and exponent >= _LEAST_EXPONENT
    if not is_usual or exponent.bit_length() > _EXPONENT_BITS or _is_guessable(numbers.n):
        raise _Unfit


_SMALL_PRIMES = tuple(
    number for number in range(3, 168, 2) if all(number % it for it in range(3, number, 2))
)


def _powers(prime: int) -> frozenset[int]:
    """Every remainder that a power of 65537 leaves."""
    return frozenset(pow(_LEAST_EXPONENT, power, prime) for power in range(1, prime))


_POWERS = {prime: _powers(prime) for prime in _SMALL_PRIMES}


def _is_guessable(modulus: int) -> bool:
    """Whether a modulus is of the chips whose primes are powers of 65537 in disguise (ROCA,
    CVE-2017-15361). Of 200 million honest ones, one looks like it.
    """
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def decoded(text: str) -> bytes:
    """What base64url without padding holds; each value has one spelling.

    Raises:
        ValueError: it is none, or not the one spelling.
    """
    if not _ENCODED.fullmatch(text):
        raise ValueError("no base64url")
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as exc:
        raise ValueError("no base64url") from exc
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode() != text:
        raise ValueError("not the one spelling")
    return value

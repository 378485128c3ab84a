"""Keys and tokens that tests make at run time: nothing here is a key of anybody."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import get_default_algorithms

from headrace.auth.tokens.key_sets import VerificationKey, read_key_set
from headrace.auth.tokens.verifying import BadToken, StaticKeys, TokenVerifier
from headrace.base.auth_settings import Issuer
from headrace.base.clock import SetClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
ALL = ("RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA")
SHOP = Issuer("corp", "https://login.example", "shop", algorithms=ALL)
CURVES: dict[str, Any] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def encoded_json(value: object) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def private_key(algorithm: str, number: int = 0) -> PrivateKeyTypes:
    """One of the keys of an algorithm; the same one for the same number."""
    return _generated(algorithm, number)


@functools.cache
def _generated(algorithm: str, _number: int) -> PrivateKeyTypes:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def public_jwk(key: Any, kid: str, **members: object) -> dict[str, object]:
    """The public half of a key as an issuer publishes it."""
    kinds = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
    kind = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "OKP"
    kind = "EC" if isinstance(key, ec.EllipticCurvePrivateKey) else kind
    made: dict[str, object] = get_default_algorithms()[kinds[kind]].to_jwk(
        key.public_key(), as_dict=True
    )
    made.pop("key_ops", None)
    return {**made, "kid": kid, "use": "sig", **members}


def key_set(*algorithms: str) -> Mapping[str, VerificationKey]:
    """The keys "RS256", "ES256" and so on."""
    entries = [public_jwk(private_key(name), name, alg=name) for name in algorithms]
    return read_key_set({"keys": entries}, ALL)


def claims(**changes: object) -> dict[str, object]:
    """Those of a good token; a change of None takes a claim away."""
    good = {
        "iss": SHOP.url,
        "aud": "shop",
        "sub": "anna",
        "iat": AT,
        "exp": AT + 600,
        **changes,
    }
    return {name: value for name, value in good.items() if value is not None}


def signed(header: str, payload: str, algorithm: str = "ES256", number: int = 0) -> str:
    """A token of two parts that are encoded already, with a signature that holds for them."""
    signer = get_default_algorithms()[algorithm]
    text = f"{header}.{payload}"
    return f"{text}.{encoded(signer.sign(text.encode(), private_key(algorithm, number)))}"


def token(
    payload: Mapping[str, object] | None = None,
    algorithm: str = "ES256",
    number: int = 0,
    **header: object,
) -> str:
    """A token; the header's members may be changed, or taken away by None."""
    members = {"typ": "at+jwt", "alg": algorithm, "kid": algorithm, **header}
    kept = {name: value for name, value in members.items() if value is not None}
    body = claims() if payload is None else payload
    return signed(encoded_json(kept), encoded_json(body), algorithm, number)


def verifier(issuer: Issuer = SHOP, *algorithms: str) -> TokenVerifier:
    keys = StaticKeys(key_set(*(algorithms or ALL)))
    return TokenVerifier([issuer], {issuer.name: keys}, SetClock(NOW))


def reason(text: str, issuer: Issuer = SHOP) -> str:
    with pytest.raises(BadToken) as caught:
        verifier(issuer).verify(text)
    # It is for a log: nothing of the token may be in it.
    assert str(caught.value) == caught.value.reason
    return caught.value.reason

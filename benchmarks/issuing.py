"""An issuer of tokens that exists for one run: makes a key, gives its public half and tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from headrace.base.auth_settings import Issuer

URL, AUDIENCE, KID = "https://issuer.example", "bench", "bench"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
_HOLDS_SECONDS = 86_400
_KEYS: Mapping[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs tokens, with one algorithm of `ALGORITHMS`; nothing of it is kept anywhere."""

    algorithm: str
    key: Any = field(repr=False)

    @classmethod
    def make(cls, algorithm: str) -> Signer:
        """With a new key."""
        return cls(algorithm, _KEYS[algorithm]())

    def issuer(self, name: str) -> Issuer:
        """What is to be said of it, so that its roles and its tenants are believed."""
        claims = {"tenant": "tenant"}
        return Issuer(name, URL, AUDIENCE, algorithms=(self.algorithm,), claims=claims)

    def key_set(self) -> str:
        """Its public key, as a JWK set."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        jwk = algorithm.to_jwk(self.key.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        return json.dumps({"keys": [{**jwk, "kid": KID, "use": "sig", "alg": self.algorithm}]})

    def token(self, subject: str, roles: tuple[str, ...], tenant: str) -> str:
        """A token that holds for a day."""
        now = int(time.time())
        claims = {
            "iss": URL,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + _HOLDS_SECONDS,
            "roles": list(roles),
            "tenant": tenant,
        }
        headers = {"typ": "at+jwt", "kid": KID}
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)

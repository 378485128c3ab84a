"""token_proofs.py: serving lets a token in, and learns of keys without waiting for an issuer."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from headrace.auth.proofs import BadCredential, KeysMissing, Proofs
from headrace.auth.tokens.issuers import IssuerKeys
from headrace.auth.tokens.token_proofs import TokenProofs
from headrace.auth.tokens.verifying import StaticKeys, TokenVerifier
from headrace.base.auth_settings import Issuer
from headrace.base.clock import SetClock
from tests.auth.servers import service
from tests.auth.signing import AT, NOW, SHOP, claims, key_set, private_key, public_jwk, token


def test_a_token_is_taken_and_whom_it_proves_is_known() -> None:
    tokens: Proofs = TokenProofs(TokenVerifier([SHOP], {"corp": StaticKeys(key_set("ES256"))}))
    text = token().encode()
    assert tokens.takes(text)
    assert not tokens.takes(b"hr_prod_k1_abc")
    assert tokens.verify(text, AT).id == "corp|anna"
    with pytest.raises(BadCredential) as caught:
        tokens.verify(text, AT + 630)
    assert str(caught.value) == "token: expired"
    for strange in (b"\xff.\xfe.", b"a.b.c", b"...", b"\x00."):
        with pytest.raises(BadCredential):
            tokens.verify(strange, AT)


def test_keys_that_are_missing_are_fetched() -> None:
    with service() as there:
        keys = [public_jwk(private_key("ES256"), "ES256")]
        there.at("/keys", json.dumps({"keys": keys}).encode())
        issuer = Issuer("corp", there.url, "shop", jwks=there.url + "/keys")
        tokens = TokenProofs(TokenVerifier([issuer], clock=SetClock(NOW)))
        text = token(claims(iss=there.url)).encode()
        with pytest.raises(KeysMissing) as caught:
            tokens.verify(text, AT)
        assert caught.value.issuer == "corp"
        asyncio.run(tokens.fetch("corp"))
        assert tokens.verify(text, AT).id == "corp|anna"
        # What was proven before may hold no more.
        assert [tokens.refresh(), tokens.refresh()] == [True, False]


def test_a_slow_issuer_keeps_nobody_waiting() -> None:
    asked = threading.Event()
    go = threading.Event()
    calls: list[str] = []

    async def slowly(issuer: Issuer) -> object:
        calls.append(issuer.name)
        asked.set()
        await asyncio.to_thread(go.wait, 10)
        return {"keys": [public_jwk(private_key("ES256"), "ES256")]}

    keys = IssuerKeys(SHOP, clock=SetClock(NOW), fetch=slowly)
    tokens = TokenProofs(TokenVerifier([SHOP], {"corp": keys}))
    assert [tokens.refresh(), tokens.refresh()] == [False, False]
    assert asked.wait(10)
    assert [tokens.refresh(), tokens.refresh()] == [False, False]
    go.set()
    for thread in threading.enumerate():
        if thread.name == "headrace-issuers":
            thread.join()
    assert [tokens.refresh(), tokens.refresh()] == [True, False]
    assert calls == ["corp"]

"""Keys of other issuers: found, kept, renewed and forgotten, from a real service on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.auth.outbound.requests import MAX_BYTES, SECONDS, OutboundError
from headrace.auth.tokens.issuers import (
    REFRESH_SECONDS,
    RETRY_SECONDS,
    STALE_SECONDS,
    Configuration,
    IssuerKeys,
    discover,
    endpoint_of,
    refresh,
)
from headrace.auth.tokens.verifying import BadToken, KeyNeeded, TokenVerifier
from headrace.base.auth_settings import Issuer
from headrace.base.clock import SetClock
from tests.auth.servers import Service, service
from tests.auth.signing import ALL, NOW, SHOP, claims, private_key, public_jwk, token


@pytest.fixture
def there() -> Iterator[Service]:
    with service() as running:
        yield running


def publish(there: Service, *kids: str) -> None:
    """Let the issuer publish keys; "k1" is the ES256 key of number 1."""
    keys = [public_jwk(private_key("ES256", int(kid[1:])), kid, alg="ES256") for kid in kids]
    there.at("/keys", json.dumps({"keys": keys}).encode())


def issuer_at(there: Service, **changes: object) -> Issuer:
    at = replace(SHOP, url=there.url, jwks=there.url + "/keys")
    return replace(at, **changes)  # type: ignore[arg-type]


def token_of(issuer: Issuer, kid: str, now: SetClock) -> str:
    at = int(now.at.timestamp())
    body = claims(iss=issuer.url, iat=at, exp=at + 300)
    return token(body, number=int(kid[1:]), kid=kid)


class Shop:
    """A verifier whose issuer and clock a test holds."""

    def __init__(self, there: Service) -> None:
        self.clock = SetClock(NOW)
        self.issuer = issuer_at(there)
        self.keys = IssuerKeys(self.issuer, clock=self.clock)
        self.verifier = TokenVerifier([self.issuer], {"corp": self.keys}, self.clock)

    def outcome(self, kid: str) -> str:
        """Whom a token of now proves, by the keys that are known; or why nobody."""
        try:
            return self.verifier.verify(token_of(self.issuer, kid, self.clock)).id
        except BadToken as bad:
            return bad.reason
        except KeyNeeded:
            return "needed"

    def proven(self, kid: str) -> str:
        """The same, as a request has it: the issuer is asked when that may help."""
        try:
            text = token_of(self.issuer, kid, self.clock)
            return asyncio.run(self.verifier.prove(text)).id
        except BadToken as bad:
            return bad.reason

    def later(self, seconds: float) -> None:
        """Let time pass, with its background work about once a second."""
        end = self.clock.at.timestamp() + seconds
        while self.clock.at.timestamp() < end:
            self.clock.advance(1)
            self.verifier.refresh()


GOOD = "corp|anna"


def test_the_bound_of_five_minutes_holds_with_the_slowest_answer() -> None:
    assert REFRESH_SECONDS + 2 * SECONDS + 1 < 300


def test_the_first_token_finds_the_keys(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    assert shop.outcome("k1") == "needed"
    assert shop.proven("k1") == GOOD
    assert shop.outcome("k1") == GOOD
    assert len(there.requests) == 1


def test_a_new_key_counts_with_the_first_token_that_names_it(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(1)
    publish(there, "k1", "k2")
    assert [shop.proven("k2"), shop.proven("k1")] == [GOOD, GOOD]
    assert len(there.requests) == 2


def test_a_key_that_is_taken_away_counts_five_minutes_at_most(there: Service) -> None:
    publish(there, "k1", "k2")
    shop = Shop(there)
    shop.later(1)
    generation = shop.verifier.generation
    publish(there, "k2")
    assert shop.outcome("k1") == GOOD
    shop.later(300)
    assert [shop.outcome("k1"), shop.outcome("k2")] == ["needed", GOOD]
    assert [shop.proven("k1"), shop.outcome("k1")] == ["key", "key"]
    # What was proven by it, and is kept, is known to hold no more.
    assert shop.verifier.generation > generation


def test_the_background_asks_about_every_four_minutes(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(3600)
    assert len(there.requests) == 3600 // REFRESH_SECONDS
    assert shop.verifier.generation == 1


def test_unknown_keys_make_one_request_a_minute(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    for _ in range(5):
        assert {shop.proven(f"k{number}") for number in range(2, 9)} == {"key"}
        shop.clock.advance(RETRY_SECONDS / 5)
    assert len(there.requests) == 1
    assert shop.proven("k2") == "key"
    assert len(there.requests) == 2


def test_no_valid_token_fails_while_keys_rotate(there: Service) -> None:
    """Twelve rotations, each with an overlap, and tokens of every key that counts all the time."""
    publish(there, "k1")
    shop = Shop(there)
    outcomes: list[str] = []
    for number in range(1, 13):
        publish(there, f"k{number}", f"k{number + 1}")
        for _ in range(20):
            outcomes += [shop.proven(f"k{number}"), shop.proven(f"k{number + 1}")]
            shop.later(20)
    assert outcomes == [GOOD] * 480
    publish(there, "k13")
    shop.later(300)
    assert {shop.proven(f"k{number}") for number in range(1, 13)} == {"key"}


def test_many_requests_wait_for_one_answer(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)

    async def all_at_once() -> list[str]:
        text = token_of(shop.issuer, "k1", shop.clock)
        found = await asyncio.gather(*(shop.verifier.prove(text) for _ in range(50)))
        return [principal.id for principal in found]

    assert asyncio.run(all_at_once()) == [GOOD] * 50
    assert len(there.requests) == 1


def test_a_request_that_is_given_up_does_not_take_the_answer_from_others(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)

    async def one_leaves() -> str:
        text = token_of(shop.issuer, "k1", shop.clock)
        first = asyncio.ensure_future(shop.verifier.prove(text))
        second = asyncio.ensure_future(shop.verifier.prove(text))
        await asyncio.sleep(0)
        first.cancel()
        found = await second
        assert first.cancelled()
        return found.id

    assert asyncio.run(one_leaves()) == GOOD


def test_two_loops_wait_for_the_same_answer() -> None:
    """The background has a loop of its own, in another thread."""
    asked = threading.Event()
    go = threading.Event()
    calls: list[str] = []

    async def slowly(issuer: Issuer) -> object:
        calls.append(issuer.name)
        asked.set()
        await asyncio.to_thread(go.wait, 10)
        return {"keys": [public_jwk(private_key("ES256", 1), "k1")]}

    keys = IssuerKeys(SHOP, clock=SetClock(NOW), fetch=slowly)
    background = threading.Thread(target=refresh, args=([keys],))
    background.start()
    assert asked.wait(10)

    async def wait() -> None:
        waiting = asyncio.ensure_future(keys.fetch())
        await asyncio.sleep(0)
        go.set()
        await waiting

    asyncio.run(wait())
    background.join()
    assert keys.key("k1") is not None
    assert calls == ["corp"]


def test_a_key_that_was_published_while_others_were_on_their_way_is_found() -> None:
    """The background had asked a moment before."""
    asked = threading.Event()
    go = threading.Event()
    answers = [public_jwk(private_key("ES256", number), f"k{number}") for number in (1, 1, 2)]
    clock = SetClock(NOW)

    async def slowly(issuer: Issuer) -> object:
        answer = {"keys": [answers.pop(0)]}
        asked.set()
        await asyncio.to_thread(go.wait, 10)
        return answer

    keys = IssuerKeys(SHOP, clock=clock, fetch=slowly)
    go.set()
    refresh([keys])
    go.clear()
    asked.clear()
    clock.advance(REFRESH_SECONDS)
    background = threading.Thread(target=refresh, args=([keys],))
    background.start()
    assert asked.wait(10)

    async def wait() -> None:
        waiting = [asyncio.ensure_future(keys.fetch()) for _ in range(3)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*waiting)

    asyncio.run(wait())
    background.join()
    assert keys.key("k2") is not None
    assert answers == []


def test_while_an_issuer_is_down_its_keys_count_for_a_day(caplog: pytest.LogCaptureFixture) -> None:
    with service() as there:
        publish(there, "k1")
        shop = Shop(there)
        shop.later(1)
    with caplog.at_level(logging.INFO, "headrace.auth"):
        shop.later(2 * REFRESH_SECONDS)
    assert shop.outcome("k1") == GOOD
    # One line, not one for every attempt.
    [line] = caplog.messages
    assert line.startswith(f"the keys of issuer corp were not read: {there.url}/keys could not be")
    assert shop.keys.problem
    shop.clock.advance(STALE_SECONDS - 2 * REFRESH_SECONDS - 1)
    assert shop.outcome("k1") == GOOD
    shop.clock.advance(2)
    assert shop.outcome("k1") == "needed"
    assert shop.proven("k1") == "key"


def test_an_issuer_that_comes_back_is_found_within_a_minute(
    there: Service, caplog: pytest.LogCaptureFixture
) -> None:
    there.at("/keys", b"", 503)
    shop = Shop(there)
    shop.later(5)
    assert shop.keys.problem == f"{there.url}/keys answered 503; expected 200"
    publish(there, "k1")
    caplog.clear()
    with caplog.at_level(logging.INFO, "headrace.auth"):
        shop.later(RETRY_SECONDS)
    assert shop.outcome("k1") == GOOD
    assert shop.keys.problem == ""
    assert caplog.messages == ["the keys of issuer corp were read again"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"keys": {}}', b'{"error": "busy"}'])
def test_an_answer_that_is_no_key_set_changes_nothing(there: Service, body: bytes) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(1)
    there.at("/keys", body)
    shop.later(300)
    assert shop.outcome("k1") == GOOD


def test_an_issuer_that_publishes_no_key_has_taken_all_away(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(1)
    publish(there)
    shop.later(300)
    assert shop.proven("k1") == "key"


def test_an_issuer_that_gives_a_secret_away_is_believed_no_more(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(1)
    generation = shop.verifier.generation
    keys = [public_jwk(private_key("ES256", 1), "k1", d="AAAA")]
    there.at("/keys", json.dumps({"keys": keys}).encode())
    shop.later(300)
    assert shop.proven("k1") == "key"
    assert shop.keys.problem == "it holds a secret or private key"
    assert shop.verifier.generation > generation


def test_a_new_key_of_the_same_name_takes_the_place_of_the_old(there: Service) -> None:
    publish(there, "k1")
    shop = Shop(there)
    shop.later(1)
    swapped = public_jwk(private_key("ES256", 2), "k1")
    there.at("/keys", json.dumps({"keys": [swapped]}).encode())
    shop.later(300)
    assert shop.outcome("k1") == "signature"
    assert shop.verifier.generation == 2


# Where keys are


def configuration(there: Service, path: str = "", **changes: object) -> None:
    document = {"issuer": there.url + path, "jwks_uri": there.url + "/keys", **changes}
    there.at(f"{path}/.well-known/openid-configuration", json.dumps(document).encode())


def test_keys_by_the_openid_configuration(there: Service) -> None:
    configuration(there)
    publish(there, "k1")
    issuer = issuer_at(there, jwks="")
    keys = IssuerKeys(issuer)
    refresh([keys])
    assert keys.key("k1") is not None
    assert [path for path, _ in there.requests] == ["/.well-known/openid-configuration", "/keys"]


def test_the_configuration_says_where_to_sign_in(there: Service) -> None:
    configuration(
        there,
        "/realms/shop",
        authorization_endpoint="https://login.example/authorize",
        token_endpoint=there.url + "/token",
        authorization_response_iss_parameter_supported=True,
    )
    issuer = issuer_at(there, url=there.url + "/realms/shop")
    assert asyncio.run(discover(issuer)) == Configuration(
        there.url + "/realms/shop",
        jwks_uri=there.url + "/keys",
        authorization_endpoint="https://login.example/authorize",
        token_endpoint=there.url + "/token",
        response_iss=True,
    )


@pytest.mark.parametrize("claimed", ["", "/", "/other", ".evil.example", None])
def test_the_configuration_must_be_of_exactly_this_issuer(
    there: Service, claimed: str | None
) -> None:
    other = None if claimed is None else f"{there.url}x{claimed}"
    configuration(there, issuer=other if claimed != "/" else there.url + "/")
    with pytest.raises(OutboundError) as caught:
        asyncio.run(discover(issuer_at(there)))
    assert str(caught.value) == (
        f"{there.url}/.well-known/openid-configuration is not of the issuer {there.url}; expected"
        " exactly this issuer"
    )


@pytest.mark.parametrize(
    "endpoint",
    ["http://login.example/keys", "https://user@login.example/", "file:///etc/passwd", 7, [], "x"],
)
def test_an_endpoint_that_must_not_be_asked_is_refused(there: Service, endpoint: object) -> None:
    configuration(there, token_endpoint=endpoint)
    with pytest.raises(OutboundError, match=r"^`token_endpoint` of http://127.0.0.1:\d+ is refus"):
        asyncio.run(discover(issuer_at(there)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_issuer_of_the_network_cannot_lead_to_this_machine(host: str) -> None:
    document = {"jwks_uri": f"https://{host}:8080/keys"}
    with pytest.raises(OutboundError) as caught:
        endpoint_of(SHOP, document, "jwks_uri")
    assert str(caught.value) == (
        "`jwks_uri` of https://login.example is refused; expected a host of the network"
    )


def test_an_issuer_of_the_network_may_have_its_keys_on_another_host() -> None:
    document = {"jwks_uri": "https://keys.example/all"}
    assert endpoint_of(SHOP, document, "jwks_uri") == "https://keys.example/all"


def test_a_configuration_without_keys_is_a_failure(there: Service) -> None:
    configuration(there, jwks_uri="")
    keys = IssuerKeys(issuer_at(there, jwks=""))
    refresh([keys])
    assert keys.problem == f"the OpenID configuration of {there.url} names no `jwks_uri`"


def test_keys_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    issuer = replace(SHOP, jwks=f"file:{file}")
    clock = SetClock(NOW)
    keys = IssuerKeys(issuer, clock=clock)
    refresh([keys])
    missing = f"{file} holds no JWK set; expected a JSON object with `keys`"
    assert keys.problem == missing
    file.write_text(json.dumps({"keys": [public_jwk(private_key("ES256", 1), "k1")]}))
    clock.advance(RETRY_SECONDS)
    refresh([keys])
    assert (keys.problem, keys.key("k1") is not None) == ("", True)
    for content in ("{", " " * (MAX_BYTES + 1), "[" * 100_000):
        file.write_text(content)
        clock.advance(REFRESH_SECONDS)
        refresh([keys])
        assert keys.problem == missing
        assert keys.key("k1") is not None


def test_only_algorithms_of_the_issuer_count(there: Service) -> None:
    keys = [public_jwk(private_key(name), name) for name in ALL]
    there.at("/keys", json.dumps({"keys": keys}).encode())
    found = IssuerKeys(issuer_at(there, algorithms=("EdDSA",)))
    refresh([found])
    assert [name for name in ALL if found.key(name)] == ["EdDSA"]

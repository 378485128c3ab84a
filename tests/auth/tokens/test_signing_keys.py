"""signing_keys.py: keys follow each other, no valid token fails, and the file has them sealed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace.auth.tokens.own_tokens import OwnTokens
from headrace.auth.tokens.signing_keys import OUTLIVES_SECONDS, SIGNS_SECONDS, Sealing, SigningKeys
from headrace.base.auth_settings import AuthSettings
from tests.auth.people import SECRET, People
from tests.auth.tokens.test_own_tokens import proven


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    people = People.settle(tmp_path)
    yield people
    people.accounts.close()


def opened(people: People, secret: bytes = SECRET) -> SigningKeys:
    return SigningKeys.open(people.accounts.database, secret, people.clock)


def tokens_of(people: People, keys: SigningKeys) -> OwnTokens:
    database = people.accounts.database
    return OwnTokens(database, keys, people.directory, AuthSettings(), people.clock, "headrace:a:b")


def test_two_keys_are_known_and_the_first_signs_for_thirty_days(people: People) -> None:
    keys = opened(people)
    first = keys.signing().kid
    assert len(keys) == 2
    people.clock.advance(SIGNS_SECONDS - 1)
    keys.refresh()
    assert (keys.signing().kid, len(keys)) == (first, 2)
    people.clock.advance(1)
    second = keys.signing().kid
    assert second != first
    keys.refresh()
    assert (keys.signing().kid, len(keys)) == (second, 3)


def test_no_valid_token_fails_when_the_next_key_signs(people: People) -> None:
    keys = opened(people)
    tokens = tokens_of(people, keys)
    people.clock.advance(SIGNS_SECONDS - 1)
    before = tokens.grant(people.anna).access.reveal()
    people.clock.advance(2)
    after = tokens.grant(people.anna).access.reveal()
    people.clock.advance(890)
    keys.refresh()
    assert proven(tokens, before)
    assert proven(tokens, after)


def test_another_process_knows_a_key_before_it_signs(people: People, tmp_path: Path) -> None:
    keys = opened(people)
    second = People.open(tmp_path, people.clock)
    elsewhere = tokens_of(second, opened(second))
    people.clock.advance(SIGNS_SECONDS + 1)
    token = tokens_of(people, keys).grant(people.anna).access.reveal()
    assert proven(elsewhere, token)
    second.accounts.close()


def test_a_key_is_dropped_when_its_last_token_has_expired(people: People) -> None:
    keys = opened(people)
    first = keys.signing().kid
    people.clock.advance(SIGNS_SECONDS + OUTLIVES_SECONDS - 1)
    keys.refresh()
    assert keys.key(first) is not None
    people.clock.advance(1)
    keys.refresh()
    assert keys.key(first) is None
    assert len(keys) == 2


def test_processes_that_start_together_share_their_keys(people: People, tmp_path: Path) -> None:
    def kid(_: int) -> str:
        each = People.open(tmp_path, people.clock)
        found = opened(each).signing().kid
        each.accounts.close()
        return found

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(kid, range(4)))) == 1


def test_the_file_alone_signs_nothing(people: People) -> None:
    private = opened(people).signing().private().private_bytes_raw()
    content = people.accounts.database.path.read_bytes()
    assert private not in content
    assert private.hex().encode() not in content


def test_keys_sealed_under_another_secret_verify_and_new_ones_sign(people: People) -> None:
    before = opened(people)
    token = tokens_of(people, before).grant(people.anna).access.reveal()
    after = opened(people, b"t" * 32)
    assert after.signing().kid != before.signing().kid
    assert proven(tokens_of(people, after), token)


def test_a_sealed_value_opens_under_its_own_name_and_secret_alone() -> None:
    sealing = Sealing(SECRET)
    sealed = sealing.seal(b"value", "a")
    assert b"value" not in sealed
    assert sealing.seal(b"value", "a") != sealed
    assert sealing.unseal(sealed, "a") == b"value"
    assert sealing.unseal(sealed, "b") is None
    assert sealing.unseal(sealed[:-1] + b"\0", "a") is None
    assert sealing.unseal(b"", "a") is None
    assert Sealing(b"t" * 32).unseal(sealed, "a") is None


def test_a_long_time_without_a_server_ends_in_a_new_key(people: People) -> None:
    opened(people)
    people.clock.advance(10 * SIGNS_SECONDS)
    keys = opened(people)
    keys.refresh()
    now = people.clock.now().timestamp()
    assert keys.signing().signs_from > now - SIGNS_SECONDS
    keys.refresh()
    assert len(keys) >= 2

"""passwords.py: passwords are stored as argon2id, and an attempt says nothing of who has one."""

from __future__ import annotations

import statistics
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from argon2 import PasswordHasher

from headrace.auth.signing_in.common_passwords import what_is_common
from headrace.auth.signing_in.passwords import Passwords, Verdict, require_good
from headrace.base.errors import UsageError
from headrace.base.secrets import Secret

GOOD = Secret("ferry copper lantern ridge")


class CountingHasher(PasswordHasher):
    """argon2id with small parameters, counting what it does, and how much of it at once."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(time_cost, 64, 1)
        self.hashed = self.verified = self.running = self.most = 0
        self._lock = threading.Lock()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self._lock:
            self.hashed += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
        with self._lock:
            self.verified += 1
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return super().verify(hash, password)
        finally:
            with self._lock:
                self.running -= 1


def test_a_password_is_stored_as_argon2id_with_todays_parameters() -> None:
    passwords = Passwords()
    stored = passwords.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD.reveal() not in stored
    assert passwords.hash(GOOD) != stored
    assert passwords.verify(stored, GOOD) == Verdict(matches=True)
    assert passwords.verify(stored, Secret("ferry copper lantern")) == Verdict(matches=False)


def test_a_hash_of_other_parameters_is_renewed_when_its_password_is_right() -> None:
    stored = Passwords(CountingHasher(1)).hash(GOOD)
    today = Passwords(CountingHasher(2))
    verdict = today.verify(stored, GOOD)
    assert verdict.matches
    assert verdict.renewed.startswith("$argon2id$v=19$m=64,t=2,p=1$")
    assert today.verify(verdict.renewed, GOOD) == Verdict(matches=True)
    assert today.verify(stored, Secret("wrong")) == Verdict(matches=False)


@pytest.mark.parametrize("stored", ["known", "", "not a hash"])
def test_a_failed_attempt_hashes_once_whether_there_is_an_account_or_not(stored: str) -> None:
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    given = passwords.hash(GOOD) if stored == "known" else stored
    before = hasher.hashed
    assert passwords.verify(given, Secret("wrong")) == Verdict(matches=False)
    assert (hasher.hashed - before, hasher.verified) == (0, 1)


def test_no_password_is_right_for_an_account_without_one() -> None:
    passwords = Passwords(CountingHasher())
    assert not passwords.verify("", Secret("")).matches
    assert not passwords.verify("", GOOD).matches


def test_an_attempt_on_no_account_costs_the_cpu_of_one_on_an_account() -> None:
    passwords = Passwords()
    stored = passwords.hash(GOOD)

    def cost(hashed: str) -> float:
        begun = time.thread_time()
        passwords.verify(hashed, Secret("wrong"))
        return time.thread_time() - begun

    cost(stored)
    pairs = [(cost(stored), cost("")) for _ in range(15)]
    known, unknown = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert 0.8 < known / unknown < 1.25


def test_two_passwords_are_hashed_at_a_time_and_no_more() -> None:
    hasher = CountingHasher(200)
    passwords = Passwords(hasher)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: passwords.verify("", GOOD), range(24)))
    assert (hasher.verified, hasher.most) == (24, 2)


def test_the_same_keys_are_the_same_password_however_a_system_spells_them() -> None:
    passwords = Passwords(CountingHasher())
    typed = "Grüße aus Zürich"
    stored = passwords.hash(Secret(unicodedata.normalize("NFC", typed)))
    assert passwords.verify(stored, Secret(unicodedata.normalize("NFD", typed))).matches
    assert not passwords.verify(stored, Secret(typed.lower())).matches
    assert not passwords.verify(passwords.hash(Secret("x" * 200)), Secret("x" * 199)).matches


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "kX9#mQ2$vT7!pL4",
        "xqzv" + "ferry copper " * 20,
        "日本語のパスワードは長いのが良い",
        "tqkfhzbwrmxsdpv",
        "847261930582746",
        "ferry lantern oak",
        "annabelle-writes-odes",
    ],
)
def test_a_password_is_free_to_be_anything_that_is_not_guessed(password: str) -> None:
    require_good(Secret(password), "anna")


@pytest.mark.parametrize(
    ("password", "found"),
    [
        ("kX9#mQ2$vT7!pL", "has 14 characters"),
        ("x7" * 513, "has 1026 characters, more than 1,024"),
        ("abcabcabcabcabcabc", "is among the first to be tried: it repeats itself"),
        (
            "Anna.Maier123456",
            "is among the first to be tried: it is a common word or name, or made of one",
        ),
    ],
)
def test_a_bad_password_is_refused_without_saying_it(password: str, found: str) -> None:
    with pytest.raises(UsageError) as error:
        require_good(Secret(password), "anna.maier@shop.example")
    assert str(error.value) == (
        f"the password {found}; expected at least 15 characters that nobody guesses; take four "
        "words that have nothing to do with each other"
    )


@pytest.mark.parametrize(
    ("password", "found"),
    [
        ("aaaaaaaa", "it repeats itself"),
        ("abcabcabc", "it repeats itself"),
        ("12341234", "it repeats itself"),
        ("83619274", "it is a short number"),
        ("24121989", "it is a short number"),
        ("123456789012", "its keys are beside each other"),
        ("qwertyuiop", "its keys are beside each other"),
        ("asdf4321", "its keys are beside each other"),
        ("1qaz2wsx", "its keys are beside each other"),
        ("password", "it is a common word or name, or made of one"),
        ("P4ssw0rd!", "it is a common word or name, or made of one"),
        ("Passw0rd2024", "it is a common word or name, or made of one"),
        ("Summer2026!", "it is a common word or name, or made of one"),
        ("iloveyou1", "it is a common word or name, or made of one"),
        ("HelloWorld", "it is a common word or name, or made of one"),
        ("admin_admin", "it is a common word or name, or made of one"),
        ("headrace1", "it is a common word or name, or made of one"),
        ("Anna.Maier99", "it is a common word or name, or made of one"),
    ],
)
def test_what_is_guessed_first_is_told_whatever_its_length(password: str, found: str) -> None:
    assert what_is_common(password, ("anna.maier@shop.example", "anna.maier")) == found

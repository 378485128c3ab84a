"""common_passwords.py: what is tried first is found by a rule, and nothing else is in its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.auth.signing_in.common_passwords import what_is_common

COMMON = """
    123456789 qwerty123 1q2w3e4r5t password1 Password! p@ssw0rd passw0rd123 iloveyou princess1
    monkey12 dragon2000 letmein! football7 baseball99 sunshine1 superman trustno1 welcome1 admin123
    qwertz12 azertyui starwars whatever1 charlie1 michael1 jordan23 daniel123 ashley12 00000000
    11111111 12121212 abcabcab zxcvbnm1 asdfghjk 87654321 19840101 secret123 Winter2025 August2026!
    blink182 babygirl1 password12345678 Password123456789 Summer2026Summer2027 admin-admin-admin
    Welcome2026Welcome! 12345password54321
"""
FREE = ("plunge-oxbow-kettle", "vQ7tUc2m", "mein Fahrrad ist blau", "xylophon8", "wörterbuch")


@pytest.mark.parametrize("password", COMMON.split())
def test_what_leaked_lists_begin_with_is_common(password: str) -> None:
    assert what_is_common(password)


@pytest.mark.parametrize("password", FREE)
def test_what_nobody_tries_first_is_not(password: str) -> None:
    assert what_is_common(password) == ""


def test_the_names_that_are_given_say_nothing() -> None:
    assert what_is_common("zebulon99", ("zebulon",))
    assert what_is_common("Z3bulon!", ("Zebulon",))
    assert not what_is_common("zebulon99", ("", "anna"))


@given(st.text(max_size=100))
def test_any_text_gets_an_answer_whatever_its_case(text: str) -> None:
    assert what_is_common(text) in {
        "",
        "it repeats itself",
        "it is a short number",
        "its keys are beside each other",
        "it is a common word or name, or made of one",
    }

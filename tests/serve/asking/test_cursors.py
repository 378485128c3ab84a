"""Cursors: opaque, of one secret and one environment, and nobody but us has made one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.asking.cursors import Cursor, Cursors, NotACursor, read_cursor, short_address

CURSORS = Cursors.of(b"s" * 32, "prod")
CURSOR = Cursor(3, short_address("content"), short_address("request"), 50)


def test_a_cursor_is_read_as_it_was_sealed() -> None:
    text = CURSORS.seal(CURSOR)
    assert CURSORS.read(text) == CURSOR
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_secret_or_environment_is_none() -> None:
    text = CURSORS.seal(CURSOR)
    for other in (Cursors.of(b"t" * 32, "prod"), Cursors.of(b"s" * 32, "dev")):
        with pytest.raises(NotACursor):
            other.read(text)


@pytest.mark.parametrize("text", ["", "x", "é", "A" * 40, "A" * 3000, "=", "a b", "%", "\0"])
def test_any_other_text_is_none(text: str) -> None:
    with pytest.raises(NotACursor):
        CURSORS.read(text)
    assert read_cursor(CURSORS, text) is None


@given(st.data())
def test_a_cursor_that_was_changed_anywhere_is_none(data: st.DataObject) -> None:
    text = CURSORS.seal(CURSOR)
    at = data.draw(st.integers(0, len(text) - 1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ "
    letter = data.draw(st.sampled_from(letters).filter(lambda each: each != text[at]))
    with pytest.raises(NotACursor):
        CURSORS.read(text[:at] + letter + text[at + 1 :])


@given(st.text(max_size=100))
def test_no_text_makes_it_fail(text: str) -> None:
    with pytest.raises(NotACursor):
        CURSORS.read(text)


def test_addresses_tell_where_a_part_ends() -> None:
    assert short_address("ab", "c") != short_address("a", "bc")
    assert len(short_address("\ud800")) == 16

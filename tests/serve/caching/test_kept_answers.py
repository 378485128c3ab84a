"""What is kept comes back byte for byte under its key, and nothing else is ever taken for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.caching.kept_answers import seal, unseal


@given(st.binary(), st.binary())
def test_what_was_sealed_comes_back_under_its_key(key: bytes, value: bytes) -> None:
    assert unseal(key, seal(key, value)) == value


@given(st.binary(), st.binary(), st.data())
def test_one_changed_byte_is_seen(key: bytes, value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(key, value))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    assert unseal(key, bytes(sealed)) is None


@given(st.binary(), st.binary(), st.binary())
def test_a_value_under_another_key_is_nothing(key: bytes, other: bytes, value: bytes) -> None:
    assert (unseal(other, seal(key, value)) == value) == (key == other)


def test_a_key_does_not_run_into_its_value() -> None:
    assert unseal(b"ab", seal(b"a", b"bc").replace(b"bc", b"c")) is None


@given(st.binary(), st.binary())
def test_any_bytes_are_nothing(key: bytes, found: bytes) -> None:
    assert unseal(key, found) is None

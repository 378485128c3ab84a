"""sealing.py: every change of a sealed file is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.base.errors import CorruptObject
from headrace.store.sealing import seal, unseal


@given(st.binary())
def test_what_was_sealed_comes_back(body: bytes) -> None:
    assert unseal(seal(body), "here") == body


@given(st.binary(), st.data())
def test_a_flipped_bit_is_noticed(body: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(body))
    position = data.draw(st.integers(0, len(sealed) - 1))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(CorruptObject):
        unseal(bytes(sealed), "here")


@given(st.binary(min_size=1), st.data())
def test_a_torn_file_is_noticed(body: bytes, data: st.DataObject) -> None:
    sealed = seal(body)
    with pytest.raises(CorruptObject):
        unseal(sealed[: data.draw(st.integers(0, len(sealed) - 1))], "here")


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(CorruptObject) as caught:
        unseal(b"abc\nx\n", "refs/prod/1")
    assert str(caught.value) == (
        "refs/prod/1: 6 bytes that do not match their checksum; expected a first line "
        "'2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881', found 'abc'; "
        "restore the file from a backup"
    )

"""Content codings: the best that a client takes, and bodies that it can read."""

from __future__ import annotations

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from headrace.serve.compressing import (
    Coding,
    chosen_coding,
    coding_headers,
    compressed,
    compressed_pieces,
    compressor,
    is_worth_it,
)

CODINGS: tuple[Coding, ...] = ("identity", "gzip", "zstd")


def read(body: bytes, coding: Coding) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("", "identity"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("identity", "identity"),
        ("identity;q=1, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip", "gzip"),
        ("br", "identity"),
        ("*", "zstd"),
        ("*;q=0.5, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("*;q=0", "identity"),
        ("*;q=0, gzip", "gzip"),
        ("identity;q=0", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip;q=2, zstd;q=NaN", "identity"),
        (",;,;q=,", "identity"),
    ],
)
def test_accept_encoding_is_weighed(accept_encoding: str, coding: Coding) -> None:
    assert chosen_coding(accept_encoding) == coding


@given(st.text())
def test_no_accept_encoding_header_breaks_anything(accept_encoding: str) -> None:
    assert chosen_coding(accept_encoding) in CODINGS


@pytest.mark.parametrize("coding", CODINGS)
@given(body=st.binary())
def test_a_whole_body_comes_back(coding: Coding, body: bytes) -> None:
    assert read(compressed(body, coding), coding) == body


@pytest.mark.parametrize("coding", CODINGS)
@given(pieces=st.lists(st.binary(min_size=1), max_size=5))
def test_a_body_in_pieces_comes_back(coding: Coding, pieces: list[bytes]) -> None:
    assert read(b"".join(compressed_pieces(pieces, coding)), coding) == b"".join(pieces)


def test_every_piece_can_be_read_when_it_is_there() -> None:
    rows = [b'{"n":%d}\n' % n for n in range(5)]
    zstd, unzstd = compressor("zstd"), zstandard.ZstdDecompressor().decompressobj()
    assert [unzstd.decompress(zstd.piece(row)) for row in rows] == rows
    zipped, unzip = compressor("gzip"), zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert [unzip.decompress(zipped.piece(row)) for row in rows] == rows


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_rows_get_smaller(coding: Coding) -> None:
    body = b",".join(b'{"store":%d,"revenue":%d.50}' % (n, n * 7) for n in range(1000))
    assert len(compressed(body, coding)) < len(body) / 3
    # A coding does not depend on the time: the same answer has the same bytes.
    assert compressed(body, coding) == compressed(body, coding)


def test_small_and_compressed_bodies_are_left_alone() -> None:
    assert not is_worth_it(1023, is_compressed=False)
    assert is_worth_it(1024, is_compressed=False)
    assert not is_worth_it(1_000_000, is_compressed=True)


def test_a_coding_is_told_in_a_header() -> None:
    assert coding_headers("identity") == {}
    assert coding_headers("gzip") == {"Content-Encoding": "gzip"}
    assert coding_headers("zstd") == {"Content-Encoding": "zstd"}

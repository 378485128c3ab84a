"""Content codings: the best that a client takes, and bodies that it can read."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from headrace.serve.answering.answers import Answer, Piece, send_answer
from headrace.serve.formats.compressing import (
    CodedBodies,
    Coding,
    chosen_coding,
    coded,
    compressed,
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
    stream = compressor(coding)
    sent = [*(stream.piece(piece) for piece in pieces), stream.piece(b"", last=True)]
    assert read(b"".join(sent), coding) == b"".join(pieces)


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


def in_pieces(pieces: list[bytes]) -> Answer:
    rest = iter(pieces[1:])
    left = len(pieces) - 1

    async def more() -> Piece:
        nonlocal left
        left -= 1
        return next(rest), left == 0

    return Answer(200, pieces[0], {"ETag": 'W/"1"'}, more=more)


async def sent(answer: Answer) -> tuple[dict[str, str], bytes]:
    """The headers and the body that a client gets."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await send_answer(answer, "GET", send)
    headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return headers, b"".join(message["body"] for message in messages[1:])


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_answers_are_coded_whole_and_in_pieces(coding: Coding) -> None:
    body = b"headrace " * 1000
    whole = coded(Answer(200, body, {"ETag": 'W/"1"'}), coding, is_compressed=False)
    headers, found = asyncio.run(sent(whole))
    assert read(found, coding) == body
    # The tag names the rows, and is the same in every coding.
    assert headers == {
        "etag": 'W/"1"',
        "content-encoding": coding,
        "content-length": str(len(found)),
    }
    pieces = coded(in_pieces([body, body, b"end"]), coding, is_compressed=False)
    headers, found = asyncio.run(sent(pieces))
    assert read(found, coding) == body + body + b"end"
    assert headers == {"etag": 'W/"1"', "content-encoding": coding}


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"small"), Answer(304), Answer(404, b"x" * 2000)],
    ids=["small", "unchanged", "refused"],
)
def test_what_gains_nothing_is_not_coded(answer: Answer) -> None:
    assert coded(answer, "gzip", is_compressed=False) is answer


def test_files_that_are_compressed_already_are_not_coded() -> None:
    answer = Answer(200, b"x" * 2000)
    assert coded(answer, "zstd", is_compressed=True) is answer
    assert coded(answer, "identity", is_compressed=False) is answer


def test_bodies_that_are_asked_for_again_are_remembered() -> None:
    bodies = CodedBodies(100)
    first = bodies.get("a", "zstd", b"a" * 2000)
    assert bodies.get("a", "zstd", b"a" * 2000) is first
    assert read(bodies.get("a", "gzip", b"a" * 2000), "gzip") == b"a" * 2000
    # What is larger than all that is remembered is compressed all the same.
    large = bytes(range(256)) * 8
    assert read(bodies.get("b", "zstd", large), "zstd") == large
    again = bodies.get("a", "zstd", b"a" * 2000)
    assert again == first
    assert again is not first

"""Frames arrive whole, and values as what they were."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from headrace.base.tables import Column
from headrace.serve.columnar.query_frames import (
    MORE,
    REQUEST,
    Close,
    Drop,
    Ended,
    Failure,
    More,
    Open,
    Query,
    Start,
    decode_failure,
    decode_request,
    encode,
    packed,
    receive_frame,
    receive_interrupt,
    send_frame,
    send_interrupt,
)
from headrace.serve.formats.forms import Form


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.mark.parametrize("size", [0, 1, 100, 5_000_000])
def test_a_frame_arrives_whole(pair: tuple[socket.socket, socket.socket], size: int) -> None:
    one, other = pair
    payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    sending = threading.Thread(target=send_frame, args=(one, MORE, payload))
    sending.start()
    assert receive_frame(other) == (MORE, payload)
    sending.join()


def test_frames_follow_each_other(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    send_frame(one, REQUEST, b"first")
    send_frame(one, MORE, b"second")
    assert [receive_frame(other) for _ in range(2)] == [(REQUEST, b"first"), (MORE, b"second")]


def test_a_closed_connection_ends_the_conversation(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    one.sendall(b"\1\5\0\0\0\0\0\0\0he")
    one.close()
    with pytest.raises(Ended):
        receive_frame(other)


def test_a_frame_that_is_too_large_is_not_received(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    one.sendall(b"\1" + (2**40).to_bytes(8, "little"))
    with pytest.raises(Ended) as caught:
        receive_frame(other, 1000)
    assert str(caught.value) == "a frame of 1099511627776 bytes"


def test_a_frame_that_is_late_is_a_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    _, other = pair
    other.settimeout(0.01)
    with pytest.raises(TimeoutError):
        receive_frame(other)


def test_interrupts_name_their_query(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    send_interrupt(one, 2**40)
    assert receive_interrupt(other) == 2**40


def test_an_interrupt_for_which_there_is_no_room_is_lost(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Whoever sends interrupts must never wait."""
    one, _ = pair

    def flood() -> None:
        for _ in range(1_000_000):
            send_interrupt(one, 1)

    with pytest.raises(BlockingIOError):
        flood()


VALUES: dict[str, object] = {
    "none": None,
    "yes": True,
    "small": -(2**63),
    "large": 2**127 - 1,
    "float": -0.0,
    "text": "\0😀",
    "bytes": b"\0\xff",
    "decimal": Decimal("1.50"),
    "date": date(2024, 3, 1),
    "time": time(12, 30, 0, 5),
    "timestamp": datetime(2024, 3, 1, 12, 30, 0, 1),
    "instant": datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
    "uuid": UUID("123e4567-e89b-12d3-a456-426614174000"),
    "list": [1, None, Decimal(2), [date(2024, 3, 1)]],
}


@pytest.mark.parametrize(
    "request_",
    [
        Start("1GB", 2, 1, 1000),
        Open(1, ("CREATE VIEW a AS SELECT 1",), "/data"),
        Query(2, 1, "SELECT $x", VALUES, (Column("a", "BIGINT"),), Form("json", "arrays")),
        More(2),
        Close(2),
        Drop(1),
    ],
)
def test_a_request_is_what_it_was(request_: object) -> None:
    sent = request_
    if isinstance(request_, Query):
        sent = msgspec.structs.replace(request_, parameters=packed(request_.parameters))
    received = decode_request(encode(sent))
    assert received == request_
    if isinstance(received, Query):
        kinds = {name: type(value) for name, value in received.parameters.items()}
        assert kinds == {name: type(value) for name, value in VALUES.items()}


def test_a_value_that_no_parameter_has_is_not_sent() -> None:
    with pytest.raises(TypeError) as caught:
        packed({"x": object()})
    assert str(caught.value) == "a parameter cannot be object"


def test_a_failure_is_what_it_was() -> None:
    failure = Failure("memory", "too much", is_worn=True)
    assert decode_failure(encode(failure)) == failure


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_request(msgspec.msgpack.encode({"type": "Run", "code": "import os"}))

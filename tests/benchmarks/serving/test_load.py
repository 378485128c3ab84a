"""The load generator takes an answer for whole when it is, however it is framed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, repeat

import pytest

from benchmarks.serving.load import UnexpectedAnswer, drive, get, post, whole


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length:3\r\ndate: now\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\netag: W/1\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n",
    ],
)
def test_an_answer_is_whole_with_its_last_byte_only(answer: bytes) -> None:
    assert whole(answer)
    assert not whole(answer[:-1])


def test_requests_are_as_a_client_sends_them() -> None:
    assert get("/a?b=1", "If-None-Match: x") == (
        b"GET /a?b=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nIf-None-Match: x\r\n"
        b"Accept: */*\r\n\r\n"
    )
    assert get("/a", "Accept: text/csv").count(b"Accept") == 1
    assert post("/sql", "é") == (
        b"POST /sql HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n\xc3\xa9"
    )


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server that gives one connection the same answer to everything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                while connection.recv(4096):
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_every_answer_is_counted() -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    with answering(answer) as port:
        load = drive(port, cycle([get("/a"), get("/b")]), seconds=0.02, connections=1)
    assert load.answers > 1
    assert load.size_bytes == load.answers * len(answer)
    assert load.seconds >= 0.02


def test_another_status_is_not_counted_but_raised() -> None:
    with (
        answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n") as port,
        pytest.raises(UnexpectedAnswer, match=r"503 Busy.*expected status 200"),
    ):
        drive(port, repeat(get("/")), seconds=0.02, connections=1)

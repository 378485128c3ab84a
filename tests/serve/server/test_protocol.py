"""Both ways of serving are one: what the protocol answers is what the ASGI application answers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from headrace.serve import ServeSettings
from tests.serve.serving import serving
from tests.serve.shop import Shop

HOST = b"Host: localhost\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

REQUESTS = {
    "kept": b"GET /sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "again, from the cache": b"GET /sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "head": b"HEAD /sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "closed": b"GET /sales HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n",
    "parameters": b"GET /stores/3/sales?limit=2&since=2024-01-02 HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded parameters": b"GET /stores/%33/sales?%6Cimit=2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "encoded path": b"GET /stores/3%2Fsales HTTP/1.1\r\n" + HOST + b"\r\n",
    "ending": b"GET /sales.csv?limit=2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "accept": b"GET /sales?limit=2 HTTP/1.1\r\nAccept: application/x-ndjson\r\n" + HOST + b"\r\n",
    "accept twice": (
        b"GET /sales?limit=2 HTTP/1.1\r\nAccept: text/csv;q=0.1\r\nAccept: application/json\r\n"
        + HOST
        + b"\r\n"
    ),
    "not acceptable": b"GET /sales HTTP/1.1\r\nAccept: image/png\r\n" + HOST + b"\r\n",
    "any tag": b"GET /sales HTTP/1.1\r\nIf-None-Match: *\r\n" + HOST + b"\r\n",
    "another tag": b'GET /sales HTTP/1.1\r\nIf-None-Match: "x"\r\n' + HOST + b"\r\n",
    "unfit": b"GET /stores/x/sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown parameter": b"GET /sales?nothing=1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "not UTF-8": b"GET /sales?limit=%FF HTTP/1.1\r\n" + HOST + b"\r\n",
    "nothing there": b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n",
    "root": b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute": b"GET http://localhost/sales?limit=1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /sales?limit=1#there HTTP/1.1\r\n" + HOST + b"\r\n",
    "two questions": b"GET /sales?limit=1?limit=2 HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty query": b"GET /sales? HTTP/1.1\r\n" + HOST + b"\r\n",
    "no slash": b"GET sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "options": b"OPTIONS /sales HTTP/1.1\r\n" + HOST + b"\r\n",
    "post": b"POST /sales HTTP/1.1\r\nContent-Length: 2\r\n" + HOST + b"\r\n{}",
    "a body": b"GET /sales?limit=1 HTTP/1.1\r\nContent-Length: 2\r\n" + HOST + b"\r\n{}",
    "chunks": (
        b"GET /sales?limit=1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        + HOST
        + b"\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    "upgrade": (
        b"GET /sales?limit=1 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        + HOST
        + b"\r\n"
    ),
    "old": b"GET /sales HTTP/1.0\r\n\r\n",
    "long target": b"GET /sales?limit=" + b"0" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "many headers": b"GET /sales HTTP/1.1\r\n" + b"X-Y: z\r\n" * 4000 + HOST + b"\r\n",
    "not HTTP": b"GET /sales\r\n\r\n",
    "pipelined": (
        b"GET /sales?limit=1 HTTP/1.1\r\n"
        + HOST
        + b"\r\nGET /nothing HTTP/1.1\r\n"
        + HOST
        + b"\r\nGET /stores/1/sales HTTP/1.1\r\n"
        + HOST
        + b"\r\nHEAD /sales?limit=1 HTTP/1.1\r\n"
        + HOST
        + b"\r\n"
    ),
}


@pytest.fixture
def addresses(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    shop.publish_sales(rows=2000)
    monkeypatch.setattr("headrace.serve.server.running.KEEP_ALIVE_SECONDS", 1)
    settings = ServeSettings()
    asgi_settings = replace(settings, protocol="asgi")
    with serving(shop, settings) as direct, serving(shop, asgi_settings) as asgi:
        yield direct, asgi


def test_both_ways_answer_every_request_alike(addresses: tuple[str, str]) -> None:
    for name, request in REQUESTS.items():
        direct, asgi = (comparable(exchange(address, request + LAST)) for address in addresses)
        assert direct == asgi, name
        assert direct, name


def test_both_ways_answer_bytes_that_come_one_by_one_alike(addresses: tuple[str, str]) -> None:
    for name in ("kept", "pipelined", "a body", "chunks"):
        sent = REQUESTS[name] + LAST
        direct, asgi = (comparable(exchange(address, sent, step=1)) for address in addresses)
        assert direct == asgi == comparable(exchange(addresses[0], sent)), name


def test_a_known_tag_is_answered_without_a_body(addresses: tuple[str, str]) -> None:
    for address in addresses:
        first = exchange(address, REQUESTS["kept"] + LAST)
        tag = next(line for line in first.split(b"\r\n") if line.lower().startswith(b"etag: "))[6:]
        request = b"GET /sales HTTP/1.1\r\nIf-None-Match: %b\r\n%b\r\n" % (tag, HOST)
        assert exchange(address, request + LAST).startswith(b"HTTP/1.1 304 Not Modified\r\n")


def test_an_idle_connection_is_closed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that has only ever asked for what was answered at once."""
    shop.publish_sales(rows=10)
    monkeypatch.setattr("headrace.serve.server.running.KEEP_ALIVE_SECONDS", 1)
    with serving(shop, ServeSettings()) as address:
        for _ in range(2):
            assert exchange(address, REQUESTS["kept"]).startswith(b"HTTP/1.1 200 OK\r\n")


CHUNKED = b"POST /batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n"
ENDLESS = {
    "a target": (b"GET /", b"a" * 8192),
    "a name": (b"GET / HTTP/1.1\r\n", b"a" * 8192),
    "a value": (b"GET / HTTP/1.1\r\nX: ", b"a" * 8192),
    "headers": (b"GET / HTTP/1.1\r\n", b"X: y\r\n" * 1024),
    "a trailer": (
        b"POST /batch HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        + HOST
        + b"\r\n1\r\n[\r\n0\r\nX: ",
        b"a" * 8192,
    ),
    "trailers": (
        CHUNKED + b"1\r\n[\r\n0\r\n",
        b"X: y\r\n" * 1024,
    ),
    "an extension": (
        CHUNKED + b"1;x=",
        b"a" * 8192,
    ),
}


def test_what_does_not_end_is_cut_off_before_it_is_large(addresses: tuple[str, str]) -> None:
    """A client that sends a head without an end makes the server keep little of it."""
    for name, (begin, piece) in ENDLESS.items():
        for address in addresses:
            # Some of it is what the kernel keeps for a server that reads no more.
            assert taken(address, begin, piece, 50_000_000) < 10_000_000, name


def taken(address: str, begin: bytes, piece: bytes, most_bytes: int) -> int:
    """How much can be sent of what does not end."""
    sent = 0
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        client.sendall(begin)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            while sent < most_bytes:
                client.sendall(piece)
                sent += len(piece)
    return sent


def exchange(address: str, sent: bytes, step: int = 0) -> bytes:
    """All that a server answers until it closes the connection."""
    port = int(address.rpartition(":")[2])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for at in range(0, len(sent), step or len(sent)):
                client.sendall(sent[at : at + (step or len(sent))])
            while piece := client.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            # The server has said all it had to say, and did not read the rest.
            pass
    return received


def comparable(answer: bytes) -> list[list[bytes]]:
    """The answers' lines, without the order of headers and what is new every time."""
    return [sorted(_without_news(each)) for each in answer.split(b"HTTP/1.1 ") if each]


def _without_news(answer: bytes) -> list[bytes]:
    ignored = (b"date: ", b"x-request-id: ", b'{"type":')
    return [line for line in answer.split(b"\r\n") if not line.lower().startswith(ignored)]

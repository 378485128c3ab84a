"""A connection is kept from one request to the next, and whatever ends it is an OSError."""

from __future__ import annotations

import pytest

from headrace.base.errors import UsageError
from headrace.benching.client import Address, Reply, connect, run
from tests.benching.answering import answer, answering


async def ask(address: Address, *targets: str) -> list[Reply]:
    """The answers to some targets over one connection."""
    connection = await connect(address)
    try:
        return [await connection.ask(each) for each in targets]
    finally:
        connection.abort()


def test_one_connection_serves_many_requests() -> None:
    with answering(lambda target: answer(200, target.encode())) as server:
        replies = run(ask(server.address, "/a", "/bc?d=e"))
        assert [(each.status, each.size_bytes) for each in replies] == [(200, 2), (200, 7)]
        assert all(each.seconds > 0 for each in replies)
        assert (server.targets, server.connections) == (["/a", "/bc?d=e"], 1)


def test_a_prefix_stands_before_every_path() -> None:
    with answering(lambda _: answer(200)) as server:
        run(ask(server.address._replace(prefix="/api"), "/a"))
        assert server.targets == ["/api/a"]


def test_the_bytes_of_an_answer_in_pieces_are_counted() -> None:
    chunked = (
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with answering(lambda _: chunked) as server:
        assert [each.size_bytes for each in run(ask(server.address, "/a", "/b"))] == [5, 5]


@pytest.mark.parametrize("said", [None, b"no HTTP at all\r\n\r\n"])
def test_no_answer_is_an_error(said: bytes | None) -> None:
    with (
        answering(lambda _: said) as server,
        pytest.raises(ConnectionError, match="the connection ended without an answer"),
    ):
        run(ask(server.address, "/a"))


def test_a_server_that_closes_its_connections_is_left() -> None:
    with (
        answering(lambda _: answer(200, b"", "Connection: close\r\n")) as server,
        pytest.raises(ConnectionError, match="the connection is closed"),
    ):
        run(ask(server.address, "/a", "/b"))


def test_nobody_there_is_an_error() -> None:
    with answering(lambda _: None) as server:
        pass
    with pytest.raises(OSError, match="onnect"):
        run(ask(server.address, "/a"))


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("http://localhost/", Address("localhost", 80)),
        ("http://[::1]:80/api/", Address("::1", 80, "/api")),
    ],
)
def test_a_url_names_an_address(url: str, address: Address) -> None:
    assert Address.of(url) == address
    assert Address.of(str(address)) == address


@pytest.mark.parametrize(
    "url",
    ["https://h", "localhost:8000", "http://", "http://h:x", "http://h:99999", "http://h?a=b"],
)
def test_what_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.of(url)
    assert str(caught.value) == (
        f"--url: found {url!r}; expected `http://HOST:PORT`, without TLS: ask the server itself,"
        " behind whatever ends TLS"
    )

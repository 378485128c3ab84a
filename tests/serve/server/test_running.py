"""The server: where it listens, and how it ends without failing a request."""

from __future__ import annotations

import signal
import socket
from dataclasses import replace

import httpx
import pytest

from headrace.base.errors import UsageError
from headrace.serve import ServeSettings
from headrace.serve.server.listening import Listening, listen
from tests.serve.serving import QUICK, Started, serving
from tests.serve.shop import Shop


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            listen(Listening(port=port))
    assert str(caught.value) == (
        f"127.0.0.1:{port}: cannot listen there: address already in use; expected a free port "
        "of this machine; stop what listens there, or choose another with --port"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.evil"])
def test_other_machines_are_kept_out_unless_it_is_meant(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        listen(Listening(host=host, port=0))
    assert str(caught.value) == (
        f"{host}: other machines could reach it, and nobody can prove who they are: there is no"
        " account with a password or a key, and no issuer; expected 127.0.0.1, ::1 or"
        " localhost; add an account with `headrace users add` and a key for it with `headrace"
        " keys create`, or an issuer under [auth.issuers], or let everybody there read what is"
        " public with `headrace serve --allow-unauthenticated`"
    )


@pytest.mark.parametrize("leave", [{"allow_unauthenticated": True}, {"authenticated": True}])
def test_other_machines_are_let_in_when_it_is_meant_or_somebody_can_prove_who_they_are(
    leave: dict[str, bool],
) -> None:
    with listen(Listening("0.0.0.0", 0, **leave)) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "port", "reason"),
    [
        ("127.0.0.1", -1, "there is no such port"),
        ("127.0.0.1", 65536, "there is no such port"),
        ("no such host", 8000, "there is no such host"),
    ],
)
def test_an_address_that_is_none_is_a_clear_error(host: str, port: int, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        listen(Listening(host=host, port=port, allow_unauthenticated=True))
    assert str(caught.value) == (
        f"{host}:{port}: cannot listen there: {reason}; expected a free port "
        "of this machine; stop what listens there, or choose another with --port"
    )


def test_it_answers_over_a_socket(shop: Shop) -> None:
    shop.publish_sales()
    with serving(shop, ServeSettings()) as url, httpx.Client(base_url=url) as client:
        assert client.get("/sales").status_code == 200
        whole = client.get("/sales?limit=500")
        assert len(whole.json()) == 500
        assert "server" not in whole.headers


def test_a_large_answer_is_streamed_over_a_socket(shop: Shop) -> None:
    shop.publish_sales(rows=20_000)
    with serving(shop, ServeSettings()) as url, httpx.Client(base_url=url) as client:
        assert len(client.get("/sales?limit=20000").json()) == 20_000


def test_a_client_that_leaves_stops_its_stream(shop: Shop) -> None:
    shop.publish_sales(rows=50_000)
    settings = ServeSettings(workers=1, queue=0)
    with serving(shop, settings) as url, httpx.Client(base_url=url) as client:
        with client.stream("GET", "/sales?limit=50000") as response:
            next(response.iter_bytes())
        while client.get("/sales?limit=1").status_code == 503:
            pass


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /sales HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET @evil HTTP/1.1\r\nHost: evil/../\r\n\r\n",
        b"GET http://evil/sales HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_request_are_not_500(shop: Shop, request_bytes: bytes) -> None:
    shop.publish_sales()
    with serving(shop, ServeSettings()) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
        assert not answer.startswith(b"HTTP/1.1 5")
        assert httpx.get(f"{url}/livez").status_code == 200


def test_a_sigterm_fails_no_request(shop: Shop) -> None:
    """New connections are still taken, and every answer closes its own."""
    shop.publish_sales()
    servers: list[Started] = []
    with serving(shop, ServeSettings(), servers) as url:
        [server] = servers
        # However slow the machine is, the requests below come within that time.
        server._listening = replace(QUICK, lame_duck_seconds=3600)
        with httpx.Client(base_url=url) as kept:
            assert "connection" not in kept.get("/sales").headers
            server.handle_exit(signal.SIGTERM, None)
            while "connection" not in kept.get("/sales").headers:
                pass
            last = httpx.get(f"{url}/sales")
            assert (last.status_code, last.headers["connection"]) == (200, "close")
            assert httpx.get(f"{url}/readyz").status_code == 503
        server.handle_exit(signal.SIGTERM, None)


def test_a_server_that_drains_ends_by_itself(shop: Shop) -> None:
    shop.publish_sales()
    servers: list[Started] = []
    with serving(shop, ServeSettings(), servers) as url:
        [server] = servers
        assert httpx.get(f"{url}/livez").status_code == 200
        server.handle_exit(signal.SIGTERM, None)
        assert server.ended.wait(timeout=60)


def test_a_second_sigterm_ends_at_once(shop: Shop) -> None:
    shop.publish_sales()
    servers: list[Started] = []
    with serving(shop, ServeSettings(), servers) as url:
        [server] = servers
        server._listening = replace(QUICK, lame_duck_seconds=3600)
        server.handle_exit(signal.SIGTERM, None)
        while httpx.get(f"{url}/readyz").status_code != 503:
            pass
        server.handle_exit(signal.SIGTERM, None)
        assert server.should_exit

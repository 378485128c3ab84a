"""A server is ready when it is given, ends with its block, and says why when it is not."""

from __future__ import annotations

import sys

import pytest

from headrace.base.errors import UsageError
from headrace.benching.client import Address
from headrace.benching.servers import NotReady, Served, asked, require_loopback, started
from tests.benching.answering import answer, answering
from tests.cli.shops import Shop


def test_a_server_of_its_own_answers_and_ends(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 7 AS store_id, DATE '2024-01-01' AS day, 1.50 AS revenue"})
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "-C", str(shop.root)]
    with started([*command, "--port", "0"]) as address:
        assert asked(address) == Served("prod", 1)
    with pytest.raises(NotReady):
        asked(address)


def test_a_server_that_does_not_start_says_why() -> None:
    code = "import sys; print('one', file=sys.stderr); sys.exit('no port is free')"
    with (
        pytest.raises(NotReady, match=r"^the server did not start: one \| no port is free$"),
        started([sys.executable, "-c", code]),
    ):
        pass


TALKATIVE = """
import http.server

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"snapshot": 3}')

    def log_message(self, *given): ...

with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server:
    print(f"here: http://127.0.0.1:{server.server_port}")
    print(1_000_000 * "x", flush=True)
    server.serve_forever()
"""


def test_a_server_may_print_as_much_as_it_likes_before_it_serves() -> None:
    with started([sys.executable, "-c", TALKATIVE]) as address:
        assert asked(address).snapshot == 3


def test_a_server_without_a_snapshot_is_not_ready() -> None:
    body = b'{"status":"not ready","environment":"prod","snapshot":null,"reason":"no snapshot yet"}'
    with answering(lambda _: answer(503, body)) as server, pytest.raises(NotReady) as caught:
        asked(server.address)
    assert server.targets == ["/readyz"]
    assert str(caught.value) == (
        f"{server.address}: the server is not ready: no snapshot yet; expected `headrace serve`"
        " there, with a snapshot that is published"
    )


@pytest.mark.parametrize(
    ("said", "found"),
    [(answer(404, b"{}"), "404"), (answer(200, b"<html>"), "nothing"), (None, "nothing")],
)
def test_something_else_is_not_ready(said: bytes | None, found: str) -> None:
    with (
        answering(lambda _: said) as server,
        pytest.raises(NotReady, match=f"the server is not ready: /readyz answers {found};"),
    ):
        asked(server.address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine_may_be_asked(host: str) -> None:
    require_loopback(Address(host, 80))


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "0.0.0.0", "localhost.example.org"])
def test_another_machine_must_be_meant(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_loopback(Address(host, 80))
    assert str(caught.value) == (
        f"http://{host}:80: it is not on this machine, and a load test takes all that it can get;"
        " expected a loopback address such as http://127.0.0.1:8000; add --allow-remote if it is"
        " yours and nobody needs it now"
    )

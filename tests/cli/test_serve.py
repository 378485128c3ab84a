"""`headrace serve` says where it listens and what it serves, and ends without an error."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.bootstrap import redeem
from headrace.base.access import PUBLIC
from headrace.base.secrets import Secret
from headrace.cli.opening import open_project
from headrace.cli.serve import banner
from headrace.serve.server.listening import url
from headrace.store.snapshots import Manifest, PythonModule, Snapshot
from tests.cli.shops import Shop

ENDS_WITHIN_SECONDS = 30


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A real server on a free port, and the lines that it printed before it answers."""
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "-C", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            lines = [server.stdout.readline()]
            while "Ctrl-C" not in lines[-1]:
                lines.append(server.stdout.readline())
                assert lines[-1], lines
            yield server, lines
        finally:
            server.kill()


def way_in(address: str, lines: list[str]) -> list[str]:
    """What is said as long as there is no account; the token is the one that stands there."""
    token = lines[-3].rpartition(" ")[2].strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    return [
        (
            f"No person has an account yet. The first one, an admin, is made at {address}"
            "/console/setup with\n"
        ),
        f"this token, which is good for one hour and for one account: {token}\n",
        "`headrace users add` makes accounts, too.\n",
    ]


def test_the_token_makes_the_first_account_and_is_printed_no_more(shop: Shop) -> None:
    with serving(shop.root) as (_, lines):
        token = way_in(lines[0].split()[-1], lines)[1].split()[-1]
    with closing(Accounts.open(shop.store.accounts_path)) as accounts:
        redeem(accounts, Secret(token), "anna", "hash")
    with serving(shop.root) as (_, lines):
        address = lines[0].split()[-1]
        assert lines[-2] == f"  {address}/console  sign in\n"
        assert not any(token in line for line in lines)


def test_it_names_its_address_and_endpoints_and_answers(shop: Shop) -> None:
    shop.publish({"orders": "SELECT 7 AS store_id, DATE '2024-01-01' AS day, 1.50 AS revenue"})
    with serving(shop.root) as (server, lines):
        found = re.fullmatch(r"shop, prod: (http://127\.0\.0\.1:\d+)\n", lines[0])
        assert found is not None
        assert lines[1:3] == [
            "  GET  /stores/{store_id}/revenue  public  Revenue of one store.\n",
            "  GET  /openapi.json               public  for machines, what is open to them\n",
        ]
        assert lines[3:-1] == way_in(found[1], lines)
        with urllib.request.urlopen(f"{found[1]}/stores/7/revenue") as answer:
            assert answer.read() == b'[{"day":"2024-01-01","revenue":1.50}]\n'
        server.send_signal(signal.SIGTERM)
        assert server.wait(ENDS_WITHIN_SECONDS) == 0


def test_a_router_is_named_by_its_file(shop: Shop) -> None:
    source = shop.store.put_object(b"from fastapi import APIRouter\nrouter = APIRouter()\n")
    router = PythonModule("endpoints/mine.py", source, router=True, access=PUBLIC)
    part = PythonModule("endpoints/_part.py", source, router=False)
    shop.store.publish(
        "prod", Snapshot({}, Manifest("shop", (), (router, part))), parent=None, reason="built"
    )
    opened = open_project(shop.root)
    assert banner(opened, "prod", "here").splitlines()[1:] == [
        "       endpoints/mine.py  public  a router",
        "  GET  /openapi.json      public  for machines, what is open to them",
    ]


def test_an_empty_environment_is_served_until_there_is_something(shop: Shop) -> None:
    with serving(shop.root) as (server, lines):
        assert lines[1] == "  nothing is published yet; `headrace run` publishes\n"
        # An answer: it has begun to handle signals.
        urllib.request.urlopen(f"{lines[0].split()[-1]}/livez").close()
        server.send_signal(signal.SIGINT)
        assert server.wait(ENDS_WITHIN_SECONDS) == 130


def test_a_taken_port_is_the_users_mistake(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = shop.call("serve", "--port", str(port))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: 127.0.0.1:{port}: cannot listen there: ")


def test_an_open_address_must_be_meant(shop: Shop) -> None:
    result = shop.call("serve", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: 0.0.0.0: other machines could reach it, and nobody can prove who they are: there"
        " is no account with a password or a key, and no issuer; expected 127.0.0.1, ::1 or"
        " localhost; add an account with `headrace users add` and a key for it with `headrace"
        " keys create`, or an issuer under [auth.issuers], or let everybody there read what is"
        " public with `headrace serve --allow-unauthenticated`\n"
    )


def test_an_ipv6_address_is_in_brackets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert url("::1", listener) == f"http://[::1]:{listener.getsockname()[1]}"

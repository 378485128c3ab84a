"""A real browser shows the page at `/` as it is meant, and meets nothing that it must not load."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from headrace.serve import ServeSettings
from headrace.serve.answering.pages import page_headers
from tests.serve.serving import serving
from tests.serve.shop import ALL_SALES, SALES, Shop

EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script><style>p{color:red}</style>"


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("HEADRACE_CI"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    return found


def opened(chromium: str, url: str, profile: Path) -> tuple[str, str]:
    """The page as the browser has it, and what it has written to its console and log."""
    done = subprocess.run(
        [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, "\n".join(console)


@contextmanager
def page(body: bytes) -> Iterator[str]:
    """A server of one page that may do nothing; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in page_headers().items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_the_index_breaks_nothing_of_its_policy(shop: Shop, chromium: str, tmp_path: Path) -> None:
    evil = replace(ALL_SALES, description=EVIL)
    shop.publish(evil, tables=(shop.table("sales", SALES.format(rows=1)),))
    with serving(shop, ServeSettings(query_processes=False)) as url:
        dom, console = opened(chromium, url, tmp_path / "profile")
    assert "&lt;img src=x" in dom
    assert '<a href="/sales">/sales</a>' in dom
    # A browser asks for an icon by itself, and is told that there is none.
    assert "Content Security Policy" not in console


@pytest.mark.slow
def test_the_browser_would_have_said_so(chromium: str, tmp_path: Path) -> None:
    with page(f"<!doctype html><title>x</title>{EVIL}".encode()) as url:
        _, console = opened(chromium, url, tmp_path / "profile")
    assert "Content Security Policy" in console

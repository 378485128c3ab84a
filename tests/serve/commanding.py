"""`headrace serve` as a process of its own, over a shop's store."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.serve.shop import Shop

ENDS_WITHIN_SECONDS = 60
_MOMENT_SECONDS = 0.02
_TAKEN_OVER = "deploy: the new server processes are ready"


@dataclass
class Running:
    """A server and its log so far."""

    process: subprocess.Popen[str]
    url: str
    log_path: Path

    @property
    def log(self) -> str:
        """All that it wrote to stderr."""
        return self.log_path.read_text()

    def children(self) -> list[psutil.Process]:
        """The server processes, the oldest first."""
        children = psutil.Process(self.process.pid).children()
        return sorted(children, key=lambda each: (each.create_time(), each.pid))

    def wait_until_logged(self, text: str, times: int = 1) -> None:
        """Wait until a text stands in the log so often."""
        while self.log.count(text) < times:
            self.go_on()

    def deploy(self) -> None:
        """Replace the server processes, and wait until the new ones have taken over."""
        done = self.log.count(_TAKEN_OVER)
        self.process.send_signal(signal.SIGHUP)
        self.wait_until_logged(_TAKEN_OVER, done + 1)

    def wait_until_ready(self) -> None:
        """Wait until a snapshot is served."""
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/readyz").close()
            except (urllib.error.HTTPError, ConnectionError):
                self.go_on()
            else:
                return

    def go_on(self) -> None:
        """Let the server work for a moment; it must not end in it."""
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(_MOMENT_SECONDS)


@contextmanager
def running(shop: Shop, *options: str) -> Iterator[Running]:
    """Serve a shop on a free port; whatever happens, the server is gone afterwards."""
    root = shop.store.root.parent
    (root / "headrace.toml").write_text(f'name = "shop"\n[store]\npath = "{shop.store.root}"\n')
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "--port", "0"]
    log_path = root / "serve.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [*command, "--project", str(root), *options],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            yield Running(process, url, log_path)
        finally:
            process.kill()

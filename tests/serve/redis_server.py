"""A real Redis of a test's own: started on a free port, frozen, killed, started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest


class RedisServer:
    """A `redis-server` process that keeps nothing on disk."""

    def __init__(self, program: str, folder: Path, *, password: str = "") -> None:
        """Start it, and wait until it answers."""
        self._program = program
        self._folder = folder
        self._password = password
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        """Where it answers, the password included."""
        user = f":{self._password}@" if self._password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, on the port that it had before."""
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--daemonize", "no", "--dir", str(self._folder)]
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        lines: list[str] = []
        while not lines or "Ready to accept connections" not in lines[-1]:
            lines.append(self._process.stdout.readline())
            assert lines[-1], "".join(lines)

    def freeze(self) -> None:
        """Let it take connections and commands, and answer none."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again, also what was asked meanwhile."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with all that it holds."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def redis_program() -> str:
    """The path of `redis-server`; without it a test is skipped, and fails where CI runs it."""
    program = shutil.which("redis-server")
    if program is None:
        message = (
            "redis-server is not installed; expected it on the PATH: apt-get install redis-server"
        )
        if os.environ.get("HEADRACE_CI"):
            pytest.fail(message)
        pytest.skip(message)
    return program

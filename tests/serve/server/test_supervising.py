"""A supervisor keeps processes running whatever they do, and does not spin."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from headrace.serve.server.listening import Listening, let_nobody_connect, listen
from headrace.serve.server.supervising import Supervision

# What a server process would do without anything to serve: {ready} until the parent is gone.
SERVER = """
import os, sys
listener, life, report = map(int, sys.argv[2].split(","))
os.write(report, b"started\\n")
{then}
os.read(life, 1)
"""
READY = 'os.write(report, b"ready\\n")'
SUPERVISOR = """
import json, logging, socket, sys
from headrace.serve.server.supervising import Supervision, Supervisor
logging.basicConfig(level="INFO", format="%(message)s")
command, supervision = json.loads(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
sys.exit(Supervisor(command, listener, Supervision(**supervision)).run())
"""
# Runs a program in a terminal, which is closed as soon as a process is ready.
TERMINAL = """
import os, pty, sys
child, terminal = pty.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
text = b""
while b"is ready" not in text:
    text += os.read(terminal, 1000)
os.close(terminal)
_, status = os.waitpid(child, 0)
print("ended with", os.waitstatus_to_exitcode(status))
"""
ENDS_WITHIN_SECONDS = 60


class Supervised:
    """A supervisor in a process of its own, and what it logs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """The next line that a text stands in."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.strip())
            if text in line:
                return line.strip()
        pytest.fail("\n".join(self.lines))

    def read_until_ready(self, count: int) -> list[int]:
        """The ids of its processes, as soon as so many are ready."""
        for _ in range(count):
            self.read_until(" is ready")
        return self.children()

    def children(self) -> list[int]:
        """The ids of its processes."""
        return sorted(each.pid for each in psutil.Process(self.process.pid).children())


@contextmanager
def supervised(code: Path, supervision: Supervision) -> Iterator[Supervised]:
    """Supervise a program, which may be written anew at any time."""
    arguments = json.dumps([[sys.executable, "-S", str(code)], asdict(supervision)])
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Supervised(process)
        finally:
            process.kill()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A server that is ready at once."""
    path = tmp_path / "server.py"
    path.write_text(SERVER.format(then=READY))
    return path


def test_a_deploy_waits_until_the_new_ones_are_ready(code: Path) -> None:
    with supervised(code, Supervision(processes=2)) as found:
        found.read_until_ready(2)
        found.process.send_signal(signal.SIGHUP)
        found.read_until("deploy: the new server processes are starting")
        line = found.read_until("are ready")
        assert line == (
            "deploy: the new server processes are ready; the old ones finish their answers"
        )


def test_new_ones_that_never_are_ready_are_given_up(code: Path) -> None:
    with supervised(code, Supervision(ready_seconds=0.5)) as found:
        old = found.read_until_ready(1)
        code.write_text(SERVER.format(then=""))
        found.process.send_signal(signal.SIGHUP)
        assert found.read_until("deploy failed") == (
            "deploy failed: the new ones were not ready within 0.5 s; "
            "the old server processes go on"
        )
        while found.children() != old:
            pass


def test_a_deploy_during_a_deploy_comes_after_it(code: Path) -> None:
    with supervised(code, Supervision(ready_seconds=1)) as found:
        found.read_until_ready(1)
        code.write_text(SERVER.format(then=""))
        found.process.send_signal(signal.SIGHUP)
        found.read_until("deploy: the new server processes are starting")
        found.process.send_signal(signal.SIGHUP)
        found.read_until("deploy failed")
        code.write_text(SERVER.format(then=READY))
        found.read_until("deploy: the new server processes are starting")


def test_a_crash_loop_is_told_and_slows_down(code: Path) -> None:
    waits = Supervision(first_wait_seconds=0.01, longest_wait_seconds=0.04)
    with supervised(code, waits) as found:
        [child] = found.read_until_ready(1)
        code.write_text("raise SystemExit(3)")
        os.kill(child, signal.SIGKILL)
        lines = [found.read_until("ended by itself").partition(" ended")[2] for _ in range(4)]
        code.write_text(SERVER.format(then=READY))
        assert lines == [
            " by itself (signal 9); another one is started in 0.01 s: 1 in a row",
            " by itself (exit code 3); another one is started in 0.02 s: 2 in a row",
            " by itself (exit code 3); another one is started in 0.04 s: 3 in a row",
            " by itself (exit code 3); another one is started in 0.04 s: 4 in a row",
        ]


def test_waits_double_up_to_a_limit() -> None:
    waits = Supervision(first_wait_seconds=0.1, longest_wait_seconds=30)
    assert [waits.wait_seconds(each) for each in (0, 1, 2, 3, 9, 10, 10_000)] == [
        0.0, 0.1, 0.2, 0.4, 25.6, 30.0, 30.0,
    ]  # fmt: skip


def test_a_server_that_cannot_start_at_all_ends_with_1(code: Path) -> None:
    code.write_text("raise SystemExit(3)")
    with supervised(code, Supervision(processes=2)) as found:
        assert found.process.wait(ENDS_WITHIN_SECONDS) == 1
        found.read_until("no server process could start (exit code 3)")


def test_a_process_that_does_not_end_is_killed(code: Path) -> None:
    code.write_text("import signal; signal.signal(15, signal.SIG_IGN)" + SERVER.format(then=READY))
    with supervised(code, Supervision(end_seconds=0.2)) as found:
        found.read_until_ready(1)
        found.process.send_signal(signal.SIGHUP)
        found.read_until("are ready")
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(ENDS_WITHIN_SECONDS) == 0
        found.read_until("did not end in time: it is killed")


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_is_passed_on_and_decides_the_exit_code(
    code: Path, number: int, exit_code: int
) -> None:
    with supervised(code, Supervision(processes=2)) as found:
        found.read_until_ready(2)
        found.process.send_signal(number)
        assert found.process.wait(ENDS_WITHIN_SECONDS) == exit_code


def test_other_signals_do_not_cut_answers_off(code: Path) -> None:
    """`headrace dev` ends its server by SIGTERM, which after Ctrl-C has had a SIGINT already."""
    code.write_text(
        "import os, signal; signal.signal(2, signal.SIG_IGN);"
        "signal.signal(15, lambda *_: os._exit(0))" + SERVER.format(then=READY)
    )
    with supervised(code, Supervision(lame_duck_seconds=0.3)) as found:
        found.read_until_ready(1)
        found.process.send_signal(signal.SIGINT)
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(ENDS_WITHIN_SECONDS) == 130


def test_a_terminal_that_is_closed_ends_it(code: Path) -> None:
    """Its SIGHUP is no deploy."""
    arguments = json.dumps([[sys.executable, "-S", str(code)], asdict(Supervision())])
    found = subprocess.run(
        [sys.executable, "-c", TERMINAL, SUPERVISOR, arguments],
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_SECONDS,
        check=False,
    )
    assert (found.stdout, found.stderr) == ("ended with 0\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel of Linux")
def test_who_has_connected_is_accepted_and_nobody_else_connects() -> None:
    with listen(Listening(port=0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as first:
            let_nobody_connect(listener)
            with suppress(TimeoutError), socket.create_connection(address, timeout=0.2):
                pytest.fail("a connection was taken")
            accepted, _ = listener.accept()
            with accepted:
                first.sendall(b"hello")
                assert accepted.recv(5) == b"hello"

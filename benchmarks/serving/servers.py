"""Servers as processes: starts one on the server's core, says what it has cost, ends it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
_START_SECONDS = 180.0
_POLITE_SECONDS, _END_SECONDS = 0.3, 20.0
_PAUSE_SECONDS = 0.05


class DidNotStart(Exception):
    """A server ended, or did not answer in time; the message ends with the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers on `port` of this machine.

    `roots` are the processes whose trees do its work: its own, and that of its database.
    """

    title: str
    port: int
    roots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """How a process is started; `user` is whom it runs as when we are root."""

    arguments: Sequence[str]
    folder: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """A process on the server's core, until the context ends."""
    user = command.user if command.user and os.geteuid() == 0 else None
    # As it is installed: Python would otherwise compile every module anew in every process.
    outer = {k: v for k, v in os.environ.items() if k not in _NOT_PASSED_ON}
    with command.log.open("wb") as log, pinned(SERVER_CORE):
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=outer | dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, a second one for who lets others finish first, and SIGKILL after 20 s."""
    for seconds in (_POLITE_SECONDS, _END_SECONDS):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
    process.kill()
    process.wait()


@contextmanager
def started_with_pipe(arguments: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A program on the server's core that is told what to do on its stdin; ends when that does."""
    with pinned(SERVER_CORE):
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    with process:
        yield process


_NOT_PASSED_ON = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME"}


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when something listens on `port`.

    Raises:
        DidNotStart: the process has ended, or nothing listens after three minutes.
    """
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return
    state = "does not listen" if process.poll() is None else f"exited with {process.returncode}"
    raise DidNotStart(f"{process.args!r} {state}: {log.read_text(errors='replace')[-2000:]}")


def tree(roots: Sequence[int]) -> list[int]:
    """The processes `roots` and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)):
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], list(roots)
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _parent(entry: Path) -> int:
    try:
        status = (entry / "stat").read_text()
    except OSError:  # it has ended meanwhile
        return 0
    return int(status.rpartition(")")[2].split()[1])


def cpu_clocks(server: Server) -> dict[int, int]:
    """Process -> nanoseconds of user and system time, its ended threads' included.

    /proc/PID/stat counts the same in steps of 10 ms; the process' CPU clock has no steps.
    """
    return {pid: clock for pid in tree(server.roots) if (clock := _cpu_clock(pid)) is not None}


def _cpu_clock(pid: int) -> int | None:
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # clock_getcpuclockid(3)
    except OSError:  # it has ended meanwhile
        return None


def cpu_seconds(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    """What was spent between two readings; a process that began meanwhile counts whole."""
    return sum(clock - before.get(pid, 0) for pid, clock in after.items()) / 1e9


def private_bytes_of(processes: Sequence[int]) -> int:
    """Memory that processes hold each for itself: mapped files do not count."""
    return sum(_private_bytes(pid) for pid in processes)


def _private_bytes(pid: int) -> int:
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")

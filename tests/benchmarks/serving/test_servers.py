"""A server's cost is that of all its processes, its start is waited for, its end is sure."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.serving.servers import (
    SERVER_CORE,
    Command,
    DidNotStart,
    Server,
    cpu_clocks,
    cpu_seconds,
    free_port,
    pinned,
    private_bytes_of,
    started,
    tree,
    wait_for,
)

_TWO_CORES = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="the server's core and the load's are two"
)
# A child that burns 0.1 s of CPU; its parent does nothing but listen.
_BURNING = """\
import os, socket, sys, time
if os.fork() == 0:
    while time.process_time() < 0.1:
        pass
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    listener.accept()
    time.sleep(60)
os.wait()
"""


def command(tmp_path: Path, program: str, *arguments: str) -> Command:
    return Command([sys.executable, "-c", program, *arguments], tmp_path, tmp_path / "log")


@_TWO_CORES
def test_the_cost_of_a_server_is_that_of_its_whole_tree(tmp_path: Path) -> None:
    port = free_port()
    with started(command(tmp_path, _BURNING, str(port))) as process:
        wait_for(port, process, tmp_path / "log")
        processes = tree([process.pid])
        assert processes[0] == process.pid
        assert len(processes) == 2
        clocks = cpu_clocks(Server("burning", port, (process.pid,)))
        assert set(clocks) == set(processes)
        assert cpu_seconds({process.pid: clocks[process.pid]}, clocks) >= 0.1
        assert private_bytes_of(processes) > private_bytes_of(processes[:1]) > 0
        assert {os.sched_getaffinity(each) == {SERVER_CORE} for each in processes} == {True}
        os.kill(processes[1], 9)
    assert process.returncode is not None


@_TWO_CORES
def test_a_core_is_taken_for_a_while_only() -> None:
    before = os.sched_getaffinity(0)
    with pinned(SERVER_CORE):
        assert os.sched_getaffinity(0) == {SERVER_CORE}
    assert os.sched_getaffinity(0) == before


def test_a_server_that_ends_at_once_is_said_with_its_log(tmp_path: Path) -> None:
    with (
        started(command(tmp_path, "raise SystemExit('no database')")) as process,
        pytest.raises(DidNotStart, match=r"exited with 1: no database"),
    ):
        wait_for(free_port(), process, tmp_path / "log")

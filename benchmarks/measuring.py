"""Measures programs as whole processes, by the operating system's own account of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HEADRACE = str(Path(sys.executable).with_name("headrace"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process cost: CPU (user and system) and wall time, and its largest memory."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int


def run(command: Sequence[str], folder: Path) -> Cost:
    """Run a command to its end in `folder` and say what it cost; an exit code but 0 raises."""
    started = time.monotonic()
    # As it is installed: Python would otherwise compile every module anew in every process.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    error = process.stderr.read().decode() if process.stderr else ""
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}: {error}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def median(measure: Callable[[], Cost], times: int, *, warm: bool = True) -> Cost:
    """The median of each figure over `times` measurements; if `warm`, after one that is not one."""
    if warm:
        measure()
    costs = [measure() for _ in range(times)]
    return Cost(
        statistics.median(cost.cpu_seconds for cost in costs),
        statistics.median(cost.wall_seconds for cost in costs),
        int(statistics.median(cost.memory_bytes for cost in costs)),
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    workload: str
    cost: Cost
    limit: str = ""
    kept: bool = True

    def __str__(self) -> str:
        return (
            f"| {self.workload} | {self.cost.cpu_seconds:.2f} | {self.cost.wall_seconds:.2f} |"
            f" {self.cost.memory_bytes / 1e6:.0f} | {self.limit} | {'yes' if self.kept else 'NO'} |"
        )

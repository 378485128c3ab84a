"""A program that kills a run at each file operation on one table: prints a JSON line a kill.

Usage: `python -m tests.pipeline.killing_cells PROJECT FOLDER TABLE`. Each run begins with a copy of
PROJECT in FOLDER, and is killed one operation later than the one before, until one completes; what
it left is then planned and run to the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from headrace.pipeline.building import build
from headrace.pipeline.run.pace import Pace
from headrace.pipeline.workspace import Workspace, open_workspace, plan_workspace
from headrace.store.store import Store
from tests.pipeline.killing import ENVIRONMENT, finish, published, start
from tests.store.disks import QuickDisk

# Every cell is stored on its own.
PACE = Pace(rows_at_once=0, seconds_at_once=0.0)


@dataclass
class KillingDisk(QuickDisk):
    """A disk whose operation number `kill_at` on a folder kills the process, before it is done."""

    folder: Path
    kill_at: int
    done: list[Path] = field(default_factory=list)

    def _count(self, path: Path) -> None:
        if path == self.folder or self.folder in path.parents:
            self.done.append(path)
            if len(self.done) == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def sync(self, path: Path) -> None:
        self._count(path)
        super().sync(path)

    def make_folder(self, path: Path) -> None:
        self._count(path)
        super().make_folder(path)

    def rename(self, source: Path, target: Path) -> None:
        self._count(target)
        super().rename(source, target)


def run_and_die(root: Path, table: str, operation: int) -> None:
    """A run that is killed, unless it has fewer operations."""
    workspace = open_workspace(root)
    place = workspace.store.root
    disk = KillingDisk(place / "data" / table, operation)
    workspace = replace(workspace, store=Store.open(place, disk=disk))
    build(workspace, plan_workspace(workspace, ENVIRONMENT), pace=PACE)


def run_on(root: Path, table: str) -> None:
    """Complete what was killed, and print what was there, what was planned and what came out."""
    workspace = open_workspace(root)
    kept = cells(workspace, table)
    plan = plan_workspace(workspace, ENVIRONMENT)
    step = next((each for each in plan.steps if each.table == table), None)
    report = build(workspace, plan, pace=PACE)
    head = workspace.store.head(ENVIRONMENT)
    assert head is not None, report.failures
    version = workspace.store.snapshot(head).tables[table]
    line = {
        "kept": kept,
        "planned": [cell.address for cell in step.cells] if step else [],
        "reused": step.cells_reused if step else len(kept),
        "reasons": step.reasons if step else [],
        "built": {cell.address: cell.file for cell in version.cells},
        "stored": cells(workspace, table),
        "published": published(root),
    }
    print(json.dumps(line), flush=True)


def cells(workspace: Workspace, table: str) -> dict[str, str]:
    """The cells of a table that the store knows: their addresses, and their files."""
    found = workspace.store.find_cells(table)
    return {address: stored.cell.file for address, stored in found.items()}


def main(project: str, folder: str, table: str) -> None:
    """Kill a run at each operation on the table, and complete it."""
    operation = 0
    status: int = signal.SIGKILL
    while status == signal.SIGKILL:
        operation += 1
        root = Path(folder) / str(operation)
        shutil.copytree(project, root)
        _, status = os.waitpid(start(partial(run_and_die, root, table, operation)), 0)
        finish(start(partial(run_on, root, table)))
        shutil.rmtree(root)
    assert status == 0, f"a run ended with status {status}"


if __name__ == "__main__":
    main(*sys.argv[1:])

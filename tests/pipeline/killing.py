"""A program that kills runs: prints, a JSON line a kill, what was published before and after it.

Usage: `python -m tests.pipeline.killing FOLDER KILLS SEED [compact]`; with `compact` it is not the
runs that are killed, but what compacts their tables. It imports everything once and
forks, so that kills land in the run and not in the imports. It starts no thread of its own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from headrace.base.hashing import hash_file
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.building import build
from headrace.pipeline.plan.compaction import Limits
from headrace.pipeline.run.compacting import compact
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.projects import SHOP, write_files

ENVIRONMENT = "prod"


def run(root: Path) -> None:
    """One whole run."""
    workspace = open_workspace(root)
    build(workspace, plan_workspace(workspace, ENVIRONMENT))


def start(work: Callable[[], None]) -> int:
    """Do `work` in a forked process; its identifier."""
    process = os.fork()
    if process:
        return process
    try:
        work()
    except BaseException as exc:  # noqa: BLE001 -- the child must never return
        print(f"child: {exc!r}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def finish(process: int) -> None:
    """Wait for a process that must succeed."""
    _, status = os.waitpid(process, 0)
    assert status == 0, f"a run ended with status {status}"


def published(root: Path) -> dict[str, object]:
    """What is published, with every data file checked against its hash."""
    store = open_workspace(root).store
    head = store.head(ENVIRONMENT)
    assert head is not None
    snapshot = store.snapshot(head)
    for version in snapshot.tables.values():
        for file in version.files:
            assert hash_file(store.data_root / file.path) == file.sha256
    assert snapshot.content == head.content
    return {
        "number": head.number,
        "content": head.content,
        "rows": {name: version.rows for name, version in snapshot.tables.items()},
    }


def add_day(root: Path, day: int) -> None:
    """One more file of one order."""
    name = f"data/orders/day-{day:04d}.csv"
    text = f"order_id,store_id,ordered_at,amount\n{100 + day},10,2025-01-01 08:00:00,1.00\n"
    write_files(root, {name: text})


def compaction(root: Path) -> None:
    """Rewrite every table that has more than one file."""
    with closing(DuckDBEngine(threads=1)) as engine:
        compact(open_workspace(root).store, engine, Limits(small_files=1))


@dataclass
class Guess:
    """How long a run takes, as far as the kills so far have shown.

    A kill that comes too late makes it shorter, one that lands makes it longer: so four of five
    land, and at any moment of the run, however busy the machine is, or becomes.
    """

    chance: random.Random
    seconds: float

    def moment(self) -> float:
        """Seconds after which to kill the next run."""
        return self.chance.uniform(0, self.seconds)

    def learn(self, *, landed: bool) -> None:
        """Take in whether the last kill landed in a run that was under way."""
        self.seconds *= 1.05 if landed else 0.8


def main(folder: str, kills: str, seed: str, what: str = "run") -> None:
    """Kill work in `folder`, each time at a random moment, until `kills` times it was under way.

    A kill that comes too late is printed, too.
    """
    root = write_files(Path(folder), SHOP)
    work = {"run": run, "compact": compaction}[what]
    finish(start(lambda: run(root)))
    add_day(root, 0)
    if what == "compact":
        finish(start(lambda: run(root)))
    started = time.monotonic()
    finish(start(lambda: work(root)))
    guess = Guess(random.Random(seed), (time.monotonic() - started) * 1.2)
    day = landed = 0
    while landed < int(kills):
        day += 1
        add_day(root, day)
        if what == "compact":
            finish(start(lambda: run(root)))
        before = published(root)
        process = start(lambda: work(root))
        time.sleep(guess.moment())
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        landed += status == signal.SIGKILL
        guess.learn(landed=status == signal.SIGKILL)
        killed = published(root)
        finish(start(lambda: work(root)))
        after = published(root)
        line = {"status": status, "before": before, "killed": killed, "after": after}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

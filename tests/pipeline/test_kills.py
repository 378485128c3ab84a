"""kill -9 of a run, at any moment: readers see the old snapshot or the new one, nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

KILLS = 50
REPOSITORY = Path(__file__).parents[2]


def test_a_killed_run_leaves_the_old_or_the_new_snapshot(tmp_path: Path) -> None:
    """50 kills of runs under way: the published snapshot is whole, and the next run completes."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killing", str(tmp_path / "shop"), str(KILLS), "7"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr
    kills = [json.loads(line) for line in finished.stdout.splitlines()]
    for kill in kills:
        assert kill["killed"] in (kill["before"], kill["after"])
        assert kill["after"]["number"] == kill["before"]["number"] + 1
        assert kill["after"]["rows"]["orders"] == kill["before"]["rows"]["orders"] + 1
    landed = [kill for kill in kills if kill["status"] == signal.SIGKILL]
    assert len(landed) == KILLS

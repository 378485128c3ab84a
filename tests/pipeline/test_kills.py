"""kill -9 of a run or a compaction, at any moment: readers see the old snapshot or the new one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

KILLS = 50
KILLS_OF_COMPACTIONS = 15
REPOSITORY = Path(__file__).parents[2]


def kills_of(what: str, folder: Path, kills: int) -> list[dict[str, Any]]:
    """What was published before and after each kill; so many of them landed in work under way."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killing", str(folder), str(kills), "7", what],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert finished.returncode == 0, finished.stderr
    found = [json.loads(line) for line in finished.stdout.splitlines()]
    landed = [kill for kill in found if kill["status"] == signal.SIGKILL]
    assert len(landed) == kills
    return found


def test_a_killed_run_leaves_the_old_or_the_new_snapshot(tmp_path: Path) -> None:
    """50 kills of runs under way: the published snapshot is whole, and the next run completes."""
    for kill in kills_of("run", tmp_path / "shop", KILLS):
        assert kill["killed"] in (kill["before"], kill["after"])
        assert kill["after"]["number"] == kill["before"]["number"] + 1
        assert kill["after"]["rows"]["orders"] == kill["before"]["rows"]["orders"] + 1


def test_a_killed_compaction_leaves_the_old_or_the_new_snapshot(tmp_path: Path) -> None:
    """15 kills: what is published is whole and the same, and the next compaction completes."""
    for kill in kills_of("compact", tmp_path / "shop", KILLS_OF_COMPACTIONS):
        before, after = kill["before"], kill["after"]
        assert kill["killed"] in (before, after)
        assert after == {**before, "number": before["number"] + 1}

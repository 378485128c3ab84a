"""The wheel of a release: builds it twice, and gives it only when both are the same to the byte.

`python -m release.wheel FOLDER` takes the time of the last commit as the time of all its files.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parent.parent


def build(folder: Path, seconds: int) -> Path:
    """Build the wheel into a folder, with the time of its files, in seconds since 1970."""
    program = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
    subprocess.run(
        [*program, "--wheel-dir", str(folder), str(_ROOT)],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(seconds)},
        check=True,
    )
    [wheel] = folder.glob("headrace-*.whl")
    return wheel


def main(folder: Path) -> None:
    """Build twice, compare, and move the wheel to a folder."""
    log = ["git", "-C", str(_ROOT), "log", "-1", "--format=%ct"]
    seconds = int(subprocess.run(log, capture_output=True, check=True).stdout)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        wheels = [build(Path(each), seconds) for each in (one, other)]
        first, second = (hashlib.sha256(each.read_bytes()).hexdigest() for each in wheels)
        if first != second:
            sys.exit(f"two builds of one commit differ: {first} and {second}")
        folder.mkdir(exist_ok=True)
        (folder / wheels[0].name).write_bytes(wheels[0].read_bytes())
    print(f"{first}  {wheels[0].name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Writes the demo: takes a folder, leaves a project and its raw data in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from headrace.cli.demo.raw_data import raw_files

_PROJECT = Path(__file__).parent / "project"


def write_demo(folder: Path) -> None:
    """Write the coffee chain's project and its 738 raw files (47 MB) into `folder`.

    The folder is made if it is not there; files of the same names are replaced.
    """
    shutil.copytree(
        _PROJECT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "data" / "orders").mkdir(parents=True, exist_ok=True)
    for path, data in raw_files():
        (folder / path).write_bytes(data)

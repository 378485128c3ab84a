"""Where things are kept between runs, and an environment of its own for each peer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

KEPT = "HEADRACE_BENCH_DATA"


class NotHere(Exception):
    """A peer cannot be had on this machine; the message says why, in a few words."""


def kept_folder() -> Path:
    """The folder for data and environments: $HEADRACE_BENCH_DATA, or one in the user's cache.

    For root that is below /var/cache: PostgreSQL refuses to run as root, and another user cannot
    look into root's home.
    """
    if named := os.environ.get(KEPT):
        return Path(named).absolute()
    home = "/var/cache" if os.geteuid() == 0 else os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "headrace-bench"


def python_environment(root: Path, name: str, requirements: Sequence[str]) -> Path:
    """The `bin` folder of a virtual environment with just these requirements, made if need be.

    Raises:
        NotHere: they cannot be installed.
    """
    folder = root / f"env-{name}"
    stamp, wanted = folder / "installed.txt", "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        _run([*pip, "--disable-pip-version-check", *requirements])
        stamp.write_text(wanted)
    return folder / "bin"


def npm_package(root: Path, package: str) -> Path:
    """The `node_modules` folder with a package of npm, installed without running its scripts.

    Raises:
        NotHere: there is no npm, or it cannot install the package.
    """
    folder = root / "env-npm" / package
    modules = folder / "node_modules"
    if not modules.exists():
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
        folder.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", *options, package])
    return modules


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        raise NotHere(f"there is no {command[0]}") from exc
    except subprocess.CalledProcessError as exc:
        lines = [line for line in exc.stderr.splitlines() if "error" in line.lower()]
        raise NotHere(lines[-1] if lines else f"{command[0]} exited with {exc.returncode}") from exc

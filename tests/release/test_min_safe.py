"""min_safe.toml: nothing older than what is known to be safe is allowed, pinned or installed."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from headrace.auth.accounts.accounts import Accounts
from headrace.store.audit.log import Audit
from headrace.store.records import Records
from release.sbom import declared, runtime_packages

ROOT = Path(__file__).parents[2]
KNOWN = tomllib.loads((ROOT / "release" / "min_safe.toml").read_text(encoding="utf-8"))
SAFE = {name: Version(text) for name, text in KNOWN["packages"].items()}


def pinned() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): Version(text.split(";")[0].strip()) for name, text in pairs}


def lower_bounds() -> Iterator[tuple[str, Version]]:
    for requirement in map(Requirement, declared()):
        bounds = [each.version for each in requirement.specifier if each.operator == ">="]
        assert bounds, f"{requirement} has no lower bound"
        yield canonicalize_name(requirement.name), max(map(Version, bounds))


@pytest.mark.parametrize("name", SAFE)
def test_what_is_installed_and_pinned_is_safe(name: str) -> None:
    assert Version(version(name)) >= SAFE[name]
    assert pinned()[name] >= SAFE[name]


@pytest.mark.parametrize(("name", "bound"), list(lower_bounds()))
def test_what_may_be_installed_is_safe(name: str, bound: Version) -> None:
    assert bound >= SAFE.get(name, Version("0"))


def test_every_package_that_runs_is_pinned() -> None:
    assert sorted(runtime_packages(declared()) - pinned().keys()) == []


@pytest.mark.parametrize("opened", [Accounts.open, Records.open, Audit.open])
def test_no_file_of_ours_is_in_wal_mode_unless_that_is_safe(opened: object, tmp_path: Path) -> None:
    path = tmp_path / "one"
    with closing(opened(path)):  # type: ignore[operator]  # each takes a path
        pass
    file = path / "audit.db" if path.is_dir() else path
    with closing(sqlite3.connect(file)) as connection:
        [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    assert mode != "wal" or Version(sqlite3.sqlite_version) >= Version(KNOWN["sqlite"]["wal"])

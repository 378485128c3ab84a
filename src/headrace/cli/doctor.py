"""`headrace doctor`: examines installation and store, says what is wrong and how to mend it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

import click

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.directory import KeyEntry
from headrace.base.errors import HeadraceError, ProjectError, StoreError
from headrace.base.hashing import hash_file
from headrace.base.sizes import size
from headrace.base.tables import DataFile
from headrace.cli.gc import spread
from headrace.cli.opening import Opened, open_project
from headrace.cli.options import json_option, project_option
from headrace.cli.printing import bad, counted, good, print_json, warned
from headrace.pipeline.plan.compaction import compactions
from headrace.pipeline.project.loading import load_project
from headrace.store.audit.log import Audit
from headrace.store.snapshots import Ref
from headrace.store.store import Store

Status: TypeAlias = Literal["ok", "warn", "fail"]

FAILED = 1
# On these, link(2) or a rename may not be atomic, or a lock not be seen.
_REMOTE_FILE_SYSTEMS = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "glusterfs", "ceph")
_WAL_RESET_FIXED = (3, 51, 3)
_EXTRAS = {"excel": "openpyxl", "pandas": "pandas", "polars": "polars", "redis": "redis"}
_LITTLE_SPACE_BYTES = 1_000_000_000
_UNUSED_SECONDS = 30 * 86_400
_SHOWN_KEYS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one examination found; `remedy` says what to do where `status` is not "ok"."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


@click.command(name="doctor")
@click.option(
    "--verify",
    is_flag=True,
    help="Read every published data file and check its hash, and every entry of the audit log.",
)
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, verify: bool, folder: Path, as_json: bool) -> None:
    """Check the installation, the project and the store.

    The exit code is 1 when something has failed; a warning does not count.
    """
    findings: list[Finding] = []
    for finding in examine(folder, verify=verify):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if any(finding.status == "fail" for finding in findings):
        ctx.exit(FAILED)


def _line(finding: Finding) -> str:
    marks = {"ok": good("ok  "), "warn": warned("warn"), "fail": bad("fail")}
    line = f"{marks[finding.status]}  {finding.name:<12}{finding.detail}"
    return f"{line}\n{'':18}{finding.remedy}" if finding.remedy else line


def examine(folder: Path, *, verify: bool) -> Iterator[Finding]:
    """Everything there is to say about an installation and the project around `folder`."""
    yield from _installation()
    try:
        opened = open_project(folder)
    except HeadraceError as exc:
        yield Finding("project", "fail", _first_line(exc), "run it inside a project, or give -C")
        return
    yield _project(opened)
    yield from _store(opened.store.root)
    yield from _accounts(opened.store)
    yield from _audit(opened.store, verify=verify)
    yield from _published(opened.store, verify=verify)


def _installation() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("headrace", "ok", f"{metadata.version('headrace')} on Python {python}")
    yield Finding("DuckDB", "ok", metadata.version("duckdb"))
    yield _sqlite(sqlite3.sqlite_version_info)
    for extra, package in _EXTRAS.items():
        yield _extra(extra, package)


def _sqlite(version: tuple[int, ...]) -> Finding:
    text = ".".join(map(str, version))
    if version < _WAL_RESET_FIXED:
        text += ", which can corrupt a write-ahead log; headrace does not use one"
    return Finding("SQLite", "ok", text)


def _extra(extra: str, package: str) -> Finding:
    try:
        return Finding(extra, "ok", f"{package} {metadata.version(package)}")
    except metadata.PackageNotFoundError:
        return Finding(extra, "ok", f"not installed; `pip install 'headrace[{extra}]'` if needed")


def _project(opened: Opened) -> Finding:
    try:
        project = load_project(opened.root)
    except ProjectError as exc:
        found = counted(len(exc.problems), "problem")
        return Finding("project", "fail", f"{found} in {opened.root}", "`headrace plan` lists them")
    tables = len(project.sources) + len(project.models)
    endpoints = counted(len(project.endpoints), "endpoint")
    return Finding("project", "ok", f"{opened.root}: {counted(tables, 'table')}, {endpoints}")


def _store(root: Path) -> Iterator[Finding]:
    files = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    yield Finding("store", "ok", f"{root}: {counted(len(files), 'file')}, {size(sum(files))}")
    yield _free_space(shutil.disk_usage(root).free)
    yield _file_system(file_system(root, Path("/proc/mounts")))
    yield _writable(root / "staging")


def _free_space(free_bytes: int) -> Finding:
    if free_bytes < _LITTLE_SPACE_BYTES:
        return Finding(
            "disk", "warn", f"{size(free_bytes)} free", "`headrace gc` may give some back"
        )
    return Finding("disk", "ok", f"{size(free_bytes)} free")


def file_system(folder: Path, mounts: Path) -> str:
    """The type of the file system that `folder` is on, by the kernel's table; "" when unknown."""
    if not mounts.exists():
        return ""
    found = {Path(line.split()[1]): line.split()[2] for line in mounts.read_text().splitlines()}
    resolved = folder.resolve()
    return next((found[path] for path in (resolved, *resolved.parents) if path in found), "")


def _file_system(kind: str) -> Finding:
    if kind.startswith(_REMOTE_FILE_SYSTEMS):
        return Finding(
            "file system",
            "warn",
            f"{kind}: a publish may not be atomic on it",
            "set [store] path in headrace.toml to a folder on a local disk",
        )
    return Finding("file system", "ok", kind or "unknown")


def _writable(folder: Path) -> Finding:
    """Do what every publish does: write a file, and link it to a second name."""
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            first, second = Path(scratch, "first"), Path(scratch, "second")
            first.write_bytes(b"headrace")
            os.link(first, second)
    except OSError as exc:
        remedy = "make it writable for this user, on a file system that has hard links"
        return Finding("writing", "fail", f"{folder}: {exc.strerror}", remedy)
    return Finding("writing", "ok", "files and hard links can be made")


def _accounts(store: Store) -> Iterator[Finding]:
    """Whether accounts are kept from others, and which keys nobody would miss."""
    path = store.accounts_path
    if not path.exists():
        return
    if path.stat().st_mode & 0o077:
        yield Finding("accounts", "warn", f"{path}: others may read it", f"chmod 600 {path}")
    try:
        with closing(Accounts.open(path)) as accounts:
            directory = accounts.directory()
    except StoreError as exc:
        yield Finding("accounts", "fail", _first_line(exc), "restore the store's copy")
        return
    keys = [key for key in directory.keys.values() if not key.revoked_at]
    detail = f"{counted(len(directory.accounts), 'account')}, {counted(len(keys), 'key')}"
    yield Finding("accounts", "ok", detail)
    yield from _needless_keys(keys, store.clock.now().timestamp())


def _audit(store: Store, *, verify: bool) -> Iterator[Finding]:
    """Whether the audit log takes entries; with `verify`, whether all are as they were written."""
    if not (store.root / "audit.db").exists():
        return
    begin_anew = "keep audit.db and audit/ as evidence, and move both away to begin anew"
    try:
        with closing(Audit.open(store.root)) as audit:
            audit.require_usable()
            found = audit.verify() if verify else None
    except StoreError as exc:
        yield Finding("audit", "fail", _first_line(exc))
        return
    if found is not None and found.broken is not None:
        yield Finding("audit", "fail", f"entry {found.broken}: {found.why}", begin_anew)
    else:
        whole = (
            f"{counted(found.count, 'entry', 'entries')}, unchanged" if found else "takes entries"
        )
        yield Finding("audit", "ok", whole)


def _needless_keys(keys: Iterable[KeyEntry], now: float) -> Iterator[Finding]:
    found: dict[str, list[str]] = {"expired": [], "not used in 30 days": []}
    for key in keys:
        if key.state(now) == "expired":
            found["expired"].append(key.id)
        elif max(key.created_at, key.last_used_at) <= now - _UNUSED_SECONDS:
            found["not used in 30 days"].append(key.id)
    for what, ids in found.items():
        if ids:
            detail = f"{counted(len(ids), 'key')} {what}: {', '.join(sorted(ids)[:_SHOWN_KEYS])}"
            yield Finding("keys", "warn", detail, "`headrace keys revoke ID` ends one")


def _published(store: Store, *, verify: bool) -> Iterator[Finding]:
    for environment in store.environments():
        try:
            refs = store.history(environment)
            for ref in refs:
                store.snapshot(ref)
        except HeadraceError as exc:
            remedy = "`headrace rollback --to` one that can be read, or restore the store's copy"
            yield Finding(environment, "fail", _first_line(exc), remedy)
        else:
            yield Finding(environment, "ok", f"{counted(len(refs), 'snapshot')}, all readable")
            yield _data(store, refs[0], verify=verify)
    yield from _spread(store)


def _spread(store: Store) -> Iterator[Finding]:
    """The tables whose rows lie in so many files that reading them costs."""
    try:
        wanted = compactions(store)
    except HeadraceError:
        return  # what cannot be read has been named
    for environment, found in wanted.items():
        texts = "; ".join(map(spread, found))
        yield Finding(environment, "warn", texts, "`headrace gc` compacts them")


def _data(store: Store, head: Ref, *, verify: bool) -> Finding:
    """Whether the data files of what is published are there, and (`verify`) hold their bytes."""
    tables = store.snapshot(head).tables.values()
    files = {file.path: file for version in tables for file in version.files}
    broken = [path for path, file in files.items() if not _is_whole(store, file, verify=verify)]
    if broken:
        detail = f"{counted(len(broken), 'data file')} missing or damaged: {broken[0]}"
        remedy = f"remove {store.data_root / broken[0]}, then `headrace run` builds it again"
        return Finding(head.environment, "fail", detail, remedy)
    how = "by their hashes" if verify else "by their sizes (--verify hashes them)"
    return Finding(head.environment, "ok", f"{counted(len(files), 'data file')} whole, {how}")


def _is_whole(store: Store, file: DataFile, *, verify: bool) -> bool:
    path = store.data_root / file.path
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    return not verify or hash_file(path) == file.sha256


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

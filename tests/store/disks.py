"""Disks that fail on purpose, and the small project that the tests publish."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from headrace.base.hashing import hash_bytes
from headrace.base.tables import Cell, Column, DataFile, Schema, Version
from headrace.store.durable import Disk
from headrace.store.snapshots import Manifest, Ref, Snapshot
from headrace.store.store import Store

SCHEMA: Schema = (Column("a", "BIGINT"),)
TABLES = ("orders", "stores")


class Crash(BaseException):
    """The process is gone: nothing after this line runs."""


class QuickDisk(Disk):
    """A disk that brings nothing to disk: for tests in which there is no power cut."""

    def sync(self, path: Path) -> None:
        path.stat()


@dataclass
class FaultyDisk(Disk):
    """A disk whose operation number `fail_at` fails, before or after it was carried out.

    `error` None is a crash; a number is the errno of an OSError. `torn` writes half of the bytes
    of a new file first.
    """

    fail_at: int = 0
    error: int | None = None
    after: bool = False
    torn: bool = False
    done: list[str] = field(default_factory=list)

    def _step(self, name: str, do: Callable[[], None]) -> None:
        self.done.append(name)
        if len(self.done) != self.fail_at:
            do()
            return
        if self.after:
            do()
        if self.error is None:
            raise Crash(name)
        raise OSError(self.error, os.strerror(self.error))

    def create(self, path: Path, data: bytes) -> None:
        if self.torn and len(self.done) + 1 == self.fail_at:
            super().create(path, data[: len(data) // 2])
        self._step("create", lambda: Disk.create(self, path, data))

    def append(self, path: Path, data: bytes) -> None:
        if self.torn and len(self.done) + 1 == self.fail_at:
            super().append(path, data[: len(data) // 2])
        self._step("append", lambda: Disk.append(self, path, data))

    def shorten(self, path: Path, size_bytes: int) -> None:
        self._step("shorten", lambda: Disk.shorten(self, path, size_bytes))

    def sync(self, path: Path) -> None:
        self._step("sync", lambda: self._sync(path))

    def _sync(self, path: Path) -> None:
        path.stat()

    def protect(self, path: Path) -> None:
        self._step("protect", lambda: Disk.protect(self, path))

    def hide(self, path: Path) -> None:
        self._step("hide", lambda: Disk.hide(self, path))

    def make_folder(self, path: Path) -> None:
        self._step("make_folder", lambda: Disk.make_folder(self, path))

    def link(self, source: Path, target: Path) -> None:
        self._step("link", lambda: Disk.link(self, source, target))

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", lambda: Disk.rename(self, source, target))

    def unlink(self, path: Path) -> None:
        self._step("unlink", lambda: Disk.unlink(self, path))

    def set_time(self, path: Path, at_seconds: float) -> None:
        self._step("set_time", lambda: Disk.set_time(self, path, at_seconds))


@dataclass
class PowerCutDisk(FaultyDisk):
    """A disk that forgets, at a power cut, every byte and every name that was not synced."""

    names: dict[Path, dict[str, int]] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)

    def create(self, path: Path, data: bytes) -> None:
        super().create(path, data)
        self.contents[path.stat().st_ino] = b""

    def _sync(self, path: Path) -> None:
        if path.is_dir():
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.contents[path.stat().st_ino] = path.read_bytes()

    def cut(self, root: Path) -> None:
        """Leave in `root` what was on disk: a process killed, and the machine with it."""
        image = list(self._durable(root, root.parent))
        shutil.rmtree(root)
        for path, data in image:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def _durable(self, path: Path, parent: Path) -> Iterator[tuple[Path, bytes]]:
        inode = self.names.get(parent, {}).get(path.name)
        if inode is None:
            return
        if path in self.names or path.is_dir():
            for name in self.names.get(path, {}):
                yield from self._durable(path / name, path)
        else:
            yield path, self.contents.get(inode, b"")


def faults() -> list[dict[str, object]]:
    """Every way in which an operation can fail."""
    return [
        {},
        {"after": True},
        {"torn": True},
        {"error": errno.EIO},
        {"error": errno.ENOSPC, "torn": True},
        {"error": errno.EIO, "after": True},
    ]


def build(store: Store, table: str, number: int, *, text: str = "") -> Version:
    """Store one cell of `table` whose content is `number`, and note it."""
    staged = store.new_data_path(table)
    staged.write_bytes((text or f"{table} {number}\n").encode() * 100)
    file = store.keep_file(table, staged, 100)
    address = hash_bytes(f"{table} {number}".encode())
    cell = Cell(address, "", file.path, None, 100, 100, f"2026-01-01T00:00:00.{number:06}Z")
    store.record_cells(table, SCHEMA, [cell], [file])
    return Version(table, "model", "recipe", SCHEMA, (cell,), (file,))


def snapshot_of(*versions: Version) -> Snapshot:
    """A snapshot of these tables."""
    return Snapshot({version.table: version for version in versions}, Manifest("demo"))


def publish(store: Store, number: int, environment: str = "prod") -> Ref:
    """Build every table with content `number`, and publish them over the head."""
    head = store.head(environment)
    versions = [build(store, table, number) for table in TABLES]
    return store.publish(
        environment,
        snapshot_of(*versions),
        parent=head.number if head else None,
        reason=f"number {number}",
    )


def read(store: Store, ref: Ref) -> dict[str, str]:
    """What a reader of `ref` finds, with every checksum verified: table -> its first line."""
    found = {}
    for name, version in store.snapshot(ref).tables.items():
        for file in version.files:
            data = read_file(store, file)
            found[name] = data.decode().splitlines()[0]
    return found


def read_file(store: Store, file: DataFile) -> bytes:
    """The bytes of a data file, which must be the ones that were kept."""
    data = (store.data_root / file.path).read_bytes()
    assert hash_bytes(data) == file.sha256
    assert len(data) == file.size_bytes
    return data


def content(number: int) -> dict[str, str]:
    """What `read` finds when `number` is published: all tables of one number."""
    return {table: f"{table} {number}" for table in TABLES}

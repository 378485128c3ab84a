"""Writes that survive a power cut: takes bytes and paths, gives files that are whole or absent.

Nothing else in the store opens a file for writing. A file appears under its final name only when
its bytes are on disk, and no call returns before its name is on disk too. This is POSIX: on a
file system without hard links or `flock` the store does not work.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from headrace.base.errors import OutcomeUnknown, StoreError

FOLDER_MODE = 0o700
FILE_MODE = 0o444
SECRET_MODE = 0o600


class Disk:
    """The operating system's file operations, one each: what a test replaces to fail any one."""

    def create(self, path: Path, data: bytes) -> None:
        """Write a new file; its bytes are not on disk yet."""
        with path.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def append(self, path: Path, data: bytes) -> None:
        """Add to a file for its owner alone, or begin it; its bytes are not on disk yet."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, SECRET_MODE), "ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def shorten(self, path: Path, size_bytes: int) -> None:
        """Shorten a file."""
        os.truncate(path, size_bytes)

    def sync(self, path: Path) -> None:
        """Bring a file's bytes, or a folder's names, to disk."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def protect(self, path: Path) -> None:
        """Make a file read-only."""
        path.chmod(FILE_MODE)

    def hide(self, path: Path) -> None:
        """Keep a file from all but its owner."""
        path.chmod(SECRET_MODE)

    def make_folder(self, path: Path) -> None:
        """Create a folder; it may exist."""
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name; FileExistsError when the name is taken."""
        target.hardlink_to(source)

    def rename(self, source: Path, target: Path) -> None:
        """Move a file over whatever is there."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove a name; it may be gone already."""
        path.unlink(missing_ok=True)

    def set_time(self, path: Path, at_seconds: float) -> None:
        """Set a file's modification time, in seconds since 1970 UTC."""
        os.utime(path, (at_seconds, at_seconds))


@dataclass(slots=True)
class Writer:
    """Puts files durably in place below `root`, by way of temporary names in `root/staging`."""

    root: Path
    disk: Disk = field(default_factory=Disk)
    # A folder that another process made a moment ago may not be on disk yet, so that each writer
    # syncs the parent of every folder that it uses once for itself.
    _folders: set[Path] = field(default_factory=set)

    def temporary(self, ending: str = "") -> Path:
        """A new name in the staging folder."""
        return self.root / "staging" / f"{unique_name()}{ending}"

    def folder(self, path: Path) -> None:
        """Create a folder at or below the root if there is none, and bring its name to disk."""
        if path in self._folders:
            return
        if self.root in path.parents or not path.parent.is_dir():
            self.folder(path.parent)
        with reporting(path):
            self.disk.make_folder(path)
            self.disk.sync(path.parent)
        self._folders.add(path)

    def stage(self, data: bytes, *, secret: bool = False) -> Path:
        """Bytes on disk, under a temporary name; `secret` ones are for their owner alone."""
        path = self.temporary()
        with reporting(path):
            self.disk.create(path, data)
            self.disk.sync(path)
            protect = self.disk.hide if secret else self.disk.protect
            protect(path)
        return path

    def put(self, path: Path, data: bytes) -> None:
        """Put a file in place, over one that may be there: a reader sees the old or the new."""
        temporary = self.stage(data)
        self._move(temporary, path)

    def adopt(self, staged: Path, path: Path) -> None:
        """Put a file that somebody else has written in place."""
        with reporting(staged):
            self.disk.sync(staged)
            self.disk.protect(staged)
        self._move(staged, path)

    def put_if_absent(self, path: Path, data: bytes, *, secret: bool = False) -> bool:
        """Put a file in place unless there is one; whether it is ours that is there now.

        A `secret` one is for its owner alone.

        Raises:
            StoreError: nothing was put in place.
            OutcomeUnknown: the file may be in place, or may be lost by a power cut.
        """
        self.folder(path.parent)
        temporary = self.stage(data, secret=secret)
        try:
            self.disk.link(temporary, path)
        except FileExistsError:
            return self._finish(temporary, path, ours=_is_same_file(temporary, path))
        except OSError as exc:
            # The answer was lost, but the link may be there: only looking can tell.
            if not _is_same_file(temporary, path):
                raise _failure(path, exc) from exc
        return self._finish(temporary, path, ours=True)

    def append(self, path: Path, data: bytes) -> None:
        """Add to a file for its owner alone, durably; half of it may be there after a crash."""
        self.folder(path.parent)
        with reporting(path):
            self.disk.append(path, data)
            self.disk.sync(path)
            self.disk.sync(path.parent)

    def shorten(self, path: Path, size_bytes: int) -> None:
        """Shorten a file, durably: what a crash has left of an `append`."""
        with reporting(path):
            self.disk.shorten(path, size_bytes)
            self.disk.sync(path)

    def remove(self, path: Path) -> None:
        """Remove a file; it may be gone already. The removal is on disk after a `sync`."""
        with reporting(path, "removed"):
            self.disk.unlink(path)

    def sync(self, folder: Path) -> None:
        """Bring the names of a folder to disk: what was removed stays removed."""
        with reporting(folder):
            self.disk.sync(folder)

    def set_time(self, path: Path, at: datetime) -> None:
        """Set a file's modification time."""
        with reporting(path):
            self.disk.set_time(path, at.timestamp())

    def _finish(self, temporary: Path, path: Path, *, ours: bool) -> bool:
        if ours:
            try:
                self.disk.sync(path.parent)
            except OSError as exc:
                raise OutcomeUnknown(
                    f"{path}: written, but the disk did not confirm it ({exc.strerror}); "
                    "it may be lost by a power cut; run `headrace status` to see what is "
                    "published, and check the disk"
                ) from exc
        with contextlib.suppress(OSError):  # a leftover of a finished write; gc removes it
            self.disk.unlink(temporary)
        return ours

    def _move(self, source: Path, target: Path) -> None:
        self.folder(target.parent)
        with reporting(target):
            self.disk.rename(source, target)
            self.disk.sync(target.parent)


def unique_name() -> str:
    """A name that nobody else has: 16 hexadecimal digits."""
    return os.urandom(8).hex()


def status_of(path: Path) -> os.stat_result | None:
    """Size and time of a file; None when there is no such file, or no longer."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def reporting(path: Path, what: str = "written") -> Iterator[None]:
    """Turn an error of the operating system about `path` into a StoreError."""
    try:
        yield
    except OSError as exc:
        raise _failure(path, exc, what) from exc


@contextlib.contextmanager
def locked(path: Path, *, exclusive: bool = False, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that ends with the process, however it ends.

    Yields whether it is held: False only when `wait` is off and somebody else holds it.
    """
    flags = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    with reporting(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _acquire(descriptor, flags if wait else flags | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, flags: int) -> bool:
    try:
        fcntl.flock(descriptor, flags)
    except BlockingIOError:
        return False
    return True


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise OutcomeUnknown(
            f"{other}: it is not known whether it was written ({exc.strerror}); run "
            "`headrace status` to see what is published, and check the disk; remove nothing"
        ) from exc


def _failure(path: Path, exc: OSError, what: str = "written") -> StoreError:
    return StoreError(
        f"{path}: cannot be {what} ({exc.strerror}); nothing was published; check free space, "
        "permissions and the disk, then run again"
    )

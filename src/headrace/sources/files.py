"""Finds a source's raw files: takes globs, gives paths with content hashes, cached by file state.

The cache works as git's index does: a file whose size, modification time and inode are as they
were has the content that it had.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.hashing import hash_file
from headrace.base.names import near_miss
from headrace.base.tables import RawFile

# A file that changes within the resolution of the file system's clock after it was hashed may
# keep its modification time; two seconds is the coarsest in use (FAT).
_RACY_NS = 2_000_000_000
_FORMAT = 1


class _State(msgspec.Struct, frozen=True, array_like=True):
    """What the file system says of a file, and the content that it had then."""

    size_bytes: int
    mtime_ns: int
    inode: int
    sha256: str


class _Cache(msgspec.Struct):
    """The cache as it is written."""

    format: int
    files: dict[str, _State]


@dataclass
class Fingerprints:
    """Hashes of raw files by their state on disk; losing them costs one more reading."""

    path: Path
    _known: dict[str, _State] = field(default_factory=dict)
    _seen: dict[str, _State] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Fingerprints:
        """What was saved at `path`; nothing when there is nothing, or nothing readable."""
        try:
            cache = msgspec.json.decode(path.read_bytes(), type=_Cache)
        except (FileNotFoundError, msgspec.MsgspecError):
            return cls(path)
        return cls(path, cache.files if cache.format == _FORMAT else {})

    def save(self) -> None:
        """Keep the hashes of the files that were asked for since `load`, and only those."""
        if self._seen == self._known:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(_Cache(_FORMAT, self._seen)))
        fresh.replace(self.path)
        self._known = dict(self._seen)

    def fingerprint(self, label: str, file: Path) -> RawFile:
        """The content of `file`, hashed only if the file has changed since it last was.

        Raises:
            SourceError: it cannot be read, or changes while it is.
        """
        key = os.path.abspath(file)  # noqa: PTH100 - Path.resolve would follow symbolic links
        try:
            before = _stat(file)
            state = self._known.get(key)
            if state is None or (state.size_bytes, state.mtime_ns, state.inode) != before:
                state = _hashed(label, file, before)
        except OSError as exc:
            raise SourceError(f"{label}: it cannot be read: {exc.strerror}") from exc
        if state.mtime_ns < time.time_ns() - _RACY_NS:
            self._seen[key] = state
        return RawFile(label, state.size_bytes, state.sha256)


def _stat(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _hashed(label: str, file: Path, before: tuple[int, int, int]) -> _State:
    state = _State(*before, hash_file(file))
    if _stat(file) != before:
        raise changed_while_read(label)
    return state


def changed_while_read(label: str) -> SourceError:
    """The error for a raw file that somebody else is writing."""
    return SourceError(
        f"{label}: the file changed while it was read; expected a file that is complete;"
        " write it under another name, rename it when it is complete, and run again"
    )


def find_files(root: Path, source: Source, known: Fingerprints) -> tuple[RawFile, ...]:
    """The raw files of a source, each once, sorted by path.

    A relative glob starts at `root` and gives paths relative to it; an absolute one gives
    absolute paths. `**` crosses folders. Hidden files are left out, and so are folders. Of
    snapshots only the last counts, unless the source keeps its history.

    Raises:
        SourceError: a glob matches nothing (unless the source may be empty), or a file cannot
            be read.
    """
    labels: set[str] = set()
    for pattern in source.files:
        found = match_files(root, pattern)
        if not found and not source.allow_empty:
            raise _nothing_matches(root, pattern, str(source.place))
        labels.update(found)
    chosen = sorted(labels)
    if source.mode == "snapshot" and not source.history:
        chosen = chosen[-1:]
    return tuple(known.fingerprint(label, root / label) for label in chosen)


def match_files(root: Path, pattern: str) -> list[str]:
    """The files that a glob matches, sorted, as they are named in messages and addresses."""
    if (root / pattern).is_file():
        return [Path(os.path.normpath(pattern)).as_posix()]
    # `glob` and not `Path.glob`, which refuses absolute patterns and matches hidden files.
    matches = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207
    return sorted(
        Path(os.path.normpath(match)).as_posix() for match in matches if (root / match).is_file()
    )


def _nothing_matches(root: Path, pattern: str, where: str) -> SourceError:
    folder = Path(pattern).parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return SourceError(
        f"{where}: no file matches {pattern!r}; expected one or more;"
        f" {_what_is_there(root, folder)}, or say `allow_empty: true`"
    )


def _what_is_there(root: Path, folder: Path) -> str:
    """A clause on why nothing was found, with a near miss where there is one."""
    if (root / folder).is_dir():
        there = sorted(path.name for path in (root / folder).iterdir())[:3]
        shown = f"it holds {', '.join(there)}, …" if there else "it is empty"
        return f"look into the folder {folder.as_posix()!r} ({shown})"
    parent = folder.parent
    siblings = [path.name for path in (root / parent).iterdir()] if (root / parent).is_dir() else []
    hint = near_miss(folder.name, siblings)
    return f"there is no folder {folder.as_posix()!r}" + (f", {hint}" if hint else "")

"""Keyed copies as files: takes keys and rows in order, gives an LMDB file that is read by key.

`rows` holds a row under its key; what follows the key's parts is the row's hash and a number that
tells equal rows apart, so that the same rows give the same content however they came. Of a roll-up,
`rows` holds partial results, one by one or a stretch of them under the last one's key, `groups` the
finished rows, and `blocks` where those that begin alike lie. A copy is written in staging, and not
modified once it is in place.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple, TypeAlias

import lmdb
import msgspec

from headrace.base.errors import CorruptObject, StoreError
from headrace.base.sizes import size
from headrace.store.keyed_folder import FORMAT

Item: TypeAlias = "tuple[bytes, bytes]"
"""A key, and what is kept under it."""
Change: TypeAlias = "Callable[[list[bytes], list[bytes]], list[bytes]]"
"""What makes the rows of one key of those that there are and some others."""

# LMDB's own limit for a key.
LONGEST_KEY_BYTES = 511
# Rows in a transaction: some ten megabytes that are not written yet.
_ROWS_AT_ONCE = 50_000
_LEAST_MAP_BYTES = 1 << 20
_META = b"copy"
_ROWS = b"rows"
_GROUPS = b"groups"
_BLOCKS = b"blocks"
_number = struct.Struct(">I").pack


class TooLarge(StoreError):
    """A copy would be larger than its limit."""


class KeyTooLong(StoreError):
    """A key is longer than LMDB holds."""


class Differs(StoreError):
    """A copy does not hold what it should: it has to be built anew."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a copy says of itself.

    Attributes:
        rows: how many it holds; of a roll-up, how many partial results.
        lone: the one row, as JSON, when no key matches; None when there is none.
        format: of the file.
    """

    rows: int
    lone: str | None = None
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Block:
    """The finished groups of a roll-up that begin with the same first group.

    Attributes:
        ends: what all their keys begin with, up to the last value of the ranged part among them;
            and the first one.
        groups: their rows by key, which is the first of `ends` and the group.
    """

    ends: Item
    groups: Sequence[Item]


class Partial(NamedTuple):
    """An entry of a roll-up.

    Attributes:
        item: one partial result, or a stretch of them.
        parts: how many partial results.
        block: the one that ends with it, if one does.
    """

    item: Item
    parts: int = 1
    block: Block | None = None


def hashed(key: bytes, row_hash: int) -> bytes:
    """A key with the lower 31 bits of its row's hash: nothing after a part begins with 0xFF."""
    return key + _number(row_hash & 0x7FFFFFFF)


class CopyWriter:
    """A copy that is being written, in staging; `finish` and `close` it."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        """Create the file, or open a copied one.

        Args:
            path: the file.
            limit_bytes: how large it may become.
        """
        self._limit_bytes = limit_bytes
        with _reporting(path, limit_bytes):
            # Nothing is synced here: the file is brought to disk before it is moved to its place.
            self._env = lmdb.open(
                str(path),
                map_size=max(limit_bytes, _LEAST_MAP_BYTES),
                subdir=False,
                lock=False,
                sync=False,
                max_dbs=3,
            )
            self._rows = self._env.open_db(_ROWS)
            self._groups = self._env.open_db(_GROUPS)
            self._blocks = self._env.open_db(_BLOCKS)
        self._path = path

    def append_rows(self, rows: Iterable[Item]) -> int:
        """Write rows whose hashed keys do not decrease, behind all others; gives their number.

        Raises:
            TooLarge, KeyTooLong: the copy cannot hold them.
            StoreError: the disk refused.
        """
        appended = 0
        waiting = _numbered(rows)
        with _reporting(self._path, self._limit_bytes):
            while batch := list(islice(waiting, _ROWS_AT_ONCE)):
                with self._env.begin(write=True) as txn:
                    _, added = txn.cursor(self._rows).putmulti(batch, append=True)
                assert added == len(batch), "SQL sorts as the bytes of the keys do"
                appended += added
        return appended

    def append_parts(self, entries: Iterable[Partial]) -> int:
        """Write partial results, in order, and the blocks that end with them; gives their number.

        Raises:
            Differs: two partial results have one key.
            TooLarge, KeyTooLong, StoreError: as `append_rows`.
        """
        appended = 0
        with _reporting(self._path, self._limit_bytes):
            for batch in _batches(entries):
                parts = [entry.item for entry in batch]
                blocks = [entry.block for entry in batch if entry.block is not None]
                with self._env.begin(write=True) as txn:
                    _, added = txn.cursor(self._rows).putmulti(parts, append=True)
                    txn.cursor(self._blocks).putmulti([block.ends for block in blocks])
                    for block in blocks:
                        txn.cursor(self._groups).putmulti(block.groups)
                if added < len(parts):
                    raise Differs(f"{self._path}: two partial results have one key")
                appended += sum(entry.parts for entry in batch)
        return appended

    def remove_rows(self, rows: Iterable[Item]) -> int:
        """Remove rows by hashed key and content; gives their number.

        Raises:
            Differs: one of them is not there.
        """
        return self._change(rows, _removed)

    def add_rows(self, rows: Iterable[Item]) -> int:
        """Write rows by hashed key, among those that are there. Raises as `append_rows`."""
        return self._change(rows, _added)

    def finish(self, meta: Meta) -> None:
        """Note what the copy says of itself."""
        with _reporting(self._path, self._limit_bytes), self._env.begin(write=True) as txn:
            txn.put(_META, msgspec.json.encode(meta))

    def close(self) -> None:
        """Close the file."""
        self._env.close()

    def _change(self, rows: Iterable[Item], change: Change) -> int:
        changed = 0
        waiting = iter(rows)
        with _reporting(self._path, self._limit_bytes):
            while batch := list(islice(waiting, _ROWS_AT_ONCE)):
                with self._env.begin(write=True, db=self._rows) as txn:
                    cursor = txn.cursor()
                    for key, same in groupby(batch, _key):
                        _rewrite(cursor, key, change, [row for _, row in same])
                changed += len(batch)
        return changed


def _batches(entries: Iterable[Partial]) -> Iterator[list[Partial]]:
    """As many entries at a time as hold so many partial results."""
    batch: list[Partial] = []
    count = 0
    for entry in entries:
        batch.append(entry)
        count += entry.parts
        if count >= _ROWS_AT_ONCE:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _added(rows: list[bytes], more: list[bytes]) -> list[bytes]:
    return [*rows, *more]


def _removed(rows: list[bytes], gone: list[bytes]) -> list[bytes]:
    kept = Counter(rows)
    kept.subtract(gone)
    if min(kept.values()) < 0:
        raise Differs("a row that should be removed from a keyed copy is not in it")
    return list(kept.elements())


def _rewrite(cursor: lmdb.Cursor[bytes], key: bytes, change: Change, rows: list[bytes]) -> None:
    """Change the rows of one hashed key: mostly none or one, more when they are equal."""
    old: list[bytes] = []
    found = cursor.set_range(key)
    while found and cursor.key().startswith(key):
        old.append(cursor.value())
        found = cursor.next()
    new = sorted(change(old, rows))
    for number, row in enumerate(new):
        cursor.put(key + _number(number), row)
    for number in range(len(new), len(old)):
        cursor.set_key(key + _number(number))
        cursor.delete()


def _numbered(rows: Iterable[Item]) -> Iterator[Item]:
    """Rows under keys of their own: those of one hashed key are counted, sorted by content."""
    first = _number(0)
    previous: bytes = b""
    same: list[bytes] = []
    for key, row in rows:
        if key == previous:
            same.append(row)
            continue
        if len(same) == 1:
            yield previous + first, same[0]
        else:
            yield from _counted(previous, same)
        previous, same = key, [row]
    yield from _counted(previous, same)


def _counted(key: bytes, rows: list[bytes]) -> Iterator[Item]:
    return ((key + _number(number), row) for number, row in enumerate(sorted(rows)))


def is_sparse(path: Path) -> bool:
    """Whether most of a copy's pages hold nothing any more, so that it is better written anew."""
    with shared_copy(path) as copy:
        used_bytes = copy.used_bytes
    return path.stat().st_size - used_bytes > max(used_bytes, _LEAST_MAP_BYTES)


@dataclass(slots=True, eq=False)
class OpenCopy:
    """A copy that is open for reading, for all of this process: LMDB opens a file only once."""

    path: Path
    env: lmdb.Environment
    rows: lmdb._Database
    groups: lmdb._Database
    blocks: lmdb._Database
    meta: Meta
    holds: int = 0

    @classmethod
    def open(cls, path: Path) -> OpenCopy:
        """Open a copy.

        Raises:
            StoreError: it is missing, or no copy of this format.
        """
        try:
            # Without locks: nobody ever writes to it. The system reads ahead: a cold list of 366
            # rows takes 0.1 ms, and 0.8 ms if it does not; a cold point 0.01 ms, and 0.1 ms.
            env = lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_dbs=3)
        except lmdb.Error as exc:
            raise CorruptObject(_unreadable(path, str(exc))) from exc
        try:
            rows, groups, blocks = (
                env.open_db(name, create=False) for name in (_ROWS, _GROUPS, _BLOCKS)
            )
            with env.begin() as txn:
                meta = msgspec.json.decode(txn.get(_META, b""), type=Meta)
        except (lmdb.Error, msgspec.MsgspecError) as exc:
            env.close()
            raise CorruptObject(_unreadable(path, str(exc))) from exc
        return cls(path, env, rows, groups, blocks, meta)

    @property
    def used_bytes(self) -> int:
        """Bytes of the pages that hold something."""
        with self.env.begin() as txn:
            stats = [txn.stat(each) for each in (self.rows, self.groups, self.blocks)]
        pages = sum(
            each["branch_pages"] + each["leaf_pages"] + each["overflow_pages"] for each in stats
        )
        return int(pages * stats[0]["psize"])


_open_copies: dict[tuple[int, int, int], OpenCopy] = {}
_opening = threading.Lock()


def hold_copy(path: Path) -> OpenCopy:
    """A copy, opened now or by an earlier holder. Give it back with `release_copy`.

    Raises:
        StoreError: it is missing, or no copy of this format.
    """
    with _opening:
        copy = _open_copies.get(_file(path)) or OpenCopy.open(path)
        _open_copies[_file(path)] = copy
        copy.holds += 1
        return copy


def release_copy(copy: OpenCopy) -> None:
    """Give a copy back; the last holder closes it."""
    with _opening:
        copy.holds -= 1
        if copy.holds == 0:
            for key in [key for key, each in _open_copies.items() if each is copy]:
                del _open_copies[key]
            copy.env.close()


@contextmanager
def shared_copy(path: Path) -> Iterator[OpenCopy]:
    """A copy that is open for a while."""
    copy = hold_copy(path)
    try:
        yield copy
    finally:
        release_copy(copy)


def _file(path: Path) -> tuple[int, int, int]:
    """What LMDB knows a file by; a forked process has to open its own."""
    try:
        status = path.stat()
    except OSError as exc:
        raise CorruptObject(_unreadable(path, exc.strerror or "")) from exc
    return os.getpid(), status.st_dev, status.st_ino


def _key(item: Item) -> bytes:
    return item[0]


def _unreadable(path: Path, why: str) -> str:
    return (
        f"{path}: cannot be read as a keyed copy ({why}); expected one of format {FORMAT}; "
        "remove it, and the next run builds it again"
    )


def too_large(limit_bytes: int) -> str:
    """Why a copy that exceeds its limit is refused."""
    return f"larger than {size(limit_bytes)}, the `copy_limit`"


@contextmanager
def _reporting(path: Path, limit_bytes: int) -> Iterator[None]:
    """Turn LMDB's errors about a copy that is being written into ours."""
    try:
        yield
    except lmdb.MapFullError as exc:
        raise TooLarge(too_large(limit_bytes)) from exc
    except lmdb.BadValsizeError as exc:
        raise KeyTooLong(f"a key is longer than {LONGEST_KEY_BYTES} bytes") from exc
    except lmdb.Error as exc:
        raise StoreError(f"{path}: cannot be written ({exc})") from exc

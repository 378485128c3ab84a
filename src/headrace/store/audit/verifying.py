"""Verifying the audit log: takes entries and lines as they are found, says where they first differ
from what was put on record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest

from headrace.store.audit.entries import GENESIS, AuditEntry, hash_body
from headrace.store.audit.files import file_name


@dataclass(frozen=True, slots=True)
class Head:
    """Where the entries end.

    Attributes:
        count: how many there are.
        hash: of the last of them.
        filed: how many of them are in the files, at least.
    """

    count: int = 0
    hash: str = GENESIS
    filed: int = 0

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Verified:
    """What `Audit.verify` has found.

    Attributes:
        head: where the entries end; kept elsewhere, it also shows that all of them were replaced.
        broken: the number of the first entry that is not as it was put on record; None when all
            are.
        why: what is wrong there, in words.
    """

    head: Head
    broken: int | None = None
    why: str = ""

    @property
    def count(self) -> int:
        """How many entries are on record."""
        return self.head.count


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that is not as it was put on record, and why."""

    seq: int
    why: str


def first_broken(
    entries: Iterable[AuditEntry], lines: Iterable[tuple[str, bytes]], head: Head, expected: Head
) -> Broken | None:
    """The first entry that was changed, removed, moved or added; None when all is as it was.

    Args:
        entries: those of the database, by number.
        lines: those of the files with their names, in order.
        head: where the entries must end.
        expected: an earlier head, as `Verified` gave it; one without entries expects nothing.
    """
    seq, last_hash, name = 0, GENESIS, ""
    for seq, (entry, (found_in, line)) in enumerate(_paired(entries, lines), 1):
        if entry is None:
            return Broken(seq, f"{found_in} goes on after the last entry of the database")
        if why := _misplaced(entry, seq, last_hash):
            return Broken(seq, why)
        if seq > head.count:
            return Broken(seq, f"it was added to the database after the last entry, {head.count}")
        name = file_name(entry.at, name)
        if why := _misfiled(entry, line, found_in, name):
            return Broken(seq, why)
        last_hash = entry.hash
        if seq == expected.count and last_hash != expected.hash:
            return Broken(seq, "it is another one than when the given head was noted")
    return _ended(seq, last_hash, head, expected)


def _ended(seq: int, last_hash: str, head: Head, expected: Head) -> Broken | None:
    if seq < head.count:
        return Broken(seq + 1, f"it is missing, and so is all after it: there were {head.count}")
    if last_hash != head.hash:
        return Broken(seq, "it is another one than the last that was put on record")
    if seq < expected.count:
        return Broken(seq + 1, f"it is missing: the given head has {expected.count} entries")
    return None


def _paired(
    entries: Iterable[AuditEntry], lines: Iterable[tuple[str, bytes]]
) -> Iterator[tuple[AuditEntry | None, tuple[str, bytes]]]:
    for entry, line in zip_longest(entries, lines):
        yield entry, line or ("", b"")


def _misplaced(entry: AuditEntry, seq: int, last_hash: str) -> str:
    """What is wrong with an entry of the database; "" for nothing."""
    if type(entry.seq) is not int or entry.seq != seq:
        return f"it is missing from the database, where {entry.seq!r} comes after {seq - 1}"
    if not all(type(getattr(entry, name)) is str for name in _TEXTS):
        return "it has been changed in the database: not every value is a text"
    if entry.prev != last_hash:
        return f"it does not follow entry {seq - 1}: one of them was put in place of another"
    if entry.hash != hash_body(entry.body):
        return "it has been changed in the database: its hash is not that of its content"
    return ""


def _misfiled(entry: AuditEntry, line: bytes, found_in: str, name: str) -> str:
    """What is wrong with the line of an entry; "" for nothing."""
    if not line:
        return f"it is missing from {name}"
    if line != entry.line:
        return f"its line in {found_in} is not what was put on record"
    if found_in != name:
        return f"its line is in {found_in}; it was put in {name}"
    return ""


_TEXTS = tuple(each.name for each in fields(AuditEntry) if each.name != "seq")

"""The audit log: takes what happened, keeps it where it can be read and not be changed unnoticed.

Every entry holds the hash of the one before. A SQLite file and files of NDJSON have the same
entries, and a seal under the store's secret says where they end: whoever changes, removes, moves or
adds one without that secret is found out by `verify`. Nothing here removes an entry.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from headrace.base.clock import Clock, SystemClock, format_time
from headrace.base.errors import StoreError
from headrace.store.audit.entries import GENESIS, Action, AuditEntry, AuditEvent, chained
from headrace.store.audit.files import AuditFiles, Tail
from headrace.store.audit.verifying import Broken, Head, Verified, first_broken
from headrace.store.database import BUSY_SECONDS, Database, DatabaseKind, Parameters
from headrace.store.durable import Disk, Writer, locked
from headrace.store.store import Store

_KIND = DatabaseKind(
    "the audit log",
    Path(__file__).parent / "sql",
    "the files in audit/ hold the same entries",
    private=True,
)
_TRIGGERS = ("entries_stay", "entries_stay_as_they_are", "head_stays")
_PAGE = 1000
_FIRST = -(2**63)
_LAST = 2**63 - 1
# Every ISO 8601 time sorts before it.
_END_OF_TIME = "~"
_NOTHING = Head()
_UNSEALED = "the note of where the entries end has been changed"
_SYSTEM_CLOCK = SystemClock()


@dataclass(slots=True, eq=False)
class Audit:
    """The audit log of a store; may be used from any thread, and by several processes at once."""

    root: Path
    clock: Clock
    _database: Database = field(repr=False)
    _files: AuditFiles = field(repr=False)
    _key: bytes = field(repr=False)

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        clock: Clock = _SYSTEM_CLOCK,
        disk: Disk | None = None,
        busy_seconds: float = BUSY_SECONDS,
    ) -> Audit:
        """The audit log of the store in `root`; what a crash has kept from the files is added.

        Args:
            root: the store's folder, which is created if there is none.
            clock: where the times of entries come from.
            disk: for tests: what carries out the file operations.
            busy_seconds: how long to wait for others that write to it.

        Raises:
            StoreError: the database is none of ours, or the disk refused.
        """
        store = Store.open(root, clock=clock, disk=disk)
        key = hmac.digest(store.secret(), b"headrace: the audit log", hashlib.sha256)
        writer = Writer(root, disk or Disk())
        writer.folder(root / "audit")
        database = Database.open(root / "audit.db", _KIND, busy_seconds=busy_seconds)
        audit = cls(root, clock, database, AuditFiles(root / "audit", writer), key)
        with audit._alone():
            if audit._why_unusable() == "":
                audit._complete()
        return audit

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def require_usable(self) -> None:
        """Make sure that entries can be appended, before what they would be about is done.

        Raises:
            StoreError: they cannot: the log is broken, see `verify`.
        """
        with self._alone():
            if why := self._why_unusable():
                raise self._unusable(why)

    def append(self, *events: AuditEvent) -> None:
        """Put events on record, in this order, all of them or none; they are on disk afterwards.

        Raises:
            StoreError: the log is broken, see `verify`, or the disk refused.
        """
        if not events:
            return
        with self._alone():
            if why := self._why_unusable():
                raise self._unusable(why)
            self._complete()
            head = self._head()
            entries = list(chained(events, head.count, head.hash, self._now()))
            after = Head(entries[-1].seq, entries[-1].hash, head.filed)
            with self._database.transaction() as connection:
                connection.executemany(
                    self._database.query("insert_entry"), [asdict(entry) for entry in entries]
                )
                connection.execute(self._database.query("set_head"), self._sealed(after))
            self._files.append(entries)
            self._database.write("set_head", [self._sealed(replace(after, filed=after.count))])

    def verify(self, expected: Head = _NOTHING) -> Verified:
        """Read every entry, and find the first one that is not as it was put on record.

        Nobody can append meanwhile.

        Args:
            expected: a head that an earlier call gave, so that it is also found when database and
                files were replaced together.
        """
        with self._alone():
            try:
                head, is_sealed = self._noted_head()
                broken = self._broken(head, expected)
            except StoreError as exc:
                return Verified(Head(), 1, str(exc))
        if broken is None and not is_sealed:
            broken = Broken(max(1, head.count), _UNSEALED)
        return Verified(head, broken.seq, broken.why) if broken else Verified(head)

    def export(
        self, since: str = "", until: str = "", action: Action | None = None
    ) -> Iterator[str]:
        """The lines of entries, oldest first, each with its line end.

        Args:
            since, until: ISO 8601 UTC, or its beginning, as "2026-11"; `until` is not within.
            action: only those of it.
        """
        for entry in self._entries(since, until, action or ""):
            yield entry.line.decode()

    def newest(
        self, limit: int, *, before: int | None = None, action: Action | None = None
    ) -> list[AuditEntry]:
        """The newest entries, newest first.

        Args:
            limit: at most so many.
            before: only those with a smaller number.
            action: only those of it.
        """
        parameters = {
            "before": _LAST if before is None else before,
            "limit": limit,
            "action": action or "",
        }
        rows = self._database.rows("entries_before", parameters)
        return [AuditEntry(*row) for row in rows]

    def _entries(self, since: str = "", until: str = "", action: str = "") -> Iterator[AuditEntry]:
        after = _FIRST
        until = until or _END_OF_TIME
        while page := self._page(after, _PAGE, since, until, action):
            yield from page
            after = page[-1].seq

    def _page(
        self, after: int, limit: int, since: str = "", until: str = _END_OF_TIME, action: str = ""
    ) -> list[AuditEntry]:
        span: Parameters = {"after": after, "since": since, "until": until}
        rows = self._database.rows("entries_after", {**span, "action": action, "limit": limit})
        return [AuditEntry(*row) for row in rows]

    def _head(self) -> Head:
        """Where the entries end.

        Raises:
            StoreError: it is not what was written.
        """
        head, is_sealed = self._noted_head()
        if not is_sealed:
            raise StoreError(_UNSEALED)
        return head

    def _noted_head(self) -> tuple[Head, bool]:
        """Where the database says that its entries end, and whether the seal fits."""
        rows = self._database.rows("head")
        if not rows:
            return Head(), True
        *values, seal = rows[0]
        if list(map(type, rows[0])) != [int, str, int, str]:
            return Head(), False
        head = Head(*values)
        return head, hmac.compare_digest(seal.encode(), self._seal(head).encode())

    def _broken(self, head: Head, expected: Head) -> Broken | None:
        broken = first_broken(self._entries(), self._files.lines(), head, expected)
        if broken is not None:
            return broken
        [[count]] = self._database.rows("count_entries")
        if count != head.count:
            return Broken(1, f"the database has {count} entries; there were {head.count}")
        names = tuple(name for (name,) in self._database.rows("triggers"))
        if names != _TRIGGERS:
            return Broken(head.count + 1, "the triggers that refuse changes are gone")
        return None

    def _why_unusable(self) -> str:
        """Why nothing may be appended: it would cover up what has happened; "" when it may."""
        try:
            head = self._head()
        except StoreError as exc:
            return str(exc)
        last = self._database.rows("last_entry") or [(0, GENESIS)]
        if last != [(head.count, head.hash)]:
            return "the last entry of the database is not the last that was put on record"
        return self._why_files_unusable(head, self._files.tail())

    def _why_files_unusable(self, head: Head, tail: Tail) -> str:
        if not head.filed <= tail.seq <= head.count:
            return f"the files end with entry {tail.seq}; expected {head.count}"
        filed = self._page(tail.seq - 1, 1)
        # Not by their hashes: of a line that was changed, its own still stands in it.
        if tail.seq and filed[0].line != tail.line + b"\n":
            return f"entry {tail.seq} of the files is not what was put on record"
        missing = self._page(tail.seq, 1)
        if tail.torn and not (missing and missing[0].line.startswith(tail.torn)):
            return f"{tail.torn_in} ends in something that was not put on record"
        return ""

    def _complete(self) -> None:
        """Bring to the files what is only in the database, since a process has ended in between."""
        head, tail = self._head(), self._files.tail()
        if head.filed == head.count:
            return
        if tail.torn:
            self._files.cut(tail)
        if missing := self._page(tail.seq, head.count - tail.seq):
            self._files.append(missing)
        self._database.write("set_head", [self._sealed(replace(head, filed=head.count))])

    def _sealed(self, head: Head) -> Parameters:
        return {**asdict(head), "seal": self._seal(head)}

    def _seal(self, head: Head) -> str:
        text = f"{head.count}:{head.hash}:{head.filed}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _now(self) -> str:
        return format_time(self.clock.now())

    def _unusable(self, why: str) -> StoreError:
        return StoreError(
            f"{self._database.path}: the audit log is not as headrace left it ({why}); nothing is"
            " put on record, so that it stays as it is; run `headrace audit verify`, keep"
            " audit.db and audit/ as evidence, and move both away to begin a new log"
        )

    def _alone(self) -> AbstractContextManager[object]:
        return locked(self.root / "audit.lock", exclusive=True)


def operator() -> str:
    """Who runs this process, for the log: "os:anna", by the system's own list of users."""
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"os:{os.getuid()}"

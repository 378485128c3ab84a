"""A SQLite file of ours: takes a path and a folder of SQL, gives transactions and rows.

The folder has one named query a file, and the migrations in migrations/, which are applied in the
order of their names.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from headrace.base.errors import StoreError

BUSY_SECONDS = 30.0
# Of 40 power cuts, the default (DELETE, FULL) lost an acknowledged commit in 29, and these in none.
# WAL would do too, but SQLite before 3.51.3 can corrupt a WAL that two connections write to.
_PRAGMAS = ("journal_mode = TRUNCATE", "synchronous = EXTRA", "foreign_keys = ON")

Parameters: TypeAlias = Mapping[str, "str | int | float | bytes | None"]


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What a file is: `name` and `loss` are for the errors, "the operations record" and what is
    lost with it; `private` files are readable by nobody else.
    """

    name: str
    sql: Path
    loss: str
    private: bool = False


@dataclass(slots=True)
class Database:
    """An open file; may be used from any thread, and by several processes at once."""

    path: Path
    kind: DatabaseKind
    _connection: sqlite3.Connection
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls, path: Path, kind: DatabaseKind, *, busy_seconds: float = BUSY_SECONDS
    ) -> Database:
        """The file `path`, which is created, or brought to this version.

        Args:
            path: the file.
            kind: what it holds.
            busy_seconds: how long to wait for others that write to it.

        Raises:
            StoreError: the file is none of this kind, or was made by a newer version.
        """
        if kind.private:
            _make_private(path)
        with _reporting(path, kind):
            connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
            database = cls(path, kind, connection)
            try:
                for pragma in _PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}")
                database._migrate()
            except BaseException:
                connection.close()
                raise
        return database

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def write(self, query: str, rows: Sequence[Parameters]) -> int:
        """Run a query once for each of `rows`, all or none; the number of rows that it changed."""
        with self.transaction() as connection:
            return connection.executemany(self.query(query), rows).rowcount

    def rows(self, query: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._lock, _reporting(self.path, self.kind):
            return self._connection.execute(self.query(query), parameters or {}).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it, or nothing when the block raises."""
        # IMMEDIATE: a transaction that begins by reading can be refused when it comes to writing.
        with self._lock, _reporting(self.path, self.kind), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def query(self, name: str) -> str:
        """The text of a named query, for a transaction of several."""
        return _query(self.kind.sql / f"{name}.sql")

    def _version(self) -> int:
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _migrate(self) -> None:
        migrations = sorted((self.kind.sql / "migrations").glob("*.sql"))
        if self._version() == len(migrations):
            return
        with self.transaction() as connection:
            version = self._version()
            if version > len(migrations):
                raise StoreError(
                    f"{self.path}: made by a newer version of headrace (format {version}); "
                    f"expected format {len(migrations)} or older; upgrade headrace"
                )
            for migration in migrations[version:]:
                for statement in migration.read_text(encoding="utf-8").split(";\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _make_private(path: Path) -> None:
    """Have the file, for nobody else from its first byte on; SQLite's journal gets its mode."""
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


@functools.cache
def _query(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@contextlib.contextmanager
def _reporting(path: Path, kind: DatabaseKind) -> Iterator[None]:
    """Turn SQLite's errors into a StoreError."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StoreError(
            f"{path}: {kind.name} cannot be used ({exc}); expected a SQLite file that "
            f"headrace wrote; {kind.loss}: if it is damaged, move it away, "
            "and a new one is begun"
        ) from exc

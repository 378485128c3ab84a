"""The operations record: what runs did and how often each path was called, in a SQLite file.

No published data depends on it: without the file the store works, and only the history of runs and
the access counts are gone. The queries lie in sql/, the migrations in sql/migrations/.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from headrace.base.declarations import Severity
from headrace.base.errors import NotFound, StoreError

_SQL = Path(__file__).parent / "sql"
_BUSY_SECONDS = 30.0
# Of 40 power cuts, the default (DELETE, FULL) lost an acknowledged commit in 29, and these in none.
# WAL would do too, but SQLite before 3.51.3 can corrupt a WAL that two connections write to.
_PRAGMAS = ("journal_mode = TRUNCATE", "synchronous = EXTRA", "foreign_keys = ON")
# Characters of an ISO 8601 time that are its date.
_DAY = 10

Parameters: TypeAlias = Mapping[str, "str | int | float | None"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    Attributes:
        run: its unique name.
        started_at, finished_at: ISO 8601 UTC; `finished_at` is "" until it has ended.
        outcome: "published", "unchanged" or "failed"; "" until it has ended, and for ever when
            it was killed.
        snapshot: number that was published in the environment when it ended.
        message: what failed, or "".
    """

    run: str
    environment: str
    started_at: str
    finished_at: str = ""
    outcome: str = ""
    snapshot: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One table that a run has dealt with, as `StepFinished` says."""

    run: str
    table: str
    outcome: Literal["built", "failed", "blocked"]
    rows: int = 0
    rows_in: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    message: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One check that a run has made, as `CheckFinished` says.

    `sample` is a JSON list of some of the wrong rows, each an object.
    """

    run: str
    name: str
    table: str
    severity: Severity
    failing: int
    message: str = ""
    sample: str = "[]"


@dataclass(slots=True)
class Records:
    """An open operations record; may be used from any thread, and by several processes at once."""

    path: Path
    _connection: sqlite3.Connection
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, path: Path, *, busy_seconds: float = _BUSY_SECONDS) -> Records:
        """The record in the file `path`, which is created, or brought to this version.

        Args:
            path: the file.
            busy_seconds: how long to wait for others that write to it.

        Raises:
            StoreError: the file is no such record, or was made by a newer version.
        """
        with _reporting(path):
            connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
            records = cls(path, connection)
            try:
                for pragma in _PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}")
                records._migrate()
            except BaseException:
                connection.close()
                raise
        return records

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def run_started(self, run: RunRecord) -> None:
        """Note a run that begins."""
        self._write("insert_run", [asdict(run)])

    def run_finished(
        self,
        run: str,
        outcome: Literal["published", "unchanged", "failed"],
        finished_at: str,
        snapshot: int | None,
        message: str = "",
    ) -> None:
        """Note how a run ended.

        Raises:
            NotFound: no such run has begun.
        """
        changed = self._write(
            "finish_run",
            [
                {
                    "run": run,
                    "outcome": outcome,
                    "finished_at": finished_at,
                    "snapshot": snapshot,
                    "message": message,
                }
            ],
        )
        if not changed:
            raise NotFound(
                f"{self.path}: there is no run {run!r}; expected one that `run_started` noted; "
                "note its beginning first"
            )

    def add_step(self, *steps: StepRecord) -> None:
        """Note tables that a run has dealt with, in one transaction."""
        self._write("insert_step", [asdict(step) for step in steps])

    def add_check(self, *checks: CheckRecord) -> None:
        """Note checks that a run has made, in one transaction."""
        self._write("insert_check", [asdict(check) for check in checks])

    def add_calls(self, environment: str, calls: Mapping[str, int], at: str) -> None:
        """Add calls, by path, to those that are counted already, in one transaction.

        `at` is the ISO 8601 UTC time of the last of them; they count for its day.
        """
        common: Parameters = {"environment": environment, "day": at[:_DAY], "at": at}
        self._write(
            "add_calls", [{**common, "path": path, "calls": count} for path, count in calls.items()]
        )

    def calls_since(self, environment: str, day: str) -> dict[str, int]:
        """Path -> calls since the ISO date `day`, that day included; without those of no call."""
        return dict(self._rows("calls_since", {"environment": environment, "day": day}))

    def last_runs(self, environment: str, limit: int) -> list[RunRecord]:
        """The last runs of an environment, newest first, at most `limit`."""
        rows = self._rows("last_runs", {"environment": environment, "limit": limit})
        return [RunRecord(*row) for row in rows]

    def steps(self, run: str) -> list[StepRecord]:
        """The tables that a run has dealt with, in the order in which they ended."""
        return [StepRecord(*row) for row in self._rows("steps_of_run", {"run": run})]

    def checks(self, run: str) -> list[CheckRecord]:
        """The checks that a run has made, in the order in which they ended."""
        return [CheckRecord(*row) for row in self._rows("checks_of_run", {"run": run})]

    def _write(self, query: str, rows: Sequence[Parameters]) -> int:
        """Run a query once for each of `rows`, all or none; the number of rows that it changed."""
        with self._transaction() as connection:
            return connection.executemany(_query(query), rows).rowcount

    def _rows(self, query: str, parameters: Parameters) -> list[tuple[Any, ...]]:
        with self._lock, _reporting(self.path):
            return self._connection.execute(_query(query), parameters).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        # IMMEDIATE: a transaction that begins by reading can be refused when it comes to writing.
        with self._lock, _reporting(self.path), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def _version(self) -> int:
        [version] = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _migrate(self) -> None:
        migrations = sorted((_SQL / "migrations").glob("*.sql"))
        if self._version() == len(migrations):
            return
        with self._transaction() as connection:
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


@functools.cache
def _query(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


@contextlib.contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a StoreError."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StoreError(
            f"{path}: the operations record cannot be used ({exc}); expected a SQLite file that "
            "headrace wrote; no published data depends on it: if it is damaged, move it away, "
            "and a new one is begun"
        ) from exc

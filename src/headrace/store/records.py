"""The operations record: what runs did, how often each path was called, and how often each
credential has asked in a day, in a SQLite file.

No published data depends on it: without the file the store works, and only the history of runs and
the access counts are gone. The queries lie in sql/, the migrations in sql/migrations/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from headrace.base.declarations import Severity
from headrace.base.errors import NotFound
from headrace.store.database import BUSY_SECONDS, Database, DatabaseKind, Parameters

_KIND = DatabaseKind(
    "the operations record", Path(__file__).parent / "sql", "no published data depends on it"
)
# Characters of an ISO 8601 time that are its date.
_DAY = 10


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


@dataclass(frozen=True, slots=True)
class Records:
    """An open operations record; may be used from any thread, and by several processes at once."""

    _database: Database

    @classmethod
    def open(cls, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Records:
        """The record in the file `path`, which is created, or brought to this version.

        Args:
            path: the file.
            busy_seconds: how long to wait for others that write to it.

        Raises:
            StoreError: the file is no such record, or was made by a newer version.
        """
        return cls(Database.open(path, _KIND, busy_seconds=busy_seconds))

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def run_started(self, run: RunRecord) -> None:
        """Note a run that begins."""
        self._database.write("insert_run", [asdict(run)])

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
        changed = self._database.write(
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
        self._database.write("insert_step", [asdict(step) for step in steps])

    def add_check(self, *checks: CheckRecord) -> None:
        """Note checks that a run has made, in one transaction."""
        self._database.write("insert_check", [asdict(check) for check in checks])

    def add_calls(self, environment: str, calls: Mapping[str, int], at: str) -> None:
        """Add calls, by path, to those that are counted already, in one transaction.

        `at` is the ISO 8601 UTC time of the last of them; they count for its day.
        """
        common: Parameters = {"environment": environment, "day": at[:_DAY], "at": at}
        self._database.write(
            "add_calls", [{**common, "path": path, "calls": count} for path, count in calls.items()]
        )

    def calls_since(self, environment: str, day: str) -> dict[str, int]:
        """Path -> calls since the ISO date `day`, that day included; without those of no call."""
        return dict(self._database.rows("calls_since", {"environment": environment, "day": day}))

    def add_requests(self, day: str, requests: Mapping[str, int]) -> None:
        """Add requests, by credential, to those of the ISO date `day`, in one transaction."""
        self._database.write(
            "add_requests",
            [
                {"day": day, "credential": credential, "requests": count}
                for credential, count in requests.items()
            ],
        )

    def requests_of(self, day: str) -> dict[str, int]:
        """Credential -> its requests in the ISO date `day`; without those of no request."""
        return dict(self._database.rows("requests_of_day", {"day": day}))

    def forget_requests(self, before: str) -> None:
        """Forget the requests of all days before the ISO date `before`."""
        self._database.write("forget_requests", [{"day": before}])

    def last_runs(self, environment: str, limit: int) -> list[RunRecord]:
        """The last runs of an environment, newest first, at most `limit`."""
        rows = self._database.rows("last_runs", {"environment": environment, "limit": limit})
        return [RunRecord(*row) for row in rows]

    def steps(self, run: str) -> list[StepRecord]:
        """The tables that a run has dealt with, in the order in which they ended."""
        return [StepRecord(*row) for row in self._database.rows("steps_of_run", {"run": run})]

    def checks(self, run: str) -> list[CheckRecord]:
        """The checks that a run has made, in the order in which they ended."""
        return [CheckRecord(*row) for row in self._database.rows("checks_of_run", {"run": run})]

"""What a run has made, as nouns: versions, check results with samples, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.base.tables import Version
from headrace.observe.events import StepFinished
from headrace.store.snapshots import CheckResult

# Wrong rows kept with a check's result, for the user to look at.
SAMPLE_ROWS = 20
# Characters of each of their values: 20 rows of 50 columns stay below 1 MB.
SAMPLE_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """A check's result, and up to `SAMPLE_ROWS` of the wrong rows as column -> text."""

    result: CheckResult
    sample: tuple[Mapping[str, str | None], ...] = ()

    @property
    def stops_publish(self) -> bool:
        """Whether the run must not publish because of it; an error of a check is a failure."""
        return not self.result.passed and self.result.severity == "error"


@dataclass(frozen=True, slots=True)
class Built:
    """What executing a plan gave. Nothing of it is visible to a reader yet.

    Attributes:
        versions: every table's next version, built or reused; without those that failed.
        steps: how each step ended, in the order in which they ended.
        checks: the outcome of every check that was made.
        reshaped: the Python models that returned other columns than were planned with. What reads
            them has to be planned again.
    """

    versions: Mapping[str, Version]
    steps: tuple[StepFinished, ...]
    checks: tuple[CheckOutcome, ...]
    reshaped: frozenset[str] = frozenset()

    def then(self, later: Built) -> Built:
        """This, followed by what a later plan of the same run gave."""
        made = {outcome.result.address: outcome for outcome in (*self.checks, *later.checks)}
        steps = (*self.steps, *later.steps)
        return Built(later.versions, steps, tuple(made.values()), later.reshaped)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why nothing may be published, in words; () when it may."""
        return (
            *(f"{step.table}: {step.message}" for step in self.steps if step.outcome == "failed"),
            *(_failure(check.result) for check in self.checks if check.stops_publish),
        )


def _failure(result: CheckResult) -> str:
    if result.message:
        return f"{result.name}: {result.message}"
    return f"{result.name}: {result.failing:,} wrong {'row' if result.failing == 1 else 'rows'}"

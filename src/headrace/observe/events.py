"""What happens during a run, as events that a caller's function receives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: `steps` things to build, `checks` checks to make."""

    run: str
    environment: str
    steps: int
    checks: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A table's build begins, for the reasons that the plan gave."""

    table: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepRetried:
    """A table's build was stopped by what may pass, and is tried again.

    `attempt` is the one that failed, from 1, of at most `attempts`; the next one begins after
    `wait_seconds`; `message` says what failed.
    """

    table: str
    attempt: int
    attempts: int
    wait_seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A table's build has ended.

    `outcome` is "built" or "failed"; or "blocked", when an input failed. For a source,
    `rows_in == rows + quarantined`. `seconds` is wall time; `message` says what failed; `attempts`
    counts how often it was begun, 0 when it is blocked.
    """

    table: str
    outcome: Literal["built", "failed", "blocked"]
    rows: int = 0
    rows_in: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    message: str = ""
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check has ended; `failing` counts the wrong rows, -1 when the check itself raised."""

    name: str
    table: str
    severity: Literal["error", "warn"]
    failing: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class CopyFinished:
    """The keyed copy of an endpoint has been made, or has not.

    `outcome` is "built"; "refused", when it cannot be, and is not tried again; or "failed", when
    the next run tries again. Either way the endpoint is answered. `endpoint` names all that share
    the copy, with commas. `size_bytes` is the file's; `message` says why there is none.
    """

    endpoint: str
    outcome: Literal["built", "refused", "failed"]
    rows: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run has ended.

    `outcome` is "published", "unchanged" (nothing to do), or "failed" (nothing published);
    `snapshot` is the number that is published in the environment now, 0 when there is none.
    """

    run: str
    outcome: Literal["published", "unchanged", "failed"]
    snapshot: int
    seconds: float
    message: str = ""


Event: TypeAlias = (
    RunStarted
    | StepStarted
    | StepRetried
    | StepFinished
    | CheckFinished
    | CopyFinished
    | RunFinished
)
Observer: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that does nothing with `event`."""

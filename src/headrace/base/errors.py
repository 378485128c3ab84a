"""Every error that headrace raises on purpose, as one tree, with the exit code of each branch.

HeadraceError
├── UserError                   exit 2: the user's files or arguments are wrong; nothing ran
│   ├── ProjectError            one or more Problems in the project's files
│   ├── BreakingChanges         the API's contract would break its users, and nobody accepted it
│   └── UsageError              the arguments of a command or call do not fit
├── RunError                    exit 1: a run stopped; the published snapshot stays
│   ├── SourceError             a raw file cannot be read by its contract at all
│   ├── ModelError              a model raised, or returned what its contract forbids
│   └── RunFailed               the summary of a run that published nothing
└── StoreError                  exit 1: the store cannot do what was asked
    ├── NotFound                no such environment, snapshot, table or object
    ├── Conflict                somebody else published first
    ├── CorruptObject           stored bytes do not match their hash
    └── OutcomeUnknown          the publish may or may not have happened: read again

`Retry` stands beside the tree: users raise it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from headrace.base.changes import ContractChange


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in one of the user's files.

    `file` is relative to the project, with forward slashes; `line` and `column` count from 1,
    and 0 means "the whole file" (or "the whole line").
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what was found, what was expected, and what to do about it.

    `found` is a full clause ("`partitions` is not a key here"); `expected` and `fix` may be "".
    """

    place: Place
    found: str
    expected: str = ""
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.fix:
            text += f"; {self.fix}"
        return text


class HeadraceError(Exception):
    """Base of every error that headrace raises on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(HeadraceError):
    """The user's files or arguments are wrong. Nothing ran."""

    exit_code = 2


class ProjectError(UserError):
    """The project's files hold mistakes: all of them, sorted by place.

    `breaks` says what of the deployed contract could not be kept if they were left as they are.
    """

    def __init__(self, problems: Iterable[Problem], breaks: Iterable[ContractChange] = ()) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        self.breaks = tuple(breaks)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BreakingChanges(UserError):
    """The contract would break users of the API, and nobody has accepted it.

    `changes` are those that were not accepted, in the order of their endpoints.
    """

    def __init__(self, changes: Iterable[ContractChange]) -> None:
        self.changes = tuple(changes)
        super().__init__("\n".join([*map(str, self.changes), self.advice]))

    @property
    def advice(self) -> str:
        """How many changes there are, and what to do about them."""
        count = len(self.changes)
        counted = f"{count} breaking change{'' if count == 1 else 's'} for users of the API"
        names = dict.fromkeys(change.endpoint for change in self.changes)
        accept = " ".join(f"--accept-breaking {name}" for name in names)
        return (
            f"{counted}; nothing is published; `{accept}` publishes, "
            "and a second file with another `version:` keeps the old contract beside the new one"
        )


class UsageError(UserError):
    """The arguments of a command or of a call do not fit."""


class RunError(HeadraceError):
    """A run stopped before it published. What was published before stays published."""


class SourceError(RunError):
    """A raw file cannot be read by its contract at all (not: a row of it is bad)."""


class ModelError(RunError):
    """A model raised, or returned what its contract forbids."""


class RunFailed(RunError):
    """A run published nothing; the message says which steps and checks failed."""


class StoreError(HeadraceError):
    """The store cannot do what was asked."""


class NotFound(StoreError):
    """No such environment, snapshot, table or object."""

    exit_code = 2


class Conflict(StoreError):
    """Somebody else published to the environment after this run had read it."""


class CorruptObject(StoreError):
    """Stored bytes do not match the hash that names them."""


class OutcomeUnknown(StoreError):
    """The publish may or may not have happened: read the environment again; clean up nothing."""


class Retry(Exception):
    """Raised by a Python model, never by headrace: what stopped it may pass, so try again."""

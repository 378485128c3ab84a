"""Every error that headrace raises on purpose, as one tree, with the exit code of each branch.

HeadraceError
├── UserError                   exit 2: the user's files or arguments are wrong; nothing ran
│   ├── ProjectError            one or more Problems in the project's files
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
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


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
    """The project's files hold mistakes: all of them, sorted by place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(str(problem) for problem in self.problems))


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

"""Refs: takes what was published where, gives one chain of numbered files an environment.

`refs/<environment>/<number>` is put in place if absent: of two that publish the same number, one
wins. The head is the highest number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.base.errors import Conflict, CorruptObject, NotFound, UsageError
from headrace.base.names import is_environment, listed, near_miss
from headrace.store.durable import Writer
from headrace.store.sealing import seal, unseal
from headrace.store.snapshots import Ref


@dataclass(frozen=True, slots=True)
class Refs:
    """The folder of refs."""

    folder: Path
    writer: Writer

    def environments(self) -> list[str]:
        """The environments that something was published to, sorted."""
        return sorted(path.name for path in self.folder.iterdir() if self.numbers(path.name))

    def numbers(self, environment: str) -> list[int]:
        """The numbers that are kept, ascending."""
        try:
            names = [path.name for path in (self.folder / environment).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(name) for name in names if name.isdecimal())

    def head(self, environment: str) -> Ref | None:
        """What is published; None when nothing ever was."""
        while numbers := self.numbers(environment):
            # Between the two lines a newer one may be published, and gc remove this one.
            with contextlib.suppress(FileNotFoundError):
                return self._read(environment, numbers[-1])
        return None

    def get(self, environment: str, number: int) -> Ref:
        """One published step.

        Raises:
            NotFound: there is none of that number; the message says what there is.
            CorruptObject: its file was damaged.
        """
        try:
            return self._read(environment, number)
        except FileNotFoundError as exc:
            raise self._not_found(environment, number) from exc

    def newest_first(self, environment: str) -> Iterator[Ref]:
        """Every step that is kept, each read when it is asked for."""
        for number in reversed(self.numbers(environment)):
            with contextlib.suppress(FileNotFoundError):  # gc has just removed it
                yield self._read(environment, number)

    def append(self, ref: Ref) -> None:
        """Publish: put `ref` in place if nobody has published its number.

        Raises:
            Conflict: somebody else has.
            OutcomeUnknown: see `Writer.put_if_absent`.
        """
        path = self.folder / ref.environment / str(ref.number)
        if not self.writer.put_if_absent(path, seal(msgspec.json.encode(ref))):
            head = self.head(ref.environment)
            raise conflict(ref.environment, head.number if head else None, ref.number - 1)

    def remove(self, ref: Ref) -> None:
        """Forget one step; the caller makes sure that it is not the head."""
        self.writer.remove(self.folder / ref.environment / str(ref.number))

    def _read(self, environment: str, number: int) -> Ref:
        path = self.folder / environment / str(number)
        body = unseal(path.read_bytes(), path)
        try:
            return msgspec.json.decode(body, type=Ref)
        except msgspec.MsgspecError as exc:
            raise CorruptObject(
                f"{path}: not a ref of this version ({exc}); expected what headrace wrote; "
                "use the version of headrace that wrote it"
            ) from exc

    def _not_found(self, environment: str, number: int) -> NotFound:
        numbers = self.numbers(environment)
        if not numbers:
            return unknown_environment(environment, self.environments())
        kept = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        return NotFound(
            f"{environment}: there is no snapshot {number}; expected one of {kept}; "
            "run `headrace snapshots` to list them"
        )


def unknown_environment(environment: str, known: list[str]) -> NotFound:
    """The error for an environment that nothing was published to."""
    fix = near_miss(environment, known) or "run `headrace run` to publish to it"
    others = f"expected one of {listed(known)}; " if known else ""
    return NotFound(f"{environment}: nothing is published in this environment; {others}{fix}")


def conflict(environment: str, head: int | None, parent: int | None) -> Conflict:
    """The error for a publish whose parent is not the head any more."""
    found = f"snapshot {head}" if head else "nothing"
    expected = f"snapshot {parent}" if parent else "nothing"
    return Conflict(
        f"{environment}: {found} is published; expected {expected}, which this run started from; "
        "somebody else published in between: run again"
    )


def require_environment_name(environment: str) -> None:
    """Make sure that `environment` can be a folder's name.

    Raises:
        UsageError: it cannot.
    """
    if not is_environment(environment):
        raise UsageError(
            f"environment: {environment!r} is not a name; expected letters, digits, "
            "underscores and hyphens, at most 100, not starting with a digit; choose another name"
        )

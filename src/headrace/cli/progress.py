"""Takes the events of a run, shows them: live on a terminal, else as plain or JSON lines."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from headrace.base.sizes import size
from headrace.cli.findings import check_line, indented
from headrace.cli.printing import bad, count, counted, cut, duration, good, warned, width
from headrace.observe.events import (
    CheckFinished,
    CopyFinished,
    Event,
    Observer,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetried,
    StepStarted,
)

if TYPE_CHECKING:
    from rich.progress import Progress

_MARKS = {"built": good("✓"), "failed": bad("✗"), "blocked": warned("–")}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@contextmanager
def showing(*, as_json: bool, names: tuple[str, ...]) -> Iterator[Observer]:
    """The observer that fits stdout, for as long as a run lasts.

    Args:
        as_json: one JSON object a line, whatever stdout is.
        names: the tables that may be built, so that columns can be aligned from the first line.
    """
    if as_json:
        yield JsonLines()
    elif sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _live() as progress:
            yield Live(progress, names)
    else:
        yield Lines(names)


class JsonLines:
    """Prints every event as one JSON object a line; `event` is the event's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Print `event`."""
        with self._lock:
            click.echo(event_json(event))


class Lines:
    """Prints a line for every table that was built and every check that found something."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._lock = threading.Lock()
        self._columns = max(map(width, names), default=0)

    def __call__(self, event: Event) -> None:
        """Print what `event` has to say, if anything."""
        line = event_line(event, self._columns)
        if line:
            with self._lock:
                click.echo(line)


class Live:
    """Prints the same lines above one progress bar that says what is being built now."""

    def __init__(self, progress: Progress, names: tuple[str, ...]) -> None:
        self._progress = progress
        self._columns = max(map(width, names), default=0)
        self._building: list[str] = []
        self._task = progress.add_task("", total=None, visible=False)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Print what `event` has to say, and move the bar."""
        from rich.text import Text

        with self._lock:
            line = event_line(event, self._columns)
            if line:
                # Through rich's own text, so that NO_COLOR is heeded; soft: the terminal wraps.
                self._progress.console.print(Text.from_ansi(line), soft_wrap=True)
            self._move(event)

    def _move(self, event: Event) -> None:
        match event:
            case RunStarted():
                total = event.steps + event.checks
                self._progress.update(self._task, total=total, visible=total > 0)
            case StepStarted():
                self._building.append(event.table)
                self._describe()
            case StepFinished():
                self._building = [name for name in self._building if name != event.table]
                self._describe()
                self._progress.advance(self._task)
            case CheckFinished():
                self._progress.advance(self._task)
            case RunFinished():
                self._progress.update(self._task, visible=False)

    def _describe(self) -> None:
        text = "building " + ", ".join(self._building) if self._building else "checking"
        self._progress.update(self._task, description=cut(text, 50))


@contextmanager
def _live() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=Console(highlight=False), transient=True) as progress:
        yield progress


def event_json(event: Event) -> str:
    """One event as a JSON object on one line.

    >>> event_json(StepStarted(table="orders", reasons=("its SQL changed",)))
    '{"event": "step_started", "table": "orders", "reasons": ["its SQL changed"]}'
    """
    name = _CAPITAL.sub("_", type(event).__name__).lower()
    return json.dumps({"event": name, **asdict(event)}, ensure_ascii=False)


def event_line(event: Event, columns: int) -> str:
    """What one event says to people; "" when it has nothing to say.

    Args:
        event: any event of a run.
        columns: the width of the longest table name.
    """
    if isinstance(event, StepFinished):
        return _step_line(event, columns)
    if isinstance(event, StepRetried):
        return _retry_line(event, columns)
    if isinstance(event, CheckFinished) and event.failing != 0:
        return check_line(event.name, event.severity, event.failing, event.message)
    if isinstance(event, CopyFinished):
        return _copy_line(event)
    return ""


def _copy_line(copy: CopyFinished) -> str:
    if copy.outcome == "built":
        figures = f"{counted(copy.rows, 'row')}, {size(copy.size_bytes)}, {duration(copy.seconds)}"
        return f"{good('✓')} keyed copy for {copy.endpoint}: {figures}"
    until = ", until a run has one" if copy.outcome == "failed" else ""
    why = f"no keyed copy for {copy.endpoint}: {indented(copy.message)}"
    return f"{warned('!')} {why}; answered from data files instead{until}"


def _retry_line(step: StepRetried, columns: int) -> str:
    name = step.table + " " * (columns - width(step.table))
    line = f"{warned('↻')} {name}  attempt {step.attempt} of {step.attempts} failed, the next one"
    return f"{line} in {duration(step.wait_seconds)}: {indented(step.message)}"


def _step_line(step: StepFinished, columns: int) -> str:
    name = step.table + " " * (columns - width(step.table))
    if step.outcome != "built":
        return f"{_MARKS[step.outcome]} {name}  {step.outcome}: {indented(step.message)}"
    line = f"{_MARKS['built']} {name}  {count(step.rows):>13} rows  {duration(step.seconds):>9}"
    if step.quarantined:
        line += "  " + warned(f"{counted(step.quarantined, 'row')} quarantined")
    return line

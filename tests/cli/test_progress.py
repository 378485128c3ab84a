"""Progress: every event once, as lines that are aligned, JSON that is whole, or a live display."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from rich.progress import Progress

from headrace.cli.progress import JsonLines, Lines, Live, event_json, showing
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

EVENTS: tuple[Event, ...] = (
    RunStarted("a", "prod", steps=3, checks=2),
    StepStarted("orders", ("it is new",)),
    StepFinished("orders", "built", rows=498_112, rows_in=498_124, quarantined=12, seconds=1.23),
    StepStarted("daily", ("it is new",)),
    StepRetried("daily", 1, 3, 0.75, "models/daily.py:3: refused\nby whom"),
    StepFinished("daily", "failed", message="models/daily.sql:3: no column `x`\nLINE 3: x"),
    StepFinished("daily_sales", "blocked", message="waits for daily"),
    CheckFinished("orders: key id", "orders", "error", failing=0),
    CheckFinished("orders: row_count", "orders", "warn", failing=1),
    CheckFinished("orders: min id", "orders", "error", failing=-1, message="it cannot be cast"),
    CopyFinished("by_day, by_store", "built", rows=1_200, size_bytes=48_000, seconds=0.5),
    CopyFinished("found", "refused", message="a key is longer than 511 bytes"),
    CopyFinished("x", "failed", message="no space left"),
    RunFinished("a", "failed", snapshot=3, seconds=1.5, message="daily failed"),
)
NAMES = ("orders", "daily", "daily_sales")
LINES = [
    "✓ orders             498,112 rows      1.2 s  12 rows quarantined",
    "↻ daily        attempt 1 of 3 failed, the next one in 0.8 s: models/daily.py:3: refused",
    "    by whom",
    "✗ daily        failed: models/daily.sql:3: no column `x`",
    "    LINE 3: x",
    "– daily_sales  blocked: waits for daily",
    "! orders: row_count: 1 row wrong (a warning)",
    "✗ orders: min id: it cannot be cast",
    "✓ keyed copy for by_day, by_store: 1,200 rows, 48.0 kB, 0.5 s",
    "! no keyed copy for found: a key is longer than 511 bytes; answered from data files instead",
    "! no keyed copy for x: no space left; answered from data files instead, until a run has one",
]


def feed(observer: Observer) -> None:
    """Give all events to an observer."""
    for event in EVENTS:
        observer(event)


def test_plain_lines_are_aligned_and_only_what_matters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed(Lines(NAMES))
    assert capsys.readouterr().out.splitlines() == LINES


def test_every_event_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    feed(JsonLines())
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(events) == len(EVENTS)
    assert events[2] == {
        "event": "step_finished",
        "table": "orders",
        "outcome": "built",
        "rows": 498_112,
        "rows_in": 498_124,
        "quarantined": 12,
        "seconds": 1.23,
        "message": "",
        "attempts": 1,
    }
    assert events[4] == {
        "event": "step_retried",
        "table": "daily",
        "attempt": 1,
        "attempts": 3,
        "wait_seconds": 0.75,
        "message": "models/daily.py:3: refused\nby whom",
    }


def test_a_terminal_gets_the_same_lines_above_a_bar() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=120, force_terminal=False)
    with Progress(console=console, disable=False, auto_refresh=False) as progress:
        feed(Live(progress, NAMES))
        [task] = progress.tasks
    assert [line for line in screen.getvalue().splitlines() if line.strip()] == LINES
    assert (task.total, task.completed, task.visible) == (5, 6, False)


@pytest.mark.parametrize("make", [JsonLines, lambda: Lines(NAMES)], ids=["json", "plain"])
def test_lines_of_several_threads_are_never_mixed(
    make: Callable[[], Observer], capsys: pytest.CaptureFixture[str]
) -> None:
    observer = make()
    step = StepFinished("orders", "built", rows=1, seconds=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(observer, [step] * 200))
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), len(set(lines))) == (200, 1)


def test_what_is_no_terminal_gets_plain_lines() -> None:
    with showing(as_json=False, names=NAMES) as observer:
        assert isinstance(observer, Lines)
    with showing(as_json=True, names=NAMES) as observer:
        assert isinstance(observer, JsonLines)


def test_the_name_of_an_event_is_in_snake_case() -> None:
    assert json.loads(event_json(EVENTS[0]))["event"] == "run_started"

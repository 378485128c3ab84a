"""What it costs to know who asks is measured of things that were done, and limits are kept to."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.auth import (
    KEY_LIMIT,
    REFERENCE,
    TOKEN_LIMIT,
    Figure,
    NotDone,
    Rounds,
    Step,
    all_steps,
    main,
    measured,
    table,
)
from benchmarks.issuing import ALGORITHMS

_ONCE = Rounds(count=1, seconds=0.0001)


def test_everything_that_is_promised_is_measured(tmp_path: Path) -> None:
    with all_steps(tmp_path) as steps:
        figures = measured(steps, _ONCE)
    of_token = ("{}, the signature alone", "token, {}, first time", "token, {}, remembered")
    tokens = [each.format(name) for name in ALGORITHMS for each in of_token]
    assert [figure.what for figure in figures] == [
        "SHA-256 of 64 bytes",
        "API key, first time",
        "API key, remembered",
        "API key, unknown",
        *tokens,
        "session, by its cookie",
        "row policy, first time",
        "row policy, remembered",
        "limits, one of them",
        "limits, two of them",
        "password, argon2id",
    ]
    assert all(figure.microseconds > 0 < figure.times for figure in figures)
    assert figures[0].times == 1.0


def test_what_every_request_pays_has_a_limit(tmp_path: Path) -> None:
    with all_steps(tmp_path) as steps:
        limits = {step.what: step.limit for step in steps}
    paid = [what for what in limits if "remembered" in what or "limits" in what]
    assert len(paid) == 7
    assert {limits[what] for what in (*paid, "API key, first time")} == {KEY_LIMIT}
    assert limits["token, RS256, first time"] == TOKEN_LIMIT


def test_a_step_that_does_something_else_is_not_measured() -> None:
    steps = [Step("nothing", lambda: None, bytes)]
    with pytest.raises(NotDone, match=r"^nothing: gives NoneType, not bytes$"):
        measured(steps, _ONCE)


def test_what_costs_more_than_it_may_is_said() -> None:
    figures = [
        Figure(REFERENCE.what, 0.5, 1.0, 0.0),
        Figure("this", 10.0, 20.0, 10.0),
        Figure("that", 1010.0, 2020.0, 10.0),
    ]
    assert [figure.kept for figure in figures] == [True, True, False]
    assert table(figures, Rounds()).splitlines()[2:] == [
        "| what | µs of CPU | × SHA-256 of 64 bytes | limit | kept |",
        "|---|---|---|---|---|",
        "| SHA-256 of 64 bytes | 0.50 | 1.0 |  | yes |",
        "| this | 10.00 | 20.0 | 10 µs | yes |",
        "| that | 1,010.00 | 2,020.0 | 10 µs | NO |",
    ]


def test_the_figures_are_printed_and_the_page_may_be_left_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--keep-page"], _ONCE) in (0, 1)
    assert capsys.readouterr().out.startswith("Medians of 1 interleaved rounds; Python ")
